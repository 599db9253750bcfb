//! The errors that the fake returns, in AWS's words.

use crate::{CloudError, Kind};

/// The account that owns all of the stack's resources.
pub const ACCOUNT: &str = "111122223333";
/// The Region of the stack. Calls that name no Region are counted here.
pub const HOME: &str = "eu-west-1";

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
            Kind::NotFound => match self.operation {
                "SendCommand" => "InvalidInstanceId",
                "RunInstances" | "CopyImage" | "ModifyImageAttribute" => "InvalidAMIID.NotFound",
                "CreateImage" | "StopInstances" => "InvalidInstanceID.NotFound",
                _ => "ResourceNotFoundException",
            },
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
