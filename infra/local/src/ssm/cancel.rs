//! CancelCommand.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::Call;
use crate::api::ApiError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    command_id: String,
    #[serde(default)]
    instance_ids: Vec<String>,
}

/// Requests the end of a command; the task that runs the command ends it. A command that has ended already stays as it
/// is.
pub(super) fn cancel(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: Input = call.input()?;
    let mut world = call.endpoint.world();
    let command = world.commands.get_mut(&input.command_id).filter(|command| command.scope == *call.scope);
    let command = command.ok_or_else(|| ApiError::new("InvalidCommandId", "The command ID does not exist."))?;
    let asked = |id: &String| input.instance_ids.is_empty() || input.instance_ids.contains(id);
    for (_, invocation) in command.invocations.iter_mut().filter(|(id, _)| asked(id)) {
        // CancelCommand is a request: AWS does not promise that a script ends (Systems Manager API reference,
        // CancelCommand).
        invocation.cancel = true;
    }
    Ok(json!({}))
}
