//! The errors that the fake answers with, as AWS words them.

use crate::{CloudError, Kind};

/// The account that everything of ours belongs to.
pub const ACCOUNT: &str = "111122223333";
/// The Region of the stack: the calls that name none are counted here.
pub const HOME: &str = "eu-west-1";

/// Which API operation is called in which Region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) operation: &'static str,
    pub(super) region: &'a str,
}

impl<'a> Call<'a> {
    pub(super) fn new(operation: &'static str, region: &'a str) -> Self {
        Self { operation, region }
    }

    /// A call to a service of the stack's own Region.
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

    /// The error of an injected fault.
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
