//! SendCommand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::call::{Call, DOCUMENT};
use super::invocations::command_json;
use super::run;
use crate::api::ApiError;
use crate::events::Event;
use crate::faults::CallFault;
use crate::ids;
use crate::world::{Command, Instance, Invocation, InvocationStatus, World};

/// Seconds that a script may run by default: the document's default.
const DEFAULT_EXECUTION_TIMEOUT: u64 = 3600;
/// Seconds until a command counts as not delivered.
const DEFAULT_DELIVERY_TIMEOUT: u64 = 3600;
/// The document's limit of `executionTimeout`: 48 hours.
const LONGEST_EXECUTION: u64 = 172_800;
/// For a smaller value, the agent uses the default (amazon-ssm-agent 3.3, pluginutil.go).
const SHORTEST_EXECUTION: u64 = 5;
/// Most characters of a comment.
const COMMENT_LIMIT: usize = 100;
/// Folder in which the agent runs scripts by default: the folder of its own program.
const DEFAULT_DIRECTORY: &str = "/usr/bin";
/// Group for the output if the caller requests the output without naming a group.
const DEFAULT_LOG_GROUP: &str = "/aws/ssm/AWS-RunShellScript";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    document_name: String,
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    comment: String,
    timeout_seconds: Option<u64>,
    #[serde(default)]
    parameters: BTreeMap<String, Vec<String>>,
    cloud_watch_output_config: Option<OutputConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Target {
    key: String,
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OutputConfig {
    cloud_watch_log_group_name: Option<String>,
    #[serde(default)]
    cloud_watch_output_enabled: bool,
}

/// Sends a script to instances that are online.
pub(super) fn send(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: Input = call.input()?;
    let mut world = call.endpoint.world();
    let instances = receivers(call, &world, &input)?;
    let mut command = command(call, input, &instances)?;
    let lost = not_delivered(call);
    if let Some(status) = lost {
        command.end_all(status);
        instances.iter().for_each(|id| call.endpoint.emit(Event::of_invocation(&command, id, status)));
    }
    world.commands.insert(command.id.clone(), command.clone());
    drop(world);
    for instance in instances.into_iter().filter(|_| lost.is_none()) {
        call.endpoint.spawn(run::run(call.endpoint.clone(), command.clone(), instance));
    }
    Ok(serde_json::json!({"Command": command_json(&command)}))
}

/// Returns how the command ends if a fault keeps it from the agents. A real command would be lost after
/// `TimeoutSeconds`; this one is lost at once.
fn not_delivered(call: &Call<'_>) -> Option<InvocationStatus> {
    match call.fault {
        Some(CallFault::Undeliverable) => Some(InvocationStatus::Undeliverable),
        Some(CallFault::DeliveryTimedOut) => Some(InvocationStatus::DeliveryTimedOut),
        _ => None,
    }
}

fn receivers(call: &Call<'_>, world: &World, input: &Input) -> Result<Vec<String>, ApiError> {
    // Run Command may know a new instance later than DescribeInstanceInformation.
    let known_at = call.endpoint.settings().known_at();
    let takes = |instance: &Instance| {
        let known = instance.online_since.is_none_or(|since| since <= known_at);
        instance.scope == *call.scope && instance.online && known
    };
    let online = |id: &&String| world.instances.get(*id).is_some_and(takes);
    // Systems Manager has one code for an instance that does not exist, that is not online, and that it does not know
    // yet. A client cannot tell them apart, so a state that has just seen the agent retries.
    if let Some(id) = input.instance_ids.iter().find(|id| !online(id)) {
        let message = format!("Instances [[{id}]] not in a valid state for account {}", call.scope.account);
        return Err(ApiError::new("InvalidInstanceId", message));
    }
    let own = world.instances.values().filter(|instance| takes(instance));
    let targeted = own.filter(|instance| {
        !input.targets.is_empty()
            && input.targets.iter().all(|target| match target.key.strip_prefix("tag:") {
                Some(key) => instance.tags.get(key).is_some_and(|value| target.values.contains(value)),
                None => target.key.eq_ignore_ascii_case("InstanceIds") && target.values.contains(&instance.id),
            })
    });
    Ok(input.instance_ids.iter().cloned().chain(targeted.map(|instance| instance.id.clone())).collect())
}

fn command(call: &Call<'_>, input: Input, instances: &[String]) -> Result<Command, ApiError> {
    if input.document_name != DOCUMENT {
        return Err(ApiError::new(
            "InvalidDocument",
            format!("Document with name {} does not exist.", input.document_name),
        ));
    }
    if input.comment.chars().count() > COMMENT_LIMIT {
        let message = "1 validation error detected: Value at 'comment' failed to satisfy constraint: Member must have length less than or equal to 100";
        return Err(ApiError::new("ValidationException", message));
    }
    let first =
        |name: &str| input.parameters.get(name).and_then(|values| values.first()).filter(|text| !text.is_empty());
    let commands = input.parameters.get("commands").cloned().unwrap_or_default();
    if commands.is_empty() {
        return Err(ApiError::new("InvalidParameters", "Parameters: commands is required."));
    }
    let execution_timeout = match first("executionTimeout") {
        None => DEFAULT_EXECUTION_TIMEOUT,
        Some(text) => execution_timeout(text)?,
    };
    let log_group = input.cloud_watch_output_config.filter(|config| config.cloud_watch_output_enabled);
    Ok(Command {
        id: ids::uuid(),
        scope: call.scope.clone(),
        comment: input.comment.clone(),
        execution_timeout,
        delivery_timeout: input.timeout_seconds.unwrap_or(DEFAULT_DELIVERY_TIMEOUT),
        working_directory: first("workingDirectory").cloned().unwrap_or_else(|| DEFAULT_DIRECTORY.to_owned()),
        commands,
        requested_at: Timestamp::now(),
        log_group: log_group
            .map(|config| config.cloud_watch_log_group_name.unwrap_or_else(|| DEFAULT_LOG_GROUP.to_owned())),
        invocations: instances.iter().map(|id| (id.clone(), Invocation::new())).collect(),
    })
}

fn execution_timeout(text: &str) -> Result<u64, ApiError> {
    let wrong = || {
        ApiError::new(
            "InvalidParameters",
            format!("Parameter executionTimeout: {text} is not 1 to {LONGEST_EXECUTION}."),
        )
    };
    let seconds: u64 =
        text.parse().ok().filter(|seconds| (1..=LONGEST_EXECUTION).contains(seconds)).ok_or_else(wrong)?;
    // The service accepts the small value. The agent replaces it without a word.
    Ok(if seconds < SHORTEST_EXECUTION { DEFAULT_EXECUTION_TIMEOUT } else { seconds })
}
