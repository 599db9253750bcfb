//! The stack's bucket in S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::base64;

use super::{failure, home_region, known};
use crate::{CloudError, Kind, ListedObject, Objects, PresignedPut, Result};

/// One bucket.
#[derive(Debug)]
pub struct S3Objects {
    client: Client,
    region: String,
    bucket: String,
}

impl S3Objects {
    /// Creates the adapter for the bucket with this name, which is in the configuration's Region.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        Self { client: Client::new(config), region: home_region(config), bucket: bucket.into() }
    }
}

#[async_trait]
impl Objects for S3Objects {
    /// If an object does not exist, S3 returns 403 instead of 404 to a role without `s3:ListBucket`.
    async fn exists(&self, key: &str) -> Result<bool> {
        let answer = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        Ok(known(answer.map_err(failure("HeadObject", &self.region)))?.is_some())
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> Result<()> {
        let request = self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(body));
        request.send().await.map_err(failure("PutObject", &self.region))?;
        Ok(())
    }

    async fn get(&self, key: &str, largest: u64) -> Result<Option<Vec<u8>>> {
        const OPERATION: &str = "GetObject";
        let answer = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        let Some(object) = known(answer.map_err(failure(OPERATION, &self.region)))? else { return Ok(None) };
        let broken = |kind: Kind, code: &str, message: String| CloudError {
            operation: OPERATION,
            region: self.region.clone(),
            code: code.to_owned(),
            message,
            kind,
            source: None,
        };
        // The body is read only after its length is known, because a program of an instance may have written it.
        let length = object.content_length().and_then(|length| u64::try_from(length).ok());
        if length.is_none_or(|length| length > largest) {
            return Err(broken(Kind::Invalid, "EntityTooLarge", format!("{key} has more than {largest} bytes")));
        }
        // The SDK retries a call, but not a body that ends too early.
        let body = object.body.collect().await;
        let body = body.map_err(|error| broken(Kind::Unanswered, "IncompleteBody", format!("{key}: {error}")))?;
        Ok(Some(body.into_bytes().into()))
    }

    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<ListedObject>> {
        let mut listed = Vec::new();
        let mut next = None;
        loop {
            let request =
                self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).set_continuation_token(next);
            let page = request.send().await.map_err(failure("ListObjectsV2", &self.region))?;
            listed.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let bytes = u64::try_from(object.size.unwrap_or_default()).unwrap_or_default();
                Some(ListedObject { key: object.key?, bytes })
            }));
            next = page.next_continuation_token;
            if next.is_none() || listed.len() > most {
                return Ok(listed);
            }
        }
    }

    async fn presign_put(&self, key: &str, valid: Duration) -> Result<String> {
        const OPERATION: &str = "PutObject";
        let request = self.client.put_object().bucket(&self.bucket).key(key);
        let url = request.presigned(self.expiry(OPERATION, valid)?).await.map_err(failure(OPERATION, &self.region))?;
        Ok(url.uri().to_owned())
    }

    async fn presign_put_of(&self, key: &str, sha256: &[u8; 32], valid: Duration) -> Result<PresignedPut> {
        const OPERATION: &str = "PutObject";
        let checksum = base64::encode(sha256);
        let request = self.client.put_object().bucket(&self.bucket).key(key).checksum_sha256(checksum);
        let signed =
            request.presigned(self.expiry(OPERATION, valid)?).await.map_err(failure(OPERATION, &self.region))?;
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(PresignedPut { url: signed.uri().to_owned(), headers })
    }

    async fn presign(&self, key: &str, valid: Duration) -> Result<String> {
        const OPERATION: &str = "GetObject";
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        let url = request.presigned(self.expiry(OPERATION, valid)?).await.map_err(failure(OPERATION, &self.region))?;
        Ok(url.uri().to_owned())
    }
}

