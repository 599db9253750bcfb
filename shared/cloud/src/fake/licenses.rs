//! License Manager. Every license configuration exists, unless a test says otherwise.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::{Kind, Licenses, Result};

#[async_trait]
impl Licenses for FakeCloud {
    async fn has_license(&self, region: &str, arn: &str) -> Result<bool> {
        let call = Call::new("GetLicenseConfiguration", region);
        self.read(call, |world| Ok(!world.account.missing.contains(arn))).await
    }

    async fn license(&self, region: &str, image: &str, arns: &[String]) -> Result<()> {
        let call = Call::new("ListLicenseSpecificationsForResource", region);
        let listed = self.read(call, |world| Ok(world.region(region).own_image(call, image)?.licenses.clone()));
        let listed = listed.await?;
        let missing: Vec<&String> = arns.iter().filter(|arn| !listed.contains(*arn)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let call = Call::new("UpdateLicenseSpecificationsForResource", region);
        self.effect(call, image, |world| {
            if missing.iter().any(|arn| world.account.missing.contains(*arn)) {
                let message = "Invalid license configuration ARN.";
                return Err(call.error(Kind::Invalid, "InvalidParameterValueException", message));
            }
            world.region(region).own_image(call, image)?.licenses.extend(missing.into_iter().cloned());
            Ok(())
        })
        .await
    }
}

impl FakeCloud {
    /// Returns the ARNs of the license configurations of an image; none if it does not exist.
    #[must_use]
    pub fn licenses(&self, region: &str, image: &str) -> BTreeSet<String> {
        self.world().region(region).images.get(image).map(|record| record.licenses.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::{ACCOUNT, FakeCloud, HOME};
    use crate::{Kind, Licenses as _};

    #[tokio::test]
    async fn an_image_gets_each_license_once_and_none_that_is_missing() {
        let cloud = FakeCloud::new();
        let image = cloud.add_image(HOME, ACCOUNT, "web");
        let (one, gone) = ("arn:one".to_owned(), "arn:gone".to_owned());
        cloud.set_up(|account| _ = account.missing.insert(gone.clone()));
        for _ in 0..2 {
            cloud.license(HOME, &image, std::slice::from_ref(&one)).await.unwrap();
        }
        assert_eq!(cloud.effects().len(), 1);
        let refused = cloud.license(HOME, &image, std::slice::from_ref(&gone)).await.unwrap_err();
        assert_eq!((refused.kind, refused.code.as_str()), (Kind::Invalid, "InvalidParameterValueException"));
        assert_eq!(cloud.licenses(HOME, &image), [one].into());
        assert!(!cloud.has_license(HOME, &gone).await.unwrap());
    }
}
