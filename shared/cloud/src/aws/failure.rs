//! Converts the SDK's errors to [`CloudError`], with the one table of AWS's error codes.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;

use crate::{CloudError, Kind, Result};

/// Returns a function for `map_err` after a call. The error says what failed, where, and what can be done about it.
pub fn failure<E>(operation: &'static str, region: &str) -> impl FnOnce(SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    move |error| match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code().map_or_else(|| format!("HTTP {status}"), str::to_owned);
            // The SDK's error contains only the code and the message, so a source would repeat them.
            CloudError {
                operation,
                region: region.to_owned(),
                kind: kind_of(&code, status),
                code,
                message: answer.err().message().unwrap_or("no message").to_owned(),
                source: None,
            }
        }
        SdkError::ConstructionFailure(_) => without_answer(operation, region, Kind::Invalid, error),
        _ if credentials_errors(&error).next().is_some() => without_credentials(operation, region, error),
        _ => without_answer(operation, region, Kind::Unanswered, error),
    }
}

fn without_answer<E>(operation: &'static str, region: &str, kind: Kind, error: SdkError<E, HttpResponse>) -> CloudError
where
    E: Error + Send + Sync + 'static,
{
    let message = match &error {
        SdkError::ConstructionFailure(_) => "the request could not be made",
        SdkError::TimeoutError(_) => "the call timed out",
        SdkError::ResponseError(_) => "the answer is not readable",
        _ => "the call did not reach AWS",
    };
    let source = Some(Box::new(error) as Box<dyn Error + Send + Sync>);
    CloudError {
        operation,
        region: region.to_owned(),
        code: "NoAnswer".to_owned(),
        message: message.to_owned(),
        kind,
        source,
    }
}

/// Converts an error that missing credentials caused. The SDK reports a missing credential in the same way as a broken
/// connection. A retry does not help if no source of credentials is configured. If a source was asked and failed, it
/// may answer later.
fn without_credentials(operation: &'static str, region: &str, error: impl Error + Send + Sync + 'static) -> CloudError {
    let none = credentials_errors(&error).any(|cause| {
        matches!(cause, CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
    });
    CloudError {
        operation,
        region: region.to_owned(),
        code: "NoCredentials".to_owned(),
        message: "there are no usable AWS credentials".to_owned(),
        kind: if none { Kind::Denied } else { Kind::Unanswered },
        source: Some(Box::new(error)),
    }
}

/// Returns the credential errors among the causes of this error.
fn credentials_errors<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e CredentialsError> {
    let causes = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    causes.filter_map(|cause| cause.downcast_ref::<CredentialsError>())
}

/// Returns a function for `map_err`, for a part of a request that the SDK could not build.
pub fn malformed(operation: &'static str, region: &str) -> impl FnOnce(BuildError) -> CloudError {
    move |error| CloudError {
        operation,
        region: region.to_owned(),
        code: "InvalidRequest".to_owned(),
        message: "the request could not be made".to_owned(),
        kind: Kind::Invalid,
        source: Some(Box::new(error)),
    }
}

/// Returns the error of a response without the part that says what happened. The effect is then as uncertain as if no
/// response had arrived.
#[must_use]
pub fn incomplete(operation: &'static str, region: &str, missing: &str) -> CloudError {
    CloudError {
        operation,
        region: region.to_owned(),
        code: "IncompleteAnswer".to_owned(),
        message: format!("the answer contains no {missing}"),
        kind: Kind::Unanswered,
        source: None,
    }
}

/// Returns `None` if the call failed because its resource does not exist.
///
/// # Errors
/// Returns every other failure as an error.
pub fn known<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what a caller can do about an error code. Codes take precedence over the HTTP status, because EC2 reports
/// throttling and missing capacity as 5xx.
pub(super) fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        code if is_throttling(code) => Kind::Throttled,
        code if is_capacity(code) => Kind::Capacity,
        "ExecutionAlreadyExists" | "IdempotentParameterMismatch" | "ParameterAlreadyExists" | "ConflictException" => {
            Kind::Duplicate
        }
        code if code.ends_with(".Duplicate") => Kind::Duplicate,
        "IncorrectInstanceState" | "IncorrectState" | "InvalidState" | "VolumeInUse" => Kind::WrongState,
        code if code.ends_with(".InUse") || code.ends_with(".Unavailable") => Kind::WrongState,
        code if is_unknown_resource(code) => Kind::NotFound,
        code if is_denial(code) => Kind::Denied,
        "RequestTimeout" | "RequestTimeoutException" => Kind::Unanswered,
        // After an error of the service itself, the call may or may not have had its effect.
        _ if status >= 500 => Kind::Unanswered,
        _ if status == 429 => Kind::Throttled,
        _ if status == 404 => Kind::NotFound,
        _ if matches!(status, 401 | 403) => Kind::Denied,
        _ => Kind::Invalid,
    }
}

