//! Lambda: which function does what, as the crate of the functions has it, and how often it is called again.

use goldsmith_states::{
    Context, Error, Invocation, Start, distribute, execute_phase, finish, launch, plan, publish, reap, signal,
    snapshot, test, trigger,
};
use goldsmith_store::Scope;
use serde::de::DeserializeOwned;
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
pub async fn run(handler: &str, context: &Context, mut payload: Value) -> Result<Value, Failure> {
    let scope = scope(&payload);
    let answer = match handler {
        "plan" => plan::handle(context, &read::<Start>(payload)?).await,
        "launch" => launch::handle(context, read::<Invocation>(payload)?).await,
        "execute-phase" => execute_phase::handle(context, read::<Invocation>(payload)?).await,
        "snapshot" => snapshot::handle(context, read::<Invocation>(payload)?).await,
        "test" => test::handle(context, &read::<Start>(payload)?).await,
        "distribute" => distribute::handle(context, read::<Invocation>(payload)?).await,
        "publish" => publish::handle(context, &read::<Start>(payload)?).await,
        "finish" => match payload.get_mut("detail").map(Value::take) {
            Some(detail) => finish::handle_event(context, detail).await,
            None => finish::handle(context, &read::<Start>(payload)?).await,
        },
        "signal" => signal::handle(context, payload).await,
        "trigger" => trigger::handle(context, payload).await,
        "reap" => reap::handle(context, payload).await,
        other => return Err(Failure::new("Lambda.ResourceNotFoundException", other)),
    };
    answer.map_err(|error| failure(&error, scope.as_ref()))
}

fn read<T: DeserializeOwned>(payload: Value) -> Result<T, Failure> {
    serde_json::from_value(payload).map_err(|error| envelope("Goldsmith.Refused", &error.to_string()))
}

fn failure(error: &Error, scope: Option<&Scope>) -> Failure {
    let cause = error.cause(scope);
    envelope(error.name().as_str(), &serde_json::to_string(&cause).unwrap_or_default())
}

/// What Lambda puts around a function's error.
fn envelope(name: &str, message: &str) -> Failure {
    Failure::new(name, json!({"errorType": name, "errorMessage": message}).to_string())
}

fn scope(payload: &Value) -> Option<Scope> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    Some(Scope { state: text("state")?.parse().ok()?, item: text("item").map(str::to_owned) })
}
