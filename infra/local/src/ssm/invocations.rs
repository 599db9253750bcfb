//! GetCommandInvocation, ListCommandInvocations, ListCommands: the results of commands.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, DOCUMENT, epoch};
use super::page::{OF_COMMANDS, page};
use crate::api::ApiError;
use crate::world::{Command, Invocation, iso};

/// The document's only step.
const PLUGIN: &str = "aws:runShellScript";

/// Characters of a plugin's output that are kept (Systems Manager API reference, CommandPlugin).
const PLUGIN_OUTPUT: usize = 2500;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetInput {
    command_id: String,
    instance_id: String,
}

/// Returns one invocation with its output. The output is available only after the invocation has ended.
pub(super) fn get(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: GetInput = call.input()?;
    let world = call.endpoint.world();
    let command = visible(call, world.commands.get(&input.command_id));
    let found = command.and_then(|command| Some((command, command.invocations.get(&input.instance_id)?)));
    let (command, invocation) = found.ok_or_else(|| {
        let message = format!("Command {} has no invocation on {}.", input.command_id, input.instance_id);
        ApiError::new("InvocationDoesNotExist", message)
    })?;
    let time = |time: Option<jiff::Timestamp>| time.map(iso).unwrap_or_default();
    Ok(json!({
        "CommandId": command.id,
        "InstanceId": input.instance_id,
        "Comment": command.comment,
        "DocumentName": DOCUMENT,
        "DocumentVersion": "$DEFAULT",
        "PluginName": PLUGIN,
        "ResponseCode": invocation.response_code,
        "ExecutionStartDateTime": time(invocation.started_at),
        "ExecutionElapsedTime": elapsed(invocation),
        "ExecutionEndDateTime": time(invocation.ended_at),
        "Status": invocation.status.name(),
        "StatusDetails": invocation.status.details(),
        "StandardOutputContent": invocation.stdout,
        "StandardOutputUrl": "",
        "StandardErrorContent": invocation.stderr,
        "StandardErrorUrl": "",
        "CloudWatchOutputConfig": output_config(command),
    }))
}

fn elapsed(invocation: &Invocation) -> String {
    match (invocation.started_at, invocation.ended_at) {
        (Some(start), Some(end)) => format!("PT{:.3}S", end.duration_since(start).as_secs_f64()),
        _ => String::new(),
    }
}

fn output_config(command: &Command) -> Value {
    json!({
        "CloudWatchLogGroupName": command.log_group.clone().unwrap_or_default(),
        "CloudWatchOutputEnabled": command.log_group.is_some(),
    })
}

