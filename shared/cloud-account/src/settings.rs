//! Systems Manager's settings of the account in a Region.

use aws_sdk_ssm::Client;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region};

/// Names the role that instances register with whose own may not; `$None` where there is none.
const DEFAULT_ROLE: &str = "/ssm/managed-instance/default-ec2-instance-management-role";

/// The settings.
#[derive(Debug)]
pub struct ServiceSettings {
    client: Client,
    region: String,
}

impl ServiceSettings {
    /// With this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    /// The role of the default host management configuration; none where it is off.
    ///
    /// # Errors
    /// What AWS says.
    pub async fn default_host_role(&self) -> Result<Option<String>> {
        let answer = self.client.get_service_setting().setting_id(DEFAULT_ROLE).send().await;
        let answer = answer.map_err(failure("GetServiceSetting", &self.region))?;
        let value = answer.service_setting.and_then(|setting| setting.setting_value);
        Ok(value.filter(|value| !value.is_empty() && value != "$None"))
    }
}
