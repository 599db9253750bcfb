//! Decides when the SDK may repeat a conditional write.

use aws_sdk_dynamodb::config::Config;
use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction};

/// Retries only after an answer that says that nothing was written, such as throttling. After a lost answer, a second
/// attempt would find the item of the first one and report a conflict with itself. The caller must then read the item
/// instead.
#[derive(Debug)]
struct RefusalsOnly;

impl ClassifyRetry for RefusalsOnly {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            // This leaves the decision to the SDK's other classifiers, which know the codes of throttling.
            Some(response) if !response.status().is_server_error() => RetryAction::NoActionIndicated,
            _ => RetryAction::RetryForbidden,
        }
    }

    fn name(&self) -> &'static str {
        "RefusalsOnly"
    }
}

/// Returns the client's settings. If the write has checks, only these retries are allowed.
pub(super) fn settings(has_checks: bool) -> aws_sdk_dynamodb::config::Builder {
    let settings = Config::builder();
    if has_checks { settings.retry_classifier(RefusalsOnly) } else { settings }
}
