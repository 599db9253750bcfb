//! The bucket of an account and Region that contains the files from which stacks are deployed. The key of each object
//! is its digest.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, PublicAccessBlockConfiguration, ServerSideEncryption,
};
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, incomplete, known};
use goldsmith_cloud::{CloudError, Kind, Result};
use serde_json::{Value, json};

use crate::Caller;

/// The Region whose buckets have no location constraint (S3 API reference, CreateBucket).
const WITHOUT_CONSTRAINT: &str = "us-east-1";
/// Sid of Goldsmith's statement in the policy of the bucket.
const SID: &str = "TlsOnly";

/// The bucket for files to deploy.
#[derive(Debug)]
pub struct Artifacts {
    client: Client,
    region: String,
    account: String,
    partition: String,
    bucket: String,
    endpoint: String,
}

impl Artifacts {
    /// Creates the handle for the bucket of the caller's account in the configuration's Region. No call is made.
    #[must_use]
    pub fn new(config: &SdkConfig, caller: &Caller) -> Self {
        let region = home_region(config);
        Self {
            client: Client::new(config),
            bucket: format!("goldsmith-artifacts-{}-{region}", caller.account),
            endpoint: endpoint_of(config, caller),
            account: caller.account.clone(),
            partition: caller.partition().to_owned(),
            region,
        }
    }

    /// Returns the name of the bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Creates the bucket unless it exists. No other account can read it, and it accepts only requests over TLS. Safe
    /// to repeat.
    ///
    /// # Errors
    /// The errors of the calls, and also an error if a bucket with this name belongs to another account.
    pub async fn prepare(&self) -> Result<()> {
        let there = self.client.head_bucket().bucket(&self.bucket).expected_bucket_owner(&self.account).send().await;
        match known(there.map_err(failure("HeadBucket", &self.region))) {
            // The call that created it may have been interrupted before it restricted the access.
            Ok(Some(_)) => return self.close().await,
            Ok(None) => {}
            Err(error) if error.kind == Kind::Denied => return Err(self.not_ours(error)),
            Err(error) => return Err(error),
        }
        let create = self.client.create_bucket().bucket(&self.bucket);
        let create = if self.region == WITHOUT_CONSTRAINT {
            create
        } else {
            let constraint = BucketLocationConstraint::from(self.region.as_str());
            create.create_bucket_configuration(
                CreateBucketConfiguration::builder().location_constraint(constraint).build(),
            )
        };
        match create.send().await.map_err(failure("CreateBucket", &self.region)) {
            // An earlier call created the bucket, and its answer was lost.
            Err(error) if error.code == "BucketAlreadyOwnedByYou" => {}
            made => drop(made?),
        }
        self.close().await
    }

    /// Denies everyone else access to the bucket. Since 2023, S3 applies each of these settings by default, but an
    /// organization may have changed that.
    async fn close(&self) -> Result<()> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .block_public_policy(true)
            .ignore_public_acls(true)
            .restrict_public_buckets(true)
            .build();
        let block = self.client.put_public_access_block().bucket(&self.bucket).public_access_block_configuration(block);
        let block = block.expected_bucket_owner(&self.account).send().await;
        block.map_err(failure("PutPublicAccessBlock", &self.region))?;
        let Some(policy) = with(self.tls_only(), self.policy().await?) else { return Ok(()) };
        let put = self.client.put_bucket_policy().bucket(&self.bucket).policy(policy.to_string());
        let put = put.expected_bucket_owner(&self.account).send().await;
        put.map_err(failure("PutBucketPolicy", &self.region))?;
        Ok(())
    }

    /// Returns the bucket's policy, to which its owners may have added statements.
    async fn policy(&self) -> Result<Option<Value>> {
        const OPERATION: &str = "GetBucketPolicy";
        let answer = self.client.get_bucket_policy().bucket(&self.bucket).expected_bucket_owner(&self.account);
        let found = known(answer.send().await.map_err(failure(OPERATION, &self.region)))?;
        let Some(text) = found.and_then(|answer| answer.policy) else { return Ok(None) };
        let policy = serde_json::from_str(&text).map_err(|_| incomplete(OPERATION, &self.region, "policy"))?;
        Ok(Some(policy))
    }

    fn tls_only(&self) -> Value {
        let bucket = format!("arn:{}:s3:::{}", self.partition, self.bucket);
        json!({
            "Sid": SID, "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [bucket, format!("{bucket}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        })
    }

    fn not_ours(&self, error: CloudError) -> CloudError {
        let why = "it may belong to another account, or the caller lacks s3:ListBucket";
        let message = format!("{} (the bucket {}: {why})", error.message, self.bucket);
        CloudError { message, ..error }
    }

    /// Returns the URL by which a template names the object with this key: `s3://BUCKET/KEY`.
    #[must_use]
    pub fn place(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Stores a file under its digest, unless it is stored already.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn put(&self, key: &str, content: Vec<u8>) -> Result<()> {
        let head = self.client.head_object().bucket(&self.bucket).key(key).expected_bucket_owner(&self.account);
        if known(head.send().await.map_err(failure("HeadObject", &self.region)))?.is_none() {
            let put = self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(content));
            let put = put.expected_bucket_owner(&self.account).server_side_encryption(ServerSideEncryption::Aes256);
            put.send().await.map_err(failure("PutObject", &self.region))?;
        }
        Ok(())
    }

    /// Returns the URL from which CloudFormation reads the template with this key.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        format!("{}/{}/{key}", self.endpoint, self.bucket)
    }
}

