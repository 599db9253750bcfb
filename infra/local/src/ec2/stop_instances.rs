//! StopInstances and TerminateInstances.

use super::Call;
use super::describe_instances::state;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::InstanceState;

/// Stops running instances; stopping a stopped one changes nothing.
pub(super) fn stop(call: &Call<'_>) -> Result<Xml, ApiError> {
    let before = states(call)?;
    let stoppable = |state| matches!(state, InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped);
    if let Some((id, state)) = before.iter().find(|(_, state)| !stoppable(*state)) {
        let message = format!("The instance '{id}' is not in a state from which it can be stopped: {}", state.name());
        return Err(ApiError::new("IncorrectInstanceState", message));
    }
    before.iter().for_each(|(id, _)| call.endpoint.clone().stop(id));
    changes(call, &before)
}

/// Terminates instances in any state; terminating a terminated one changes nothing.
pub(super) fn terminate(call: &Call<'_>) -> Result<Xml, ApiError> {
    let before = states(call)?;
    for (id, _) in &before {
        call.endpoint.clone().end(
            id,
            "Client.UserInitiatedShutdown",
            "Client.UserInitiatedShutdown: User initiated shutdown",
        );
    }
    changes(call, &before)
}

fn states(call: &Call<'_>) -> Result<Vec<(String, InstanceState)>, ApiError> {
    call.params.require("InstanceId.1")?;
    let world = call.endpoint.world();
    let ids = call.params.list("InstanceId");
    let found: Result<Vec<_>, _> = ids
        .into_iter()
        .map(|id| world.instance(call.scope, &id).map(|instance| (id.clone(), instance.state())))
        .collect();
    let found = found?;
    call.check_dry_run()?;
    Ok(found)
}

fn changes(call: &Call<'_>, before: &[(String, InstanceState)]) -> Result<Xml, ApiError> {
    let mut xml = Xml::new();
    xml.items("instancesSet", before, |xml, (id, previous)| {
        xml.text("instanceId", id);
        state(xml, "currentState", call.endpoint.state_of(id).unwrap_or(InstanceState::Terminated));
        state(xml, "previousState", *previous);
    });
    Ok(xml)
}
