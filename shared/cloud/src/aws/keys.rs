//! KMS.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::operation::describe_key::DescribeKeyError;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyManagerType, KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use serde_json::Value;

use super::{Regional, failure, incomplete};
use crate::{Key, KeyUsers, Keys, Result, Tags};

/// KMS in every Region.
#[derive(Debug)]
pub struct Kms(Regional<Client>);

impl Kms {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

#[async_trait]
impl Keys for Kms {
    async fn key(&self, region: &str, name: &str) -> Result<Option<Key>> {
        const OPERATION: &str = "DescribeKey";
        let answer = self.0.client(region).describe_key().key_id(name).send().await;
        let missing = answer.as_ref().err().and_then(|error| error.as_service_error());
        if missing.is_some_and(DescribeKeyError::is_not_found_exception) {
            return Ok(None);
        }
        let answer = answer.map_err(failure(OPERATION, region))?;
        let key = answer.key_metadata.ok_or_else(|| incomplete(OPERATION, region, "KeyMetadata"))?;
        Ok(Some(Key {
            arn: key.arn.ok_or_else(|| incomplete(OPERATION, region, "Arn"))?,
            enabled: key.enabled,
            managed_by_aws: key.key_manager == Some(KeyManagerType::Aws),
            signs_p256: key.key_usage == Some(KeyUsageType::SignVerify) && key.key_spec == Some(KeySpec::EccNistP256),
            symmetric: key.key_spec.is_none_or(|spec| spec == KeySpec::SymmetricDefault),
            state: key.key_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        }))
    }

    async fn key_users(&self, region: &str, arn: &str) -> Result<KeyUsers> {
        const OPERATION: &str = "GetKeyPolicy";
        let client = self.0.client(region);
        let answer = client.get_key_policy().key_id(arn).send().await.map_err(failure(OPERATION, region))?;
        let policy = answer.policy.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let mut users = users_of(&policy.ok_or_else(|| incomplete(OPERATION, region, "Policy"))?);
        let mut pages = client.list_grants().key_id(arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("ListGrants", region))?;
            users.accounts.extend(page.grants().iter().filter_map(|grant| account_of(grant.grantee_principal()?)));
        }
        Ok(users)
    }

    async fn key_tags(&self, region: &str, arn: &str) -> Result<Tags> {
        let mut tags = Tags::new();
        let mut pages = self.0.client(region).list_resource_tags().key_id(arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("ListResourceTags", region))?;
            tags.extend(page.tags.unwrap_or_default().into_iter().map(|tag| (tag.tag_key, tag.tag_value)));
        }
        Ok(tags)
    }

    async fn public_key(&self, region: &str, arn: &str) -> Result<Vec<u8>> {
        const OPERATION: &str = "GetPublicKey";
        let answer = self.0.client(region).get_public_key().key_id(arn).send().await;
        let key = answer.map_err(failure(OPERATION, region))?.public_key;
        Ok(key.ok_or_else(|| incomplete(OPERATION, region, "PublicKey"))?.into_inner())
    }

    async fn sign(&self, region: &str, arn: &str, digest: [u8; 32]) -> Result<Vec<u8>> {
        const OPERATION: &str = "Sign";
        let request = self.0.client(region).sign().key_id(arn).message(Blob::new(digest));
        let request = request.message_type(MessageType::Digest).signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let signature = request.send().await.map_err(failure(OPERATION, region))?.signature;
        Ok(signature.ok_or_else(|| incomplete(OPERATION, region, "Signature"))?.into_inner())
    }
}

/// Returns the accounts to which a key policy allows at least one action.
fn users_of(policy: &Value) -> KeyUsers {
    let mut users = KeyUsers::default();
    for statement in list(&policy["Statement"]).filter(|statement| statement["Effect"] == "Allow") {
        // A statement names principals of accounts as `{"AWS": …}`, and everyone also as `"*"`.
        let principal = &statement["Principal"];
        let named = if principal.is_string() { principal } else { &principal["AWS"] };
        for name in list(named).filter_map(Value::as_str) {
            users.everyone |= name == "*";
            users.accounts.extend(account_of(name));
        }
    }
    users
}

/// Returns the elements of a list. JSON policies may leave out the brackets around a single element.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

