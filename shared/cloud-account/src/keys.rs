//! KMS keys.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::KeyManagerType;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{Regional, SdkConfig, failure, known};

/// KMS in every Region.
#[derive(Debug)]
pub struct Kms(Regional<Client>);

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Whether it can be used.
    pub enabled: bool,
    /// Whether AWS manages it. Other accounts cannot use such a key.
    pub managed_by_aws: bool,
    /// Its state, in AWS's words.
    pub state: String,
}

impl Kms {
    /// Creates the client with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }

    /// Returns a key by id, ARN or alias; `None` if it does not exist.
    ///
    /// # Errors
    /// The errors that AWS returns.
    pub async fn key(&self, region: &str, name: &str) -> Result<Option<Key>> {
        let answer = self.0.client(region).describe_key().key_id(name).send().await;
        let missing = answer.as_ref().err().and_then(|error| error.as_service_error());
        if missing.is_some_and(aws_sdk_kms::operation::describe_key::DescribeKeyError::is_not_found_exception) {
            return Ok(None);
        }
        let answer = known(answer.map_err(failure("DescribeKey", region)))?;
        Ok(answer.and_then(|answer| answer.key_metadata).map(|key| Key {
            enabled: key.enabled,
            managed_by_aws: key.key_manager == Some(KeyManagerType::Aws),
            state: key.key_state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
        }))
    }
}
