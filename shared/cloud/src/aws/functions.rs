//! Lambda.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use super::{failure, home_region};
use crate::{Functions, Result};

/// Lambda in the configuration's Region.
#[derive(Debug)]
pub struct LambdaFunctions {
    client: Client,
    region: String,
}

impl LambdaFunctions {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }
}

#[async_trait]
impl Functions for LambdaFunctions {
    async fn wake(&self, function: &str, payload: &str) -> Result<()> {
        let request = self.client.invoke().function_name(function).invocation_type(InvocationType::Event);
        request.payload(Blob::new(payload)).send().await.map_err(failure("Invoke", &self.region))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::{Canned, Replay};
    use super::*;
    use crate::Kind;

    #[tokio::test]
    async fn wakes_without_waiting() {
        let replay =
            Replay::new([Canned::Answer(202, String::new()), Canned::json_error(404, "ResourceNotFoundException")]);
        let functions = LambdaFunctions::new(&replay.config());
        functions.wake("g-launch", r#"{"wake": {}}"#).await.unwrap();
        let sent = &replay.sent()[0];
        assert!(sent.uri.ends_with("/functions/g-launch/invocations"), "{sent:?}");
        assert_eq!(sent.header("x-amz-invocation-type"), Some("Event"));
        assert_eq!(sent.body, r#"{"wake": {}}"#);
        assert_eq!(functions.wake("g-launch", "{}").await.unwrap_err().kind, Kind::NotFound);
    }
}
