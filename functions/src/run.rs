//! The loop of every function: an event in, a result or a named error out.

use goldsmith_states::errors::ErrorName;
use goldsmith_states::{Context, Error, Invocation, Start, State};
use goldsmith_store::Scope;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

/// Why an invocation failed, as the definition sees it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A state's error, under its published name.
    State {
        /// The state; `None` if the payload does not name it.
        scope: Option<Scope>,
        /// What happened.
        error: Box<Error>,
    },
    /// The payload is not one that this function accepts.
    Payload(serde_json::Error),
}

impl From<Failure> for Diagnostic {
    /// Names the error for the definition. The runtime would use its Rust type, on which no `Catch` can rely.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::State { scope, error } => {
                let cause = error.cause(scope.as_ref());
                let error_message = serde_json::to_string(&cause).unwrap_or_else(|_| cause.to_string());
                Diagnostic { error_type: error.name().as_str().to_owned(), error_message }
            }
            Failure::Payload(error) => Diagnostic {
                error_type: ErrorName::Internal.as_str().to_owned(),
                error_message: format!("the payload of this function is not readable: {error}"),
            },
        }
    }
}

/// Serves invocations until Lambda ends the process.
pub(crate) async fn run<H>(context: Context, handle: H) -> Result<(), lambda_runtime::Error>
where
    H: AsyncFn(&Context, Value) -> Result<Value, Failure>,
{
    let (context, handle) = (&context, &handle);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let scope = scope(&event.payload);
        match handle(context, event.payload).await {
            Err(Failure::State { error, .. }) => {
                tracing::error!(%error, name = error.name().as_str(), "failed");
                Err(Failure::State { scope, error })
            }
            other => other,
        }
    }))
    .await
}

/// Reads the payload as the call of a waiting state.
pub(crate) fn invocation(payload: Value) -> Result<Invocation, Failure> {
    serde_json::from_value(payload).map_err(Failure::Payload)
}

/// Reads the payload as the call of a state that does not wait.
pub(crate) fn start(payload: Value) -> Result<Start, Failure> {
    serde_json::from_value(payload).map_err(Failure::Payload)
}

/// Returns a state's result, or its failure.
pub(crate) fn answer(result: Result<Value, Error>) -> Result<Value, Failure> {
    result.map_err(|error| Failure::State { scope: None, error: Box::new(error) })
}

fn scope(payload: &Value) -> Option<Scope> {
    let state: State = serde_json::from_value(payload.get("state")?.clone()).ok()?;
    let item = payload.get("item").and_then(Value::as_str).map(ToOwned::to_owned);
    Some(Scope { state, item })
}
