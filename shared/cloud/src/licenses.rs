//! License Manager, as far as it counts the licenses of an image's instances.

use async_trait::async_trait;

use crate::Result;

/// License configurations, which License Manager's console calls self-managed licenses.
#[async_trait]
pub trait Licenses: Send + Sync {
    /// `GetLicenseConfiguration`. Returns whether the Region has the configuration with this ARN.
    async fn has_license(&self, region: &str, arn: &str) -> Result<bool>;
    /// Associates an image of this account with the configurations with these ARNs, so that each instance of it consumes
    /// licenses (`ListLicenseSpecificationsForResource`, then `UpdateLicenseSpecificationsForResource` with those that are
    /// missing). *Effect*, safe to repeat; License Manager undoes it within eight hours after the image was deregistered.
    async fn license(&self, region: &str, image: &str, arns: &[String]) -> Result<()>;
}
