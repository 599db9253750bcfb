//! Calls the functions of the stack by their names. This is the only way into the crate: the functions' bootstrap, the
//! tests and the simulation all call it.

use goldsmith_store::{FailureCause, Scope};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::drive;
use crate::error_names::ErrorName;
use crate::events::{reap, signal, trigger};
use crate::states::{Run, STATES, finish, spec};
use crate::{Context, Error, Invocation, Result};

/// The functions that events invoke and that no state runs.
pub const EVENT_FUNCTIONS: [&str; 3] = ["reap", "signal", "trigger"];

/// Why an invocation failed, as the definition sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Name of the error, on which the definition's Retry and Catch rely.
    pub name: ErrorName,
    /// The cause, which the definition passes on as JSON text.
    pub cause: Box<FailureCause>,
}

impl Failure {
    /// Returns the text that Lambda passes on as `errorMessage`.
    #[must_use]
    pub fn message(&self) -> String {
        serde_json::to_string(&self.cause).unwrap_or_else(|_| self.cause.to_string())
    }
}

/// Returns whether the stack has a function with this `Handler`.
#[must_use]
pub fn is_function(name: &str) -> bool {
    EVENT_FUNCTIONS.contains(&name) || STATES.iter().any(|spec| spec.function == name)
}

/// Runs one invocation of the function with this `Handler`.
///
/// # Errors
/// Fails with the published name of the error, and with [`ErrorName::Internal`] if this function does not accept the
/// payload.
pub async fn dispatch(context: &Context, function: &str, payload: Value) -> std::result::Result<Value, Failure> {
    let scope = scope(&payload);
    // The future of the largest state has 17 KiB, and each caller would contain it.
    Box::pin(call(context, function, payload)).await.map_err(|error| {
        tracing::error!(%error, name = error.name().as_str(), "failed");
        Failure { name: error.name(), cause: Box::new(error.cause(scope.as_ref())) }
    })
}

/// Returns whether [`figures`] has something to say about invocations of this function.
#[must_use]
pub fn has_figures(function: &str) -> bool {
    matches!(function, "finish" | "reap")
}

/// Returns the line of the log with the figures of an invocation that has ended, from which CloudWatch reads metrics and
/// the dashboard its tables: of a build that Finish has ended, and of what the sweep has found. Returns `None` if there
/// are none. The line does not depend on how the invocation has ended.
pub async fn figures(context: &Context, function: &str, payload: &Value) -> Option<Value> {
    match function {
        "finish" => Box::pin(finish::figures(context, payload)).await,
        "reap" => Box::pin(reap::metric(context, payload)).await,
        _ => None,
    }
}

async fn call(context: &Context, function: &str, mut payload: Value) -> Result<Value> {
    match function {
        "reap" => reap::handle(context, payload).await,
        "signal" => signal::handle(context, payload).await,
        "trigger" => trigger::handle(context, payload).await,
        _ => match payload.get_mut("detail").map(Value::take) {
            // The execution's own status event comes past the definition.
            Some(detail) if function == "finish" => finish::handle_event(context, detail).await,
            _ => run(context, function, read(payload)?).await,
        },
    }
}

/// Runs one invocation of a state.
async fn run(context: &Context, function: &str, invocation: Invocation) -> Result<Value> {
    let spec = spec(invocation.state());
    // The role of a function allows only the calls of its own states. Another state would fail at a denied call,
    // perhaps after its first effects.
    if spec.function != function {
        return Err(Error::internal(format!(
            "{function} was called for {}, but {} runs that state",
            spec.state, spec.function
        )));
    }
    match (&spec.run, invocation) {
        (Run::Waits(_, waiting), invocation) => drive::handle(context, *waiting, invocation).await,
        (Run::Once(run), Invocation::Start(start)) => run(context, &start).await,
        (Run::Once(_), Invocation::Wake { .. }) => {
            Err(Error::internal(format!("{} was woken, but it does not wait", spec.state)))
        }
    }
}

fn read<T: DeserializeOwned>(payload: Value) -> Result<T> {
    serde_json::from_value(payload)
        .map_err(|error| Error::internal(format!("the payload of this function is not readable: {error}")))
}

/// Returns the state that a payload names, or `None` if it names none.
fn scope(payload: &Value) -> Option<Scope> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    Some(Scope { state: text("state")?.parse().ok()?, item: text("item").map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{EVENT_FUNCTIONS, ErrorName, dispatch, is_function};
    use crate::testing::Stack;

    #[tokio::test]
    async fn a_payload_that_is_not_for_this_function_is_an_internal_error() {
        let stack = Stack::new().await;
        let start = |state: &str| json!({"build": "b", "state": state, "execution": "arn", "token": "t"});
        let wake = json!({"wake": {"build": "b", "state": "Publish"}});
        for (function, payload, reason) in [
            ("launch", json!({}), "the payload of this function is not readable"),
            ("launch", start("Elsewhere"), "the payload of this function is not readable"),
            ("launch", start("Snapshot"), "launch was called for Snapshot, but snapshot runs that state"),
            ("publish", wake, "Publish was woken, but it does not wait"),
        ] {
            let failure = dispatch(&stack.context(), function, payload).await.unwrap_err();
            assert_eq!(failure.name, ErrorName::Internal, "{failure:?}");
            assert!(failure.cause.message.starts_with(reason), "{failure:?}");
        }
        assert!(stack.inventory().is_empty());
    }

    #[test]
    fn the_functions_are_those_of_states_and_events() {
        assert!(EVENT_FUNCTIONS.into_iter().chain(["plan", "finish"]).all(is_function));
        assert!(!is_function("elsewhere"));
    }
}
