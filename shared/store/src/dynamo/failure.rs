//! Converts the SDK's errors to [`StoreError`].

use std::error::Error;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;

use crate::StoreError;

/// Returns a function for `map_err` after a call of one request.
pub(super) fn failure<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    move |error| {
        let (code, message, status) = match &error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status();
                let code = answer.err().code().map_or_else(|| format!("HTTP {}", status.as_u16()), str::to_owned);
                (code, answer.err().message().unwrap_or("no message").to_owned(), status)
            }
            // Without an answer of the service, as after a time-out, the write may have been made.
            _ => return StoreError::Unanswered { operation, source: Box::new(error) },
        };
        match code.as_str() {
            "ConditionalCheckFailedException" => StoreError::Conflict { failed: vec![0] },
            code if is_busy(code) => StoreError::Busy { code: code.to_owned() },
            // The same holds for a server error. As a rejection, it would be taken for proof that nothing was written.
            _ if status.is_server_error() => StoreError::Unanswered { operation, source: Box::new(error) },
            _ => StoreError::Refused { operation, code, message },
        }
    }
}

/// Converts an error of a transaction, which gives a reason for each write (for `map_err`).
pub(super) fn transaction_failure(error: SdkError<TransactWriteItemsError, HttpResponse>) -> StoreError {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
            cancellation(canceled.cancellation_reasons(), canceled.message())
        }
        _ => failure("TransactWriteItems")(error),
    }
}

/// Converts the reasons of a cancelled transaction. A failed check takes precedence over a conflict with another
/// transaction, because a retry would not help.
fn cancellation(reasons: &[CancellationReason], message: Option<&str>) -> StoreError {
    let failed: Vec<usize> = reasons
        .iter()
        .enumerate()
        .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
        .map(|(index, _)| index)
        .collect();
    if !failed.is_empty() {
        return StoreError::Conflict { failed };
    }
    let refusal = reasons.iter().find(|reason| reason.code().is_some_and(|code| code != "None" && !is_busy(code)));
    if let Some(reason) = refusal {
        let message = reason.message().or(message).unwrap_or("no message").to_owned();
        return StoreError::Refused { operation: "TransactWriteItems", code: code_of(reason), message };
    }
    let busy = reasons.iter().find(|reason| reason.code().is_some_and(is_busy));
    StoreError::Busy { code: busy.map_or_else(|| "TransactionCanceledException".to_owned(), code_of) }
}

fn code_of(reason: &CancellationReason) -> String {
    reason.code().unwrap_or_default().to_owned()
}

/// Returns whether the code of an error or of a cancellation says that the same call may succeed later.
fn is_busy(code: &str) -> bool {
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "RequestLimitExceeded"
            | "ThrottlingException"
            | "ThrottlingError"
            | "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException"
    )
}

/// Converts the error of a part of a request that the SDK could not build (for `map_err`).
pub(super) fn malformed(error: BuildError) -> StoreError {
    StoreError::Refused {
        operation: "TransactWriteItems",
        code: "InvalidRequest".to_owned(),
        message: error.to_string(),
    }
}
