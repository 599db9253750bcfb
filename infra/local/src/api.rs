//! Parts that all protocols share: the caller's account and Region, errors with AWS's codes, and answers.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Account of a caller that names no account.
pub(crate) const DEFAULT_ACCOUNT: &str = "000000000000";
/// Region of a caller whose request is not signed for one.
pub(crate) const DEFAULT_REGION: &str = "us-east-1";

/// The account and Region in which a call acts. Every resource belongs to one scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Scope {
    /// Reads `Authorization` (`Credential=KEY/DATE/REGION/SERVICE/aws4_request`). The Region is that of the credential
    /// scope. The account is the access key if the key has twelve digits, otherwise `account_header`, otherwise the
    /// default account.
    pub(crate) fn of_request(authorization: Option<&str>, account_header: Option<&str>) -> Self {
        let scope = authorization.and_then(|value| value.split_once("Credential=")).map(|(_, rest)| rest);
        let mut parts = scope.unwrap_or_default().split([',', ' ']).next().unwrap_or_default().split('/');
        let key = parts.next().unwrap_or_default();
        let region = parts.nth(1).filter(|region| !region.is_empty()).unwrap_or(DEFAULT_REGION);
        let account = if is_account(key) { key } else { account_header.unwrap_or(DEFAULT_ACCOUNT) };
        Scope { account: account.to_owned(), region: region.to_owned() }
    }

    /// Returns the scope of the same account in another Region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Scope { account: self.account.clone(), region: region.to_owned() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// Returns whether `text` is an AWS account id, which has twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// EC2's message in a Region that does not know the account's credentials.
pub(crate) const UNKNOWN_CREDENTIALS: &str = "AWS was not able to validate the provided access credentials";

/// A failed call: AWS's error code, and a message in AWS's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct ApiError {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl ApiError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        ApiError { code: code.to_owned(), message: message.into() }
    }

    /// Returns the HTTP status of AWS's answer. Codes of server errors are 5xx, so that SDKs retry them.
    pub(crate) fn status(&self) -> u16 {
        match self.code.as_str() {
            "RequestLimitExceeded" | "Unavailable" | "ServiceUnavailable" => 503,
            "InternalError"
            | "InternalFailure"
            | "InternalServerError"
            | "InternalServerException"
            | "InsufficientInstanceCapacity"
            | "InsufficientCapacity"
            | "InsufficientHostCapacity" => 500,
            // This code also has other causes, whose status is not known here.
            "AuthFailure" if self.message.starts_with(UNKNOWN_CREDENTIALS) => 401,
            "UnauthorizedOperation" | "OptInRequired" => 403,
            "DryRunOperation" => 412,
            "RequestEntityTooLargeException" => 413,
            _ => 400,
        }
    }
}

/// The connection is closed without an answer, because of a fault or because the request broke off.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
pub(crate) struct NoAnswer;

/// An answer before it is sent.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// An answer that may have its own headers, and a body that is not text.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let Answer { status, content_type, body } = answer;
        Reply { status, content_type, headers: Vec::new(), body: body.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_region_and_account_from_the_signature() {
        let signed = "AWS4-HMAC-SHA256 Credential=111122223333/20261124/eu-west-1/ec2/aws4_request, SignedHeaders=host";
        let scope = Scope::of_request(Some(signed), Some("999999999999"));
        assert_eq!((scope.account.as_str(), scope.region.as_str()), ("111122223333", "eu-west-1"));
    }

    #[test]
    fn falls_back_to_the_header_and_then_to_the_default_account() {
        let signed = "AWS4-HMAC-SHA256 Credential=ASIAX/20261124/eu-west-1/ssm/aws4_request,SignedHeaders=host";
        assert_eq!(Scope::of_request(Some(signed), Some("999999999999")).account, "999999999999");
        assert_eq!(
            Scope::of_request(None, None),
            Scope { account: DEFAULT_ACCOUNT.into(), region: DEFAULT_REGION.into() }
        );
    }
}