/// Returns the account of a principal, which is an ARN or the account's id itself.
fn account_of(principal: &str) -> Option<String> {
    let account = principal.split(':').nth(4).unwrap_or(principal);
    (account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit())).then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::replay::{Canned, Replay};
    use super::*;
    use crate::Kind;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/k1";

    #[tokio::test]
    async fn a_key_is_described_and_a_missing_one_is_none() {
        let key = json!({"KeyMetadata": {
            "KeyId": "k1", "Arn": ARN, "Enabled": false, "KeyManager": "CUSTOMER", "KeyState": "PendingDeletion",
            "KeySpec": "RSA_2048",
        }});
        let answers = [
            Canned::ok(key.to_string()),
            Canned::json_error(400, "NotFoundException"),
            Canned::json_error(400, "AccessDeniedException"),
        ];
        let replay = Replay::new(answers);
        let kms = Kms::new(&replay.config());
        let expected = Key {
            arn: ARN.to_owned(),
            enabled: false,
            managed_by_aws: false,
            symmetric: false,
            signs_p256: false,
            state: "PendingDeletion".to_owned(),
        };
        assert_eq!(kms.key("eu-west-1", "alias/images").await.unwrap(), Some(expected));
        assert_eq!(kms.key("eu-west-1", "alias/none").await.unwrap(), None);
        assert_eq!(kms.key("eu-west-1", "alias/closed").await.unwrap_err().kind, Kind::Denied);
        let sent: Value = serde_json::from_str(&replay.sent()[0].body).unwrap();
        assert_eq!(sent["KeyId"], "alias/images");
    }

    #[tokio::test]
    async fn a_key_that_signs_has_tags_a_public_key_and_signatures() {
        let key = |usage: &str, spec: &str| json!({"KeyMetadata": {"KeyId": "k1", "Arn": ARN, "KeyUsage": usage, "KeySpec": spec}});
        let tag = |key: &str| json!({"TagKey": key, "TagValue": "v"});
        let replay = Replay::new(
            [
                key("SIGN_VERIFY", "ECC_NIST_P256"),
                key("SIGN_VERIFY", "ECC_NIST_P384"),
                key("KEY_AGREEMENT", "ECC_NIST_P256"),
                json!({"Tags": [tag("a")], "Truncated": true, "NextMarker": "m"}),
                json!({"Tags": [tag("b")], "Truncated": false}),
                json!({"KeyId": ARN, "PublicKey": "AQID"}),
                json!({"KeyId": ARN, "Signature": "BAUG", "SigningAlgorithm": "ECDSA_SHA_256"}),
            ]
            .map(|answer| Canned::ok(answer.to_string())),
        );
        let kms = Kms::new(&replay.config());
        for signs in [true, false, false] {
            assert_eq!(kms.key("eu-west-1", ARN).await.unwrap().unwrap().signs_p256, signs);
        }
        let tags = kms.key_tags("eu-west-1", ARN).await.unwrap();
        assert_eq!(tags, ["a", "b"].map(|key| (key.to_owned(), "v".to_owned())).into());
        assert_eq!(kms.public_key("eu-west-1", ARN).await.unwrap(), [1, 2, 3]);
        assert_eq!(kms.sign("eu-west-1", ARN, [7; 32]).await.unwrap(), [4, 5, 6]);
        let sent: Value = serde_json::from_str(&replay.sent()[6].body).unwrap();
        // The digest of the message: KMS hashes nothing itself, so the message may be longer than its limit of 4,096 bytes.
        assert_eq!((&sent["MessageType"], &sent["SigningAlgorithm"]), (&json!("DIGEST"), &json!("ECDSA_SHA_256")));
        assert_eq!(sent["Message"], "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    }

    #[tokio::test]
    async fn the_users_of_a_key_come_from_its_policy_and_its_grants() {
        let policy = json!({"Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
            {"Effect": "Allow", "Principal": {"AWS": ["444455556666", "arn:aws:iam::777788889999:role/build"]}},
            {"Effect": "Deny", "Principal": {"AWS": "123456789012"}},
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}},
        ]});
        let grant = |to: &str| json!({"GranteePrincipal": to});
        let first =
            json!({"Grants": [grant("arn:aws:iam::222233334444:role/a")], "Truncated": true, "NextMarker": "m"});
        let last = json!({"Grants": [grant("ec2.amazonaws.com")], "Truncated": false});
        let policy = json!({"Policy": policy.to_string()});
        let replay = Replay::new([policy, first, last].map(|answer| Canned::ok(answer.to_string())));
        let users = Kms::new(&replay.config()).key_users("eu-west-1", ARN).await.unwrap();
        let accounts = ["111122223333", "222233334444", "444455556666", "777788889999"];
        assert_eq!(users, KeyUsers { accounts: accounts.map(str::to_owned).into(), everyone: false });
    }

    #[test]
    fn a_policy_for_everyone_may_allow_any_account() {
        for principal in [json!("*"), json!({"AWS": "*"}), json!({"AWS": ["*"]})] {
            let policy = json!({"Statement": {"Effect": "Allow", "Principal": principal}});
            assert!(users_of(&policy).everyone, "{policy}");
        }
    }
}
