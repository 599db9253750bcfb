//! The caller's identity.

use aws_sdk_sts::Client;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, incomplete};

const OPERATION: &str = "GetCallerIdentity";

/// An identity, as STS returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account id, which has 12 digits.
    pub account: String,
    /// ARN of the user or of the role session.
    pub arn: String,
}

impl Caller {
    /// Returns the partition: `aws`, `aws-cn` or `aws-us-gov`.
    #[must_use]
    pub fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or("aws")
    }
}

/// Returns the identity of the configuration's credentials.
///
/// # Errors
/// The errors of the call, which needs no permission. In most cases, the caller has no credentials, or the session has
/// expired.
pub async fn caller(config: &SdkConfig) -> Result<Caller> {
    let region = home_region(config);
    let answer = Client::new(config).get_caller_identity().send().await.map_err(failure(OPERATION, &region))?;
    let account = answer.account.ok_or_else(|| incomplete(OPERATION, &region, "account"))?;
    let arn = answer.arn.ok_or_else(|| incomplete(OPERATION, &region, "ARN"))?;
    Ok(Caller { account, arn })
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::caller;

    const EMPTY: &str =
        "<GetCallerIdentityResponse><GetCallerIdentityResult></GetCallerIdentityResult></GetCallerIdentityResponse>";

    #[tokio::test]
    async fn a_caller_has_an_account_and_a_partition() {
        let answer = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                      <Arn>arn:aws-cn:iam::123456789012:user/one</Arn><Account>123456789012</Account>\
                      </GetCallerIdentityResult></GetCallerIdentityResponse>";
        let replay = Replay::new([Canned::ok(answer), Canned::ok(EMPTY)]);
        let found = caller(&replay.config()).await.unwrap();
        assert_eq!((found.account.as_str(), found.partition()), ("123456789012", "aws-cn"));
        let error = caller(&replay.config()).await.unwrap_err().to_string();
        assert!(error.ends_with("the answer contains no account"), "{error}");
    }
}
