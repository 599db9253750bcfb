//! Systems Manager's service settings for the account in a Region.

use aws_sdk_ssm::Client;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region};

/// The setting that names the role with which instances register if their own role does not permit it. Its value is
/// `$None` if it is off.
const DEFAULT_ROLE: &str = "/ssm/managed-instance/default-ec2-instance-management-role";

/// Systems Manager's service settings in the configuration's Region.
#[derive(Debug)]
pub struct ServiceSettings {
    client: Client,
    region: String,
}

impl ServiceSettings {
    /// Creates the client with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    /// Returns the role of the default host management configuration, or `None` if it is off.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn default_host_role(&self) -> Result<Option<String>> {
        let answer = self.client.get_service_setting().setting_id(DEFAULT_ROLE).send().await;
        let answer = answer.map_err(failure("GetServiceSetting", &self.region))?;
        let value = answer.service_setting.and_then(|setting| setting.setting_value);
        Ok(value.filter(|value| !value.is_empty() && value != "$None"))
    }
}
