//! The one place that configures the SDK: TLS, credentials, retries and time-outs.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// The limit is longer than AWS takes for any call that Goldsmith makes, and short enough for one more attempt within a
/// function's two minutes.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the configuration of every client. The arguments take precedence over the environment.
///
/// Credentials come from the environment, a profile of the shared files, the container's endpoint or the instance's
/// metadata, in this order. The endpoints of single services come from `AWS_ENDPOINT_URL_<SERVICE>`, unless
/// `endpoint_url` is given. Retries are the SDK's standard ones: three attempts. The date of the behavior version pins
/// the SDK's behavior.
pub async fn sdk_config(profile: Option<&str>, region: Option<&str>, endpoint_url: Option<&str>) -> SdkConfig {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts);
    if let Some(profile) = profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint_url) = endpoint_url {
        loader = loader.endpoint_url(endpoint_url);
    }
    loader.load().await
}

/// Returns the same configuration with these fixed keys, which the local AWS accepts.
#[must_use]
pub fn with_keys(config: &SdkConfig, access_key: &str, secret_key: &str) -> SdkConfig {
    let keys = Credentials::new(access_key, secret_key, None, None, "given");
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build()
}

/// Returns the same configuration with the keys of a role's session.
#[must_use]
pub fn with_session(config: &SdkConfig, access_key: &str, secret_key: &str, token: &str) -> SdkConfig {
    let keys = Credentials::new(access_key, secret_key, Some(token.to_owned()), None, "assumed");
    config.to_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build()
}