/// Returns whether the call may succeed later because AWS limits its rate. The codes are the SDK's own list, EC2's
/// limits on what may run at once (snapshots, copies, tag writes), and those of Step Functions, Parameter Store, License
/// Manager, and KMS in the name of SNS.
fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "RateLimitExceededException"
            | "TooManyRequestsException"
            | "TooManyUpdates"
            | "BandwidthLimitExceeded"
            | "EC2ThrottledException"
            | "PriorRequestNotComplete"
            | "SlowDown"
            | "ResourceLimitExceeded"
            | "ConcurrentSnapshotLimitExceeded"
            | "PendingSnapshotLimitExceeded"
            | "SnapshotCreationPerVolumeRateExceeded"
            | "ConcurrentTagAccess"
            | "ExecutionLimitExceeded"
            | "KMSThrottling"
    )
}

/// Returns whether another instance type, zone, subnet or market may have capacity. The account's own limits belong
/// here because they count for each family of types, and the limits of spot instances because on-demand instances do
/// not count toward them. AWS validates an account before its first launch in a Region, which takes up to four hours
/// (EC2 API reference, Error codes: `PendingVerification`). Without the service-linked role of EC2 Spot, an account can
/// launch on-demand instances but no spot instances.
fn is_capacity(code: &str) -> bool {
    matches!(
        code,
        "InsufficientInstanceCapacity"
            | "InsufficientHostCapacity"
            | "InsufficientCapacityOnHost"
            | "IncompatibleHostRequirements"
            | "InsufficientReservedInstanceCapacity"
            | "InsufficientCapacity"
            | "InsufficientVolumeCapacity"
            | "InsufficientFreeAddressesInSubnet"
            | "Unsupported"
            | "UnsupportedHostConfiguration"
            | "InstanceLimitExceeded"
            | "PendingVerification"
            | "VcpuLimitExceeded"
            | "MaxSpotInstanceCountExceeded"
            | "SpotMaxPriceTooLow"
            | "AuthFailure.ServiceLinkedRoleCreationNotPermitted"
    )
}

fn is_unknown_resource(code: &str) -> bool {
    code.ends_with(".NotFound")
        || matches!(
            code,
            "NotFound"
                | "NoSuchKey"
                | "NoSuchBucket"
                | "ParameterNotFound"
                | "ParameterVersionNotFound"
                | "InvalidInstanceId"
                | "InvalidLaunchTemplateId.VersionNotFound"
                | "InvalidLaunchTemplateName.NotFoundException"
                | "InvalidCommandId"
                | "InvocationDoesNotExist"
                | "ExecutionDoesNotExist"
                | "StateMachineDoesNotExist"
                | "ResourceNotFoundException"
        )
}

fn is_denial(code: &str) -> bool {
    matches!(
        code,
        "UnauthorizedOperation"
            | "AccessDenied"
            | "AccessDeniedException"
            | "AuthFailure"
            | "AuthorizationError"
            | "KMSAccessDenied"
            | "OptInRequired"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
    )
}

#[cfg(test)]
mod tests {
    use aws_credential_types::credential_fn::provide_credentials_fn;
    use aws_sdk_ssm::Client;
    use aws_sdk_ssm::config::SharedCredentialsProvider;

    use super::super::replay::{Canned, Replay};
    use super::*;

