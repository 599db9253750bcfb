//! The error type of every call to AWS. It contains the facts that a person needs, and has predicates, so that callers
//! never match on text.

use std::error::Error;

/// Result of a call to AWS.
pub type Result<T> = std::result::Result<T, CloudError>;

/// What a caller can do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// AWS limits the rate of calls (`Throttling`, `RequestLimitExceeded`, `TooManyRequestsException`, …): try again
    /// later.
    Throttled,
    /// No answer arrived because of the connection, a time-out, or a 5xx. The effect may or may not have happened.
    Unanswered,
    /// The resource does not exist (or is not visible yet).
    NotFound,
    /// There is no capacity for this instance type here (`InsufficientInstanceCapacity`, `Unsupported` type in a zone,
    /// …): try the next candidate, and all of them later.
    Capacity,
    /// The name or token is taken (`InvalidAMIName.Duplicate`, `ExecutionAlreadyExists`).
    Duplicate,
    /// The state of the resource does not allow the call (`IncorrectInstanceState`, `InvalidSnapshot.InUse`).
    WrongState,
    /// The role of the caller lacks a permission.
    Denied,
    /// Everything else: the request itself is wrong.
    Invalid,
}

/// A failed call to AWS.
#[derive(Debug, thiserror::Error)]
#[error("{operation} in {region} failed: {code}: {message}")]
pub struct CloudError {
    /// The API operation, such as `RunInstances`.
    pub operation: &'static str,
    /// The Region that was called.
    pub region: String,
    /// AWS's error code, or `NoAnswer` if no answer arrived.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// What can be done about it.
    pub kind: Kind,
    /// The SDK's error, boxed because the SDK's types are large.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl CloudError {
    /// Returns whether the same call may succeed later without a change.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, Kind::Throttled | Kind::Unanswered)
    }

    /// Returns whether the call may have failed only because the resource that it names was created shortly before. EC2
    /// and Systems Manager are eventually consistent: one call knows a resource and the next one does not, for seconds
    /// and sometimes for minutes (EC2 API reference, "Eventual consistency").
    /// The same holds for permissions: EC2 rejects the `CopyImage` of another account that may not use an image or read its
    /// snapshots yet.
    #[must_use]
    pub fn may_settle(&self) -> bool {
        matches!(
            self.code.as_str(),
            "InvalidInstanceId"
                | "InvalidInstanceID.NotFound"
                | "InvalidAMIID.NotFound"
                | "InvalidAMIID.Unavailable"
                | "InvalidSnapshot.NotFound"
                | "InvalidLaunchTemplateId.VersionNotFound"
        ) || (self.operation == "CopyImage" && self.is_without_permission_yet())
    }

    /// Returns whether EC2 says that another account may not use an image, or may not read its snapshots. Both codes are
    /// also those of errors that stay, such as the one for an image from AWS Marketplace, so only the message tells.
    fn is_without_permission_yet(&self) -> bool {
        let begins = match self.code.as_str() {
            "AuthFailure" => "Not authorized for image",
            "InvalidRequest" => "You do not have permission to access the storage",
            _ => return false,
        };
        self.message.starts_with(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_waits_only_for_permissions_that_are_not_visible_yet() {
        let settles = |operation, code: &str, message: &str| {
            let (region, code, message) = ("eu-west-1".to_owned(), code.to_owned(), message.to_owned());
            CloudError { operation, region, code, message, kind: Kind::Invalid, source: None }.may_settle()
        };
        let storage = "You do not have permission to access the storage of this ami";
        assert!(settles("CopyImage", "InvalidRequest", storage));
        assert!(settles("CopyImage", "AuthFailure", "Not authorized for images: [ami-1]"));
        assert!(!settles("DeregisterImage", "AuthFailure", "Not authorized for image:ami-1"));
        for (code, message) in [
            ("InvalidRequest", "Images from AWS Marketplace cannot be copied to another AWS account"),
            ("InvalidRequest", "Images with EC2 BillingProduct codes cannot be copied to another AWS account"),
            ("AuthFailure", "AWS was not able to validate the provided access credentials"),
        ] {
            assert!(!settles("CopyImage", code, message), "{message}");
        }
    }
}
