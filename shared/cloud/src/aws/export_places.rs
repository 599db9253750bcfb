//! IAM and S3, as far as exports of images need them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_config::SdkConfig;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Regional, failure, home_region, incomplete, known};
use crate::{ExportPlaces, Result};

/// IAM, and S3 in every Region.
#[derive(Debug)]
pub struct RolesAndBuckets {
    iam: aws_sdk_iam::Client,
    s3: Regional<aws_sdk_s3::Client>,
    home: String,
}

impl RolesAndBuckets {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let s3 = Regional::new(config, aws_sdk_s3::Client::new);
        Self { iam: aws_sdk_iam::Client::new(config), s3, home: home_region(config) }
    }
}

#[async_trait]
impl ExportPlaces for RolesAndBuckets {
    async fn services_trusted_by(&self, role: &str) -> Result<Option<Vec<String>>> {
        const OPERATION: &str = "GetRole";
        let answer = self.iam.get_role().role_name(role).send().await;
        let missing = answer.as_ref().err().and_then(|error| error.as_service_error());
        if missing.is_some_and(|error| error.is_no_such_entity_exception()) {
            return Ok(None);
        }
        let answer = answer.map_err(failure(OPERATION, &self.home))?;
        let policy = answer.role.and_then(|role| role.assume_role_policy_document);
        let policy = policy.ok_or_else(|| incomplete(OPERATION, &self.home, "trust policy"))?;
        Ok(Some(services_in(&policy)))
    }

    async fn bucket_region(&self, region: &str, name: &str) -> Result<Option<String>> {
        let answer = self.s3.client(region).get_bucket_location().bucket(name).send().await;
        // A redirection and most errors name the bucket's own Region (S3 API reference, HeadBucket).
        let raw = answer.as_ref().err().and_then(|error| error.raw_response());
        if let Some(there) = raw.and_then(|raw| raw.headers().get("x-amz-bucket-region")) {
            return Ok(Some(there.to_owned()));
        }
        let answer = known(answer.map_err(failure("GetBucketLocation", region)))?;
        Ok(answer.map(|found| match found.location_constraint().map(|place| place.as_str()) {
            None | Some("") => "us-east-1".to_owned(),
            Some("EU") => "eu-west-1".to_owned(),
            Some(place) => place.to_owned(),
        }))
    }
}

/// Returns the services that a trust policy allows to assume its role. The policy may be in percent form, as IAM returns
/// it.
fn services_in(policy: &str) -> Vec<String> {
    let policy = percent_decode_str(policy).decode_utf8_lossy();
    let document: Value = serde_json::from_str(&policy).unwrap_or_default();
    let list = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let allows = list(&document["Statement"]).into_iter().filter(|one| one["Effect"] == "Allow");
    let services = allows.flat_map(|one| match &one["Principal"] {
        Value::String(everyone) => vec![everyone.clone().into()],
        principal => list(&principal["Service"]),
    });
    let services: BTreeSet<String> = services.filter_map(|one| one.as_str().map(str::to_owned)).collect();
    services.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::replay::{Canned, Replay};
    use super::*;
    use crate::Kind;

    fn role(policy: &str) -> Canned {
        Canned::ok(format!(
            "<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>vmimport</RoleName><RoleId>AROA1</RoleId>\
             <Arn>arn:aws:iam::111122223333:role/vmimport</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
             <AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>"
        ))
    }

    fn error(status: u16, code: &str) -> Canned {
        let error = format!("<Error><Code>{code}</Code><Message>because</Message></Error>");
        Canned::Answer(status, format!("<ErrorResponse>{error}</ErrorResponse>"))
    }

    #[tokio::test]
    async fn a_role_trusts_services_or_does_not_exist() {
        let policy = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":["vmie.amazonaws.com"]},"Action":"sts:AssumeRole"},
            {"Effect":"Deny","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let percent: String = policy.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let replay = Replay::new([
            role(&percent),
            role(r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"}}}"#),
            error(404, "NoSuchEntity"),
            error(403, "AccessDenied"),
        ]);
        let places = RolesAndBuckets::new(&replay.config());
        assert_eq!(places.services_trusted_by("vmimport").await.unwrap().unwrap(), ["vmie.amazonaws.com"]);
        assert_eq!(places.services_trusted_by("vmimport").await.unwrap().unwrap(), [""; 0]);
        assert_eq!(places.services_trusted_by("vmimport").await.unwrap(), None);
        assert_eq!(places.services_trusted_by("vmimport").await.unwrap_err().kind, Kind::Denied);
        assert!(replay.sent()[0].body.contains("RoleName=vmimport"));
    }

    #[tokio::test]
    async fn a_bucket_has_a_region_or_does_not_exist() {
        let location = |place: &str| {
            Canned::ok(format!(
                "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{place}</LocationConstraint>"
            ))
        };
        let error = |status, code: &str| {
            Canned::Answer(status, format!("<Error><Code>{code}</Code><Message>because</Message></Error>"))
        };
        let replay = Replay::new([
            location("eu-central-1"),
            location(""),
            location("EU"),
            error(404, "NoSuchBucket"),
            error(403, "AccessDenied"),
        ]);
        let places = RolesAndBuckets::new(&replay.config());
        for expected in [Some("eu-central-1"), Some("us-east-1"), Some("eu-west-1"), None] {
            let found = places.bucket_region("us-east-1", "images").await.unwrap();
            assert_eq!(found.as_deref(), expected);
        }
        assert_eq!(places.bucket_region("us-east-1", "images").await.unwrap_err().kind, Kind::Denied);
        assert!(
            replay.sent()[0].uri.starts_with("https://images.s3.us-east-1.amazonaws.com/?location"),
            "{:?}",
            replay.sent()
        );
    }
}
