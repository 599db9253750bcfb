//! Quotas of the account.

use aws_sdk_servicequotas::Client;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, incomplete};

/// "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", in vCPUs.
pub const STANDARD_VCPUS: &str = "L-1216C47A";

/// Service Quotas in the configuration's Region.
#[derive(Debug)]
pub struct Quotas {
    client: Client,
    region: String,
}

impl Quotas {
    /// Creates the client with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    /// Returns the value of an EC2 quota.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn of_ec2(&self, code: &str) -> Result<f64> {
        const OPERATION: &str = "GetServiceQuota";
        let answer = self.client.get_service_quota().service_code("ec2").quota_code(code).send().await;
        let answer = answer.map_err(failure(OPERATION, &self.region))?;
        let value = answer.quota.and_then(|quota| quota.value);
        value.ok_or_else(|| incomplete(OPERATION, &self.region, "value"))
    }
}
