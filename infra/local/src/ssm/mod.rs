//! Systems Manager's JSON protocol: Run Command, and the public parameters that name source images.

mod cancel;
mod instances;
mod invocations;
mod logs;
mod output;
mod page;
pub(crate) mod parameters;
mod put_parameter;
mod run;
mod send;

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{ApiError, Scope};
use crate::dispatch::Answer;
use crate::endpoint::Endpoint;
use crate::faults::CallFault;
use crate::lifecycle::chain;
use crate::world::Command;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The only document that is supported.
const DOCUMENT: &str = "AWS-RunShellScript";

/// Calls that the emulator forwards to the endpoint, so that faults affect them.
pub(crate) const HANDED_ON: [&str; 2] = ["PutParameter", "DeleteParameter"];

/// One call: its caller, its scope and its content.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) scope: &'a Scope,
    pub(crate) body: &'a [u8],
    /// The fault that the call triggered.
    pub(crate) fault: Option<&'a CallFault>,
}

/// Performs an action.
pub(crate) fn perform(call: &Call<'_>, action: &str) -> Result<Value, ApiError> {
    match action {
        "SendCommand" => send::send(call),
        "GetCommandInvocation" => invocations::get(call),
        "ListCommandInvocations" => invocations::list(call),
        "ListCommands" => invocations::list_commands(call),
        "CancelCommand" => cancel::cancel(call),
        "DescribeInstanceInformation" => instances::describe(call),
        "GetParameter" => parameters::get(call),
        "GetParameters" => parameters::get_several(call),
        "GetParametersByPath" => parameters::get_by_path(call),
        other => Err(ApiError::new("UnknownOperationException", format!("Unknown operation {other}"))),
    }
}

/// Performs one of the forwarded actions.
pub(crate) async fn perform_there(endpoint: &Arc<Endpoint>, scope: &Scope, action: &str, body: &Bytes) -> Answer {
    if action == put_parameter::ACTION && endpoint.emulator.is_some() {
        return put_parameter::put(endpoint, scope, body).await;
    }
    hand_on(endpoint, scope, action, body).await
}

/// Makes the emulator perform an action, and returns its answer.
async fn hand_on(endpoint: &Endpoint, scope: &Scope, action: &str, body: &Bytes) -> Answer {
    let Some(emulator) = &endpoint.emulator else {
        return answer(Err(ApiError::new("UnknownOperationException", format!("Unknown operation {action}"))));
    };
    match emulator.hand_on(scope, "ssm", &format!("AmazonSSM.{action}"), body.clone()).await {
        Ok((status, body)) => Answer { status, content_type: CONTENT_TYPE, body },
        Err(error) => answer(Err(ApiError::new("InternalServerError", chain(&error)))),
    }
}

/// Resumes the commands that had not ended when an earlier endpoint ended.
pub(crate) fn resume_commands(endpoint: &Arc<Endpoint>) {
    let commands: Vec<Command> = endpoint.world().commands.values().cloned().collect();
    for command in commands {
        for (instance, _) in command.invocations.iter().filter(|(_, one)| !one.status.is_final()) {
            endpoint.spawn(run::run(endpoint.clone(), command.clone(), instance.clone()));
        }
    }
}

/// Returns the answer in JSON: the call's result or its error.
pub(crate) fn answer(outcome: Result<Value, ApiError>) -> Answer {
    let (status, body) = match outcome {
        Ok(result) => (200, result),
        Err(error) => (error.status(), json!({"__type": error.code, "message": error.message})),
    };
    Answer { status, content_type: CONTENT_TYPE, body: body.to_string() }
}

impl Call<'_> {
    /// Reads the input. Invalid input is a `ValidationException` that names the mistake.
    fn input<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(self.body).map_err(|error| ApiError::new("ValidationException", error.to_string()))
    }
}

/// Returns a time as the protocol writes it: seconds with a fraction.
fn epoch(time: jiff::Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}