impl S3Objects {
    fn expiry(&self, operation: &'static str, valid: Duration) -> Result<PresigningConfig> {
        PresigningConfig::expires_in(valid).map_err(|error| CloudError {
            operation,
            region: self.region.clone(),
            code: "InvalidExpiry".to_owned(),
            message: "the URL cannot be valid for so long".to_owned(),
            kind: Kind::Invalid,
            source: Some(Box::new(error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::replay::{Canned, Replay};
    use super::*;

    fn objects(answers: impl IntoIterator<Item = Canned>) -> (S3Objects, Replay) {
        let replay = Replay::new(answers);
        (S3Objects::new(&replay.config(), "bucket"), replay)
    }

    #[tokio::test]
    async fn tells_absent_from_denied() {
        let empty = |status| Canned::Answer(status, String::new());
        let (objects, replay) = objects([empty(200), empty(404), empty(403)]);
        assert!(objects.exists("agent/a").await.unwrap());
        assert!(!objects.exists("agent/a").await.unwrap());
        assert_eq!(objects.exists("agent/a").await.unwrap_err().kind, Kind::Denied);
        assert_eq!(replay.sent()[0].method, "HEAD");
    }

    #[tokio::test]
    async fn puts_at_the_key() {
        let (objects, replay) = objects([Canned::ok("")]);
        objects.put("orders/b", b"body".to_vec()).await.unwrap();
        let sent = &replay.sent()[0];
        assert!(
            sent.method == "PUT" && sent.uri.starts_with("https://bucket.s3.eu-west-1.amazonaws.com/orders/b"),
            "{sent:?}"
        );
    }

    #[tokio::test]
    async fn reads_an_object_that_is_not_too_large() {
        let absent = Canned::Answer(404, "<Error><Code>NoSuchKey</Code></Error>".to_owned());
        let (objects, replay) = objects([Canned::ok("body"), Canned::ok("larger"), absent]);
        assert_eq!(objects.get("contents/b", 4).await.unwrap(), Some(b"body".to_vec()));
        assert_eq!(objects.get("contents/b", 4).await.unwrap_err().code, "EntityTooLarge");
        assert_eq!(objects.get("contents/b", 4).await.unwrap(), None);
        assert_eq!(replay.sent()[0].method, "GET");
    }

    #[tokio::test]
    async fn lists_page_by_page_until_there_are_more_than_asked_for() {
        let page = |key: &str, next: &str| {
            let next = if next.is_empty() {
                next.to_owned()
            } else {
                format!("<NextContinuationToken>{next}</NextContinuationToken>")
            };
            Canned::ok(format!(
                "<ListBucketResult>{next}<Contents><Key>advisories/{key}</Key><Size>7</Size></Contents></ListBucketResult>"
            ))
        };
        let object = |key: &str| ListedObject { key: format!("advisories/{key}"), bytes: 7 };
        let (listing, replay) = objects([page("a", "more"), page("b", ""), page("a", "more")]);
        assert_eq!(listing.list("advisories/", 2).await.unwrap(), [object("a"), object("b")]);
        assert_eq!(listing.list("advisories/", 0).await.unwrap(), [object("a")]);
        let sent = replay.sent();
        assert!(sent[0].uri.contains("list-type=2") && sent[0].uri.contains("prefix=advisories%2F"), "{sent:?}");
        assert!(sent[1].uri.contains("continuation-token=more"), "{sent:?}");
        let (empty, _) = objects([Canned::ok("<ListBucketResult></ListBucketResult>")]);
        assert_eq!(empty.list("advisories/", 1).await.unwrap(), []);
    }

    #[tokio::test]
    async fn presigns_without_a_call() {
        let (objects, replay) = objects([]);
        let put = objects.presign_put("contents/b", Duration::from_secs(600)).await.unwrap();
        assert!(put.starts_with("https://bucket.s3.eu-west-1.amazonaws.com/contents/b?"), "{put}");
        assert!(put.contains("x-id=PutObject") && put.contains("X-Amz-Signature="), "{put}");
        let put = objects.presign_put_of("downloads/b", &[7; 32], Duration::from_secs(600)).await.unwrap();
        assert!(put.url.starts_with("https://bucket.s3.eu-west-1.amazonaws.com/downloads/b?"), "{put:?}");
        assert!(put.url.contains("X-Amz-SignedHeaders=host%3Bx-amz-checksum-sha256&"), "{put:?}");
        let checksum = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".to_owned();
        assert_eq!(put.headers, BTreeMap::from([("x-amz-checksum-sha256".to_owned(), checksum)]));
        let url = objects.presign("orders/b", Duration::from_secs(600)).await.unwrap();
        assert!(url.starts_with("https://bucket.s3.eu-west-1.amazonaws.com/orders/b?"), "{url}");
        assert!(url.contains("X-Amz-Expires=600") && url.contains("X-Amz-Signature="), "{url}");
        assert!(replay.sent().is_empty());
        let month = Duration::from_secs(31 * 24 * 3600);
        assert_eq!(objects.presign("orders/b", month).await.unwrap_err().kind, Kind::Invalid);
    }
}