    #[test]
    fn every_kind_of_code() {
        let cases = [
            ("Throttling", 400, Kind::Throttled),
            ("RequestLimitExceeded", 503, Kind::Throttled),
            ("ResourceLimitExceeded", 400, Kind::Throttled),
            ("ConcurrentSnapshotLimitExceeded", 400, Kind::Throttled),
            ("SnapshotCreationPerVolumeRateExceeded", 400, Kind::Throttled),
            ("HTTP 429", 429, Kind::Throttled),
            ("InsufficientInstanceCapacity", 500, Kind::Capacity),
            ("Unsupported", 400, Kind::Capacity),
            ("InsufficientCapacityOnHost", 400, Kind::Capacity),
            ("IncompatibleHostRequirements", 400, Kind::Capacity),
            ("MaxSpotInstanceCountExceeded", 400, Kind::Capacity),
            ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403, Kind::Capacity),
            ("SpotMaxPriceTooLow", 400, Kind::Capacity),
            ("PendingVerification", 400, Kind::Capacity),
            ("InvalidAMIName.Duplicate", 400, Kind::Duplicate),
            ("ExecutionAlreadyExists", 400, Kind::Duplicate),
            ("ConflictException", 409, Kind::Duplicate),
            ("IncorrectInstanceState", 400, Kind::WrongState),
            ("InvalidSnapshot.InUse", 400, Kind::WrongState),
            ("VolumeInUse", 400, Kind::WrongState),
            ("InvalidInstanceID.NotFound", 400, Kind::NotFound),
            ("InvalidLaunchTemplateId.VersionNotFound", 400, Kind::NotFound),
            ("HTTP 404", 404, Kind::NotFound),
            ("UnauthorizedOperation", 403, Kind::Denied),
            ("KMSAccessDenied", 400, Kind::Denied),
            ("HTTP 403", 403, Kind::Denied),
            ("InternalError", 500, Kind::Unanswered),
            ("HTTP 502", 502, Kind::Unanswered),
            ("InvalidParameterValue", 400, Kind::Invalid),
        ];
        for (code, status, kind) in cases {
            assert_eq!(kind_of(code, status), kind, "{code} {status}");
        }
    }

    #[tokio::test]
    async fn tells_what_failed_where() {
        let client = Client::new(&Replay::new([Canned::json_error(400, "AccessDeniedException")]).config());
        let error = client.get_parameter().name("n").send().await.map_err(failure("GetParameter", "eu-west-1"));
        let error = error.unwrap_err();
        assert_eq!(error.kind, Kind::Denied);
        assert_eq!(error.to_string(), "GetParameter in eu-west-1 failed: AccessDeniedException: because");
        assert!(error.source.is_none() && !error.is_transient());
    }

    #[tokio::test]
    async fn absent_credentials_stay_missing_and_requested_ones_may_arrive() {
        let asked = async |fails: fn() -> CredentialsError| {
            let provider = provide_credentials_fn(move || async move { Err(fails()) });
            let config = Replay::new([]).config();
            let config = config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
            let error = Client::new(&config).get_parameter().name("n").send().await;
            error.map_err(failure("GetParameter", "eu-west-1")).unwrap_err()
        };
        let error = asked(|| CredentialsError::not_loaded("nowhere")).await;
        assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "NoCredentials"));
        // It was asked and may answer later.
        let error = asked(|| CredentialsError::provider_error("the session is over")).await;
        assert_eq!((error.kind, error.code.as_str(), error.is_transient()), (Kind::Unanswered, "NoCredentials", true));
    }

    #[tokio::test]
    async fn keeps_the_source_where_no_answer_came() {
        let replay = Replay::new([Canned::Lost, Canned::Lost, Canned::Lost]);
        let error = Client::new(&replay.config()).get_parameter().name("n").send().await;
        let error = error.map_err(failure("GetParameter", "eu-west-1")).unwrap_err();
        assert_eq!(error.to_string(), "GetParameter in eu-west-1 failed: NoAnswer: the call did not reach AWS");
        assert!(error.source.is_some() && error.is_transient());
        assert_eq!(replay.sent().len(), 3, "the standard retries");
    }
}
