//! Whether instances may be launched from an AMI.

use async_trait::async_trait;
use goldsmith_cloud::aws::failure;
use goldsmith_cloud::{ImageSwitches, Result};

use crate::Ec2;
use crate::described_images::still_there;

#[async_trait]
impl ImageSwitches for Ec2 {
    async fn disable(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).disable_image().image_id(id).send().await;
        still_there(answer.map_err(failure("DisableImage", region)))?;
        Ok(())
    }

    async fn enable(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).enable_image().image_id(id).send().await;
        answer.map_err(failure("EnableImage", region))?;
        Ok(())
    }

    async fn undeprecate(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).disable_image_deprecation().image_id(id).send().await;
        answer.map_err(failure("DisableImageDeprecation", region))?;
        Ok(())
    }

    async fn unprotect(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).disable_image_deregistration_protection().image_id(id).send().await;
        still_there(answer.map_err(failure("DisableImageDeregistrationProtection", region)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;
    use goldsmith_cloud::{ImageSwitches as _, Images as _, Kind};

    use crate::testing::{ec2, form};

    #[tokio::test]
    async fn only_a_missing_image_that_is_to_be_enabled_is_an_error() {
        let done = |name: &str| Canned::ok(format!("<{name}Response><return>true</return></{name}Response>"));
        let gone = || Canned::ec2_error(400, "InvalidAMIID.NotFound");
        let (ec2, replay) = ec2([done("DisableImage"), gone(), done("EnableImage"), gone()]);
        for _ in 0..2 {
            ec2.disable("us-east-1", "ami-1").await.unwrap();
        }
        ec2.enable("us-east-1", "ami-1").await.unwrap();
        assert_eq!(ec2.enable("us-east-1", "ami-1").await.unwrap_err().kind, Kind::NotFound);
        assert_eq!(
            (form(&replay, 0)["Action"].as_str(), form(&replay, 2)["Action"].as_str()),
            ("DisableImage", "EnableImage")
        );
        assert_eq!(form(&replay, 2)["ImageId"], "ami-1");
    }

    #[tokio::test]
    async fn a_deprecation_is_removed_from_an_image_that_exists() {
        let done =
            Canned::ok("<DisableImageDeprecationResponse><return>true</return></DisableImageDeprecationResponse>");
        let (ec2, replay) = ec2([done, Canned::ec2_error(400, "InvalidAMIID.NotFound")]);
        ec2.undeprecate("us-east-1", "ami-1").await.unwrap();
        let sent = form(&replay, 0);
        assert_eq!((sent["Action"].as_str(), sent["ImageId"].as_str()), ("DisableImageDeprecation", "ami-1"));
        assert_eq!(ec2.undeprecate("us-east-1", "ami-1").await.unwrap_err().kind, Kind::NotFound);
    }

    #[tokio::test]
    async fn a_protection_is_switched_on_with_its_cooldown_and_off() {
        let on = Canned::ok("<EnableImageDeregistrationProtectionResponse/>");
        let off = Canned::ok("<DisableImageDeregistrationProtectionResponse/>");
        let gone = Canned::ec2_error(400, "InvalidAMIID.NotFound");
        let (ec2, replay) = ec2([on, off, gone]);
        ec2.protect("us-east-1", "ami-1", true).await.unwrap();
        for _ in 0..2 {
            ec2.unprotect("us-east-1", "ami-1").await.unwrap();
        }
        let sent = form(&replay, 0);
        assert_eq!((sent["ImageId"].as_str(), sent["WithCooldown"].as_str()), ("ami-1", "true"));
        assert_eq!(form(&replay, 1)["Action"], "DisableImageDeregistrationProtection");
    }
}
