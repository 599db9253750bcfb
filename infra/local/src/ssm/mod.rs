//! Systems Manager's JSON protocol: Run Command, and the public parameters that name source images.

mod call;
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
use serde_json::Value;

use crate::api::{Answer, ApiError, Scope};
use crate::endpoint::Endpoint;
use crate::world::Command;
pub(crate) use call::{Call, answer};
use call::{Row, hand_on};

/// The calls, each with the function that serves it.
const CALLS: [Row; 9] = [
    ("SendCommand", send::send),
    ("GetCommandInvocation", invocations::get),
    ("ListCommandInvocations", invocations::list),
    ("ListCommands", invocations::list_commands),
    ("CancelCommand", cancel::cancel),
    ("DescribeInstanceInformation", instances::describe),
    ("GetParameter", parameters::get),
    ("GetParameters", parameters::get_several),
    ("GetParametersByPath", parameters::get_by_path),
];

/// Calls that the emulator forwards to the endpoint, so that faults affect them.
pub(crate) const HANDED_ON: [&str; 2] = ["PutParameter", "DeleteParameter"];

/// Returns the names of all calls.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|(name, _)| *name)
}

/// Performs an action.
pub(crate) fn perform(call: &Call<'_>, action: &str) -> Result<Value, ApiError> {
    match CALLS.iter().find(|(name, _)| *name == action) {
        Some((_, serve)) => serve(call),
        None => Err(ApiError::new("UnknownOperationException", format!("Unknown operation {action}"))),
    }
}

/// Performs one of the forwarded actions.
pub(crate) async fn perform_there(endpoint: &Arc<Endpoint>, scope: &Scope, action: &str, body: &Bytes) -> Answer {
    if action == put_parameter::ACTION && endpoint.emulator.is_some() {
        return put_parameter::put(endpoint, scope, body).await;
    }
    hand_on(endpoint, scope, action, body).await
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
