//! License Manager.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_licensemanager::Client;
use aws_sdk_licensemanager::operation::get_license_configuration::GetLicenseConfigurationError;
use aws_sdk_licensemanager::types::LicenseSpecification;

use super::{Regional, failure, malformed};
use crate::{Kind, Licenses, Result};

/// License Manager in every Region.
#[derive(Debug)]
pub struct LicenseManager(Regional<Client>);

impl LicenseManager {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

#[async_trait]
impl Licenses for LicenseManager {
    async fn has_license(&self, region: &str, arn: &str) -> Result<bool> {
        let answer = self.0.client(region).get_license_configuration().license_configuration_arn(arn).send().await;
        let missing = answer.as_ref().err().and_then(|error| error.as_service_error()).is_some_and(is_missing);
        if missing {
            return Ok(false);
        }
        answer.map_err(failure("GetLicenseConfiguration", region))?;
        Ok(true)
    }

    async fn license(&self, region: &str, image: &str, arns: &[String]) -> Result<()> {
        const OPERATION: &str = "UpdateLicenseSpecificationsForResource";
        let Some(first) = arns.first() else { return Ok(()) };
        // The ARN of an AMI names no account, and its partition is that of the license.
        let partition = first.split(':').nth(1).unwrap_or("aws");
        let resource = format!("arn:{partition}:ec2:{region}::image/{image}");
        let client = self.0.client(region);
        let mut missing = arns.to_vec();
        let mut next = None;
        loop {
            let page = client.list_license_specifications_for_resource().resource_arn(&resource).set_next_token(next);
            let page = page.send().await.map_err(failure("ListLicenseSpecificationsForResource", region))?;
            let known = page.license_specifications();
            missing.retain(|arn| known.iter().all(|one| one.license_configuration_arn() != arn.as_str()));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let specification = |arn: &String| LicenseSpecification::builder().license_configuration_arn(arn).build();
        let added = missing.iter().map(specification).collect::<std::result::Result<Vec<_>, _>>();
        let added = added.map_err(malformed(OPERATION, region))?;
        let request = client.update_license_specifications_for_resource().resource_arn(resource);
        let answer = request.set_add_license_specifications(Some(added)).send().await;
        match answer.map_err(failure(OPERATION, region)) {
            Ok(_) => Ok(()),
            // A conflict is with another change of the same image, and AWS asks to try again.
            Err(mut error) if error.kind == Kind::Duplicate => {
                error.kind = Kind::Throttled;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns whether License Manager does not know the configuration. It has no code of its own for this.
fn is_missing(error: &GetLicenseConfigurationError) -> bool {
    error.is_invalid_parameter_value_exception()
        && error.meta().message().is_some_and(|message| message.contains("Invalid license configuration ARN"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;

    const ONE: &str =
        "arn:aws-cn:license-manager:cn-north-1:111122223333:license-configuration:lic-0123456789abcdef0123456789abcdef";
    const OTHER: &str =
        "arn:aws-cn:license-manager:cn-north-1:111122223333:license-configuration:lic-fedcba9876543210fedcba9876543210";
    const REGION: &str = "cn-north-1";

    fn listed(arns: &[&str], next: Option<&str>) -> Canned {
        let arns: Vec<Value> = arns.iter().map(|arn| json!({"LicenseConfigurationArn": arn})).collect();
        Canned::ok(json!({"LicenseSpecifications": arns, "NextToken": next}).to_string())
    }

    #[tokio::test]
    async fn a_configuration_is_there_or_not_and_may_be_denied() {
        let missing =
            r#"{"__type": "InvalidParameterValueException", "message": "Invalid license configuration ARN."}"#;
        let replay = Replay::new([
            Canned::ok("{}"),
            Canned::Answer(400, missing.to_owned()),
            Canned::json_error(400, "InvalidParameterValueException"),
            Canned::json_error(400, "AccessDeniedException"),
        ]);
        let licenses = LicenseManager::new(&replay.config());
        assert!(licenses.has_license(REGION, ONE).await.unwrap());
        assert!(!licenses.has_license(REGION, ONE).await.unwrap());
        assert_eq!(licenses.has_license(REGION, ONE).await.unwrap_err().kind, Kind::Invalid);
        assert_eq!(licenses.has_license(REGION, ONE).await.unwrap_err().kind, Kind::Denied);
        let sent: Value = serde_json::from_str(&replay.sent()[0].body).unwrap();
        assert_eq!(sent, json!({"LicenseConfigurationArn": ONE}));
    }

    #[tokio::test]
    async fn only_what_an_image_lacks_is_added() {
        let replay = Replay::new([listed(&[], Some("more")), listed(&[ONE], None), Canned::ok("{}")]);
        let licenses = LicenseManager::new(&replay.config());
        licenses.license(REGION, "ami-1", &[ONE.to_owned(), OTHER.to_owned()]).await.unwrap();
        let sent: Vec<Value> = replay.sent().iter().map(|sent| serde_json::from_str(&sent.body).unwrap()).collect();
        let image = "arn:aws-cn:ec2:cn-north-1::image/ami-1";
        let added = json!([{"LicenseConfigurationArn": OTHER}]);
        assert_eq!(
            sent,
            [
                json!({"ResourceArn": image}),
                json!({"ResourceArn": image, "NextToken": "more"}),
                json!({"ResourceArn": image, "AddLicenseSpecifications": added}),
            ]
        );
    }

    #[tokio::test]
    async fn what_an_image_has_is_not_added_again_and_a_conflict_is_tried_again() {
        let replay = Replay::new([
            listed(&[OTHER, ONE], None),
            listed(&[], None),
            Canned::json_error(400, "ConflictException"),
            Canned::json_error(400, "RateLimitExceededException"),
        ]);
        let licenses = LicenseManager::new(&replay.config());
        licenses.license(REGION, "ami-1", &[ONE.to_owned()]).await.unwrap();
        for _ in 0..2 {
            assert!(licenses.license(REGION, "ami-1", &[ONE.to_owned()]).await.unwrap_err().is_transient());
        }
        licenses.license(REGION, "ami-1", &[]).await.unwrap();
        assert_eq!(replay.sent().len(), 4);
    }
}
