//! Lambda: which function does what, as the crate of the functions has it, and how often it is called again.

use goldsmith_states::{Context, dispatch, is_function};
use serde_json::{Value, json};

use crate::execution::Failure;

/// `Timeout` of every function, in milliseconds (`infra/template.yaml`).
pub const TIMEOUT: i64 = 120_000;

/// `MaximumRetryAttempts` of asynchronous invocations (`infra/template.yaml`; Lambda's own is 2).
#[must_use]
pub fn retries(handler: &str) -> u32 {
    match handler {
        "signal" | "reap" => 1,
        _ => 2,
    }
}

/// Runs one invocation.
///
/// # Errors
/// What Lambda tells of the function's error.
pub async fn run(handler: &str, context: &Context, payload: Value) -> Result<Value, Failure> {
    if !is_function(handler) {
        return Err(Failure::new("Lambda.ResourceNotFoundException", handler));
    }
    dispatch(context, handler, payload).await.map_err(|failure| {
        let name = failure.name.as_str();
        Failure::new(name, json!({"errorType": name, "errorMessage": failure.message()}).to_string())
    })
}