/// Returns the commands of this scope that are old enough to be seen.
fn visible<'c>(call: &Call<'_>, command: Option<&'c Command>) -> Option<&'c Command> {
    let seen_at = call.endpoint.seen_at();
    // Reads may lag behind SendCommand, and `describe lag` makes them lag on purpose.
    command.filter(|command| command.scope == *call.scope && command.requested_at <= seen_at)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListInput {
    command_id: Option<String>,
    instance_id: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    details: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Filter {
    key: String,
    value: String,
}

impl ListInput {
    /// Returns the requested commands, the newest first.
    fn commands<'c>(&self, call: &Call<'_>, all: impl Iterator<Item = &'c Command>) -> Vec<&'c Command> {
        let asked = |command: &&Command| self.command_id.as_ref().is_none_or(|id| command.id == *id);
        let mut found: Vec<_> = all.filter_map(|command| visible(call, Some(command))).filter(asked).collect();
        found.sort_by_key(|command| std::cmp::Reverse(command.requested_at));
        found
    }

    /// Returns whether status and time filters let a command pass.
    fn pass(&self, command: &Command, status: &str) -> bool {
        self.filters.iter().all(|filter| match filter.key.as_str() {
            "Status" => filter.value == status,
            "DocumentName" => filter.value == DOCUMENT,
            // ISO times in UTC compare as texts.
            "InvokedAfter" => iso(command.requested_at) >= filter.value,
            "InvokedBefore" => iso(command.requested_at) < filter.value,
            _ => false,
        })
    }
}

/// Lists invocations by command, instance and filters.
pub(super) fn list(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: ListInput = call.input()?;
    let world = call.endpoint.world();
    let commands = input.commands(call, world.commands.values());
    let pairs = commands.into_iter().flat_map(|command| command.invocations.iter().map(move |pair| (command, pair)));
    let asked = |id: &String| input.instance_id.as_ref().is_none_or(|asked| asked == id);
    let found = pairs.filter(|(command, (id, one))| asked(id) && input.pass(command, one.status.name()));
    let values = found.map(|(command, (id, one))| invocation_json(command, id, one, input.details)).collect();
    page("CommandInvocations", values, OF_COMMANDS, input.max_results, input.next_token.as_deref())
}

fn invocation_json(command: &Command, instance: &str, invocation: &Invocation, details: bool) -> Value {
    let plugin = json!({
        "Name": PLUGIN,
        "Status": invocation.status.name(),
        "StatusDetails": invocation.status.details(),
        "ResponseCode": invocation.response_code,
        "ResponseStartDateTime": invocation.started_at.map(epoch),
        "ResponseFinishDateTime": invocation.ended_at.map(epoch),
        "Output": plugin_output(invocation),
    });
    json!({
        "CommandId": command.id,
        "InstanceId": instance,
        "InstanceName": "",
        "Comment": command.comment,
        "DocumentName": DOCUMENT,
        "DocumentVersion": "$DEFAULT",
        "RequestedDateTime": epoch(command.requested_at),
        "Status": invocation.status.name(),
        "StatusDetails": invocation.status.details(),
        "StandardOutputUrl": "",
        "StandardErrorUrl": "",
        "CommandPlugins": if details { vec![plugin] } else { Vec::new() },
        "CloudWatchOutputConfig": output_config(command),
    })
}

/// Returns the plugin's output: both outputs, or the agent's own message if there is no output.
fn plugin_output(invocation: &Invocation) -> String {
    let text = match (invocation.stderr.as_str(), invocation.said.as_str()) {
        ("", said) => format!("{}{said}", invocation.stdout),
        (stderr, _) => format!("{}\n----------ERROR-------\n{stderr}", invocation.stdout),
    };
    text.chars().take(PLUGIN_OUTPUT).collect()
}

/// Lists commands by id, instance and filters.
pub(super) fn list_commands(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: ListInput = call.input()?;
    let world = call.endpoint.world();
    let mut commands = input.commands(call, world.commands.values());
    commands.retain(|command| input.instance_id.as_ref().is_none_or(|id| command.invocations.contains_key(id)));
    commands.retain(|command| input.pass(command, command.status().name()));
    let values = commands.into_iter().map(command_json).collect();
    page("Commands", values, OF_COMMANDS, input.max_results, input.next_token.as_deref())
}

/// Returns a command as answers show it.
pub(super) fn command_json(command: &Command) -> Value {
    let ended = command.invocations.values().filter(|one| one.status.is_final()).count();
    // A cancelled invocation counts as completed and not as an error.
    let failed = |one: &&Invocation| matches!(one.status.name(), "Failed" | "TimedOut");
    json!({
        "CommandId": command.id,
        "DocumentName": DOCUMENT,
        "DocumentVersion": "$DEFAULT",
        "Comment": command.comment,
        "ExpiresAfter": epoch(command.requested_at) + (command.delivery_timeout + command.execution_timeout) as f64,
        "Parameters": {
            "commands": command.commands,
            "executionTimeout": [command.execution_timeout.to_string()],
            "workingDirectory": [command.working_directory],
        },
        "InstanceIds": command.invocations.keys().collect::<Vec<_>>(),
        "Targets": [],
        "RequestedDateTime": epoch(command.requested_at),
        "Status": command.status().name(),
        "StatusDetails": command.status().details(),
        "MaxConcurrency": "50",
        "MaxErrors": "0",
        "TargetCount": command.invocations.len(),
        "CompletedCount": ended,
        "ErrorCount": command.invocations.values().filter(failed).count(),
        "DeliveryTimedOutCount": command.invocations.values().filter(|one| one.status.details() == "DeliveryTimedOut").count(),
        "CloudWatchOutputConfig": output_config(command),
        "TimeoutSeconds": command.delivery_timeout,
    })
}
