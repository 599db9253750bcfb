//! Errors of calls: AWS's exceptions with their reasons.

use std::io;

use crate::api::ApiError;

/// The error of a call (EBS direct APIs reference, section "Errors" of each call).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) exception: String,
    pub(super) status: u16,
    /// Reason code, which tells apart the causes of one exception.
    pub(super) reason: Option<&'static str>,
    pub(super) message: String,
}

impl Refusal {
    fn new(exception: &str, status: u16, reason: Option<&'static str>, message: impl Into<String>) -> Self {
        Refusal { exception: exception.to_owned(), status, reason, message: message.into() }
    }

    /// The input is invalid.
    pub(super) fn invalid(reason: &'static str, message: impl Into<String>) -> Self {
        Refusal::new("ValidationException", 400, Some(reason), message)
    }

    /// A parameter is missing, is malformed, or is out of range.
    pub(super) fn parameter(name: &str, rule: &str) -> Self {
        Refusal::invalid("INVALID_PARAMETER_VALUE", format!("{name} {rule}"))
    }

    pub(super) fn no_snapshot(id: &str) -> Self {
        let message = format!("The snapshot '{id}' does not exist.");
        Refusal::new("ResourceNotFoundException", 404, Some("SNAPSHOT_NOT_FOUND"), message)
    }

    /// The snapshot belongs to another account.
    pub(super) fn not_yours(id: &str) -> Self {
        let message = format!("The account does not own the snapshot '{id}'.");
        Refusal::new("AccessDeniedException", 403, Some("UNAUTHORIZED_ACCOUNT"), message)
    }

    /// The account may not use the key.
    pub(super) fn no_key(arn: &str) -> Self {
        let message = format!("The key {arn} is not accessible.");
        Refusal::new("AccessDeniedException", 403, Some("DEPENDENCY_ACCESS_DENIED"), message)
    }

    pub(super) fn too_many(most: usize) -> Self {
        let message = format!("The account has {most} pending snapshots: that is its quota.");
        Refusal::new("ServiceQuotaExceededException", 402, Some("DEPENDENCY_SERVICE_QUOTA_EXCEEDED"), message)
    }

    /// The client token belongs to another request.
    pub(super) fn conflict() -> Self {
        let message = "The client token was used before for a request with other parameters.";
        Refusal::new("ConflictException", 409, None, message)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::new("InternalServerException", 500, None, format!("The blocks cannot be used: {error}"))
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Refusal { status: error.status(), exception: error.code, reason: None, message: error.message }
    }
}