/// Returns the policy with Goldsmith's statement and all other statements, or `None` if it already contains Goldsmith's
/// statement.
fn with(own: Value, policy: Option<Value>) -> Option<Value> {
    let mut policy = policy.unwrap_or_else(|| json!({"Version": "2012-10-17"}));
    // A single statement may be written without a list.
    let mut statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one) => vec![one.clone()],
        None => vec![],
    };
    if statements.iter().any(|one| one["Sid"] == own["Sid"] && one["Condition"] == own["Condition"]) {
        return None;
    }
    statements.retain(|one| one["Sid"] != own["Sid"]);
    statements.push(own);
    policy["Statement"] = Value::Array(statements);
    Some(policy)
}

/// Returns the endpoint of S3 for this configuration.
#[must_use]
pub fn endpoint_of(config: &SdkConfig, caller: &Caller) -> String {
    let suffix = if caller.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let own = || format!("https://s3.{}.{suffix}", home_region(config));
    config.endpoint_url().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::*;

    fn artifacts(answers: impl IntoIterator<Item = Canned>) -> (Artifacts, Replay) {
        let replay = Replay::new(answers);
        let caller = Caller { account: "123456789012".to_owned(), arn: "arn:aws:iam::123456789012:root".to_owned() };
        (Artifacts::new(&replay.config(), &caller), replay)
    }

    fn status(status: u16) -> Canned {
        Canned::Answer(status, String::new())
    }

    fn no_policy() -> Canned {
        Canned::Answer(404, "<Error><Code>NoSuchBucketPolicy</Code><Message>none</Message></Error>".to_owned())
    }

    #[tokio::test]
    async fn what_others_have_put_into_the_policy_stays() {
        let theirs = r#"{"Version":"2012-10-17","Statement":{"Sid":"Audit","Effect":"Deny"}}"#;
        let (first, replay) = artifacts([status(200), status(200), Canned::ok(theirs), status(204)]);
        first.prepare().await.unwrap();
        let put = replay.sent()[3].body.clone();
        assert!(put.contains("\"Audit\"") && put.contains("aws:SecureTransport"), "{put}");
        // What has our statement is not written again.
        let (second, replay) = artifacts([status(200), status(200), Canned::ok(put)]);
        second.prepare().await.unwrap();
        assert_eq!(replay.sent().len(), 3);
    }

    #[tokio::test]
    async fn a_bucket_that_is_there_is_closed_again() {
        let (artifacts, replay) = artifacts([status(200), status(200), no_policy(), status(204)]);
        artifacts.prepare().await.unwrap();
        assert_eq!(replay.sent().len(), 4);
        let sent = &replay.sent()[0];
        assert_eq!(sent.header("x-amz-expected-bucket-owner"), Some("123456789012"));
        assert!(sent.uri.contains("goldsmith-artifacts-123456789012-eu-west-1"), "{sent:?}");
    }

    #[tokio::test]
    async fn a_new_bucket_is_closed_to_others_and_to_what_is_not_encrypted() {
        let owned = "<Error><Code>BucketAlreadyOwnedByYou</Code><Message>yours</Message></Error>".to_owned();
        for made in [status(200), Canned::Answer(409, owned)] {
            let (artifacts, replay) = artifacts([status(404), made, status(200), no_policy(), status(204)]);
            artifacts.prepare().await.unwrap();
            let sent = replay.sent();
            assert!(sent[1].body.contains("<LocationConstraint>eu-west-1</LocationConstraint>"), "{sent:?}");
            assert!(sent[2].body.contains("<RestrictPublicBuckets>true</RestrictPublicBuckets>"), "{sent:?}");
            assert!(sent[4].body.contains("aws:SecureTransport"), "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_bucket_of_another_account_is_reported_and_gets_nothing() {
        let (artifacts, replay) = artifacts([status(403)]);
        let error = artifacts.prepare().await.unwrap_err().to_string();
        assert!(error.ends_with("may belong to another account, or the caller lacks s3:ListBucket)"), "{error}");
        assert_eq!(replay.sent().len(), 1);
    }

    #[tokio::test]
    async fn what_is_there_already_is_not_sent_again() {
        let (artifacts, replay) = artifacts([status(404), status(200), status(200)]);
        assert_eq!(artifacts.place("a.zip"), "s3://goldsmith-artifacts-123456789012-eu-west-1/a.zip");
        artifacts.put("a.zip", b"x".to_vec()).await.unwrap();
        artifacts.put("a.zip", b"x".to_vec()).await.unwrap();
        let methods: Vec<String> = replay.sent().into_iter().map(|sent| sent.method).collect();
        assert_eq!(methods, ["HEAD", "PUT", "HEAD"]);
        let url = "https://s3.eu-west-1.amazonaws.com/goldsmith-artifacts-123456789012-eu-west-1/t.yaml";
        assert_eq!(artifacts.url("t.yaml"), url);
    }
}
