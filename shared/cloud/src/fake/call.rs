//! The errors that the fake returns, in AWS's words.

use crate::{CloudError, Kind};

/// The account that owns all of the stack's resources.
pub const ACCOUNT: &str = "111122223333";
/// The account with the alias `amazon`.
pub const AMAZON: &str = "137112412989";
/// The account with the alias `aws-marketplace`.
pub const MARKETPLACE: &str = "679593333241";
/// The Region of the stack. Calls without a Region are counted in this one.
pub const HOME: &str = "eu-west-1";

/// Returns EC2's name for an account, if it has one.
pub(super) fn alias_of(account: &str) -> Option<&'static str> {
    match account {
        AMAZON => Some("amazon"),
        MARKETPLACE => Some("aws-marketplace"),
        _ => None,
    }
}

/// Returns the account to which a name of EC2 refers.
pub(super) fn account_of(owner: &str) -> &str {
    match owner {
        "self" => ACCOUNT,
        "amazon" => AMAZON,
        "aws-marketplace" => MARKETPLACE,
        id => id,
    }
}

/// An API operation and the Region in which it is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) region: &'a str,
}

impl<'a> Call<'a> {
    pub(super) fn new(operation: &'static str, region: &'a str) -> Self {
        Self { operation, region }
    }

    /// Creates a call to a service in the stack's own Region.
    pub(super) fn home(operation: &'static str) -> Self {
        Self { operation, region: HOME }
    }

    pub(super) fn error(self, kind: Kind, code: &str, message: impl Into<String>) -> CloudError {
        CloudError {
            operation: self.operation,
            region: self.region.to_owned(),
            code: code.to_owned(),
            message: message.into(),
            kind,
            source: None,
        }
    }

    /// Returns the error of an injected fault.
    pub(super) fn fault(self, kind: Kind) -> CloudError {
        let code = match kind {
            Kind::Throttled => "RequestLimitExceeded",
            Kind::Unanswered => "NoAnswer",
            Kind::NotFound => not_known_yet(self.operation).unwrap_or("ResourceNotFoundException"),
            Kind::Capacity => "InsufficientInstanceCapacity",
            Kind::Duplicate => match self.operation {
                "RunInstances" | "CopyImage" => "IdempotentParameterMismatch",
                _ => "InvalidAMIName.Duplicate",
            },
            Kind::WrongState => "IncorrectState",
            Kind::Denied => "UnauthorizedOperation",
            Kind::Invalid => "ValidationException",
        };
        self.error(kind, code, "injected by the test")
    }
}

/// Returns AWS's code for a call that names a resource which AWS does not know yet, although the call that created it
/// has succeeded. Returns `None` if no effect of this operation names a new resource.
#[must_use]
pub fn not_known_yet(operation: &str) -> Option<&'static str> {
    // Reads return nothing then. A call that removes a resource succeeds if the resource is not there.
    if ["Delete", "Deregister", "Describe", "Get", "Terminate"].iter().any(|verb| operation.starts_with(verb)) {
        return None;
    }
    match operation {
        "SendCommand" => Some("InvalidInstanceId"),
        "RunInstances" => Some("InvalidAMIID.NotFound"),
        "CreateImage" => Some("InvalidInstanceID.NotFound"),
        "ModifyLaunchTemplate" => Some("InvalidLaunchTemplateId.VersionNotFound"),
        _ if operation.contains("Image") => Some("InvalidAMIID.NotFound"),
        _ if operation.contains("Instance") => Some("InvalidInstanceID.NotFound"),
        _ if operation.contains("Snapshot") => Some("InvalidSnapshot.NotFound"),
        _ => None,
    }
}
