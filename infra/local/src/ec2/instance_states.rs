//! StartInstances, StopInstances, RebootInstances and TerminateInstances.

use super::call::{Call, Row};
use super::describe_instances::all_named;
use super::instance_item::state;
use super::run_instances::no_room;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Instance, InstanceState, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("StartInstances", start),
    ("StopInstances", stop),
    ("RebootInstances", reboot),
    ("TerminateInstances", terminate),
];

/// EC2's reason for a state that a call requested.
const BY_USER: &str = "Client.UserInitiatedShutdown";
const BY_USER_MESSAGE: &str = "Client.UserInitiatedShutdown: User initiated shutdown";

/// Instances, each with the state that it was in before the call.
type Before = Vec<(String, InstanceState)>;

/// Starts stopped instances. Starting a running instance changes nothing.
fn start(call: &Call<'_>) -> Result<Xml, ApiError> {
    // EC2 accepts a start of an instance that runs, and a stop of one that is stopped, without an effect. Clients rely
    // on this when they repeat a call whose answer was lost.
    let startable = |state| matches!(state, InstanceState::Stopped | InstanceState::Running | InstanceState::Pending);
    call.endpoint.expire_spot_requests();
    let before = allowed(call, "started", |one| startable(one.state()), may_start)?;
    let stopped = before.iter().filter(|(_, state)| *state == InstanceState::Stopped).count();
    if call.endpoint.room(&call.endpoint.world(), stopped) < stopped {
        return Err(no_room());
    }
    // The lock is free here, so another call may change an instance first. The transition checks its state again.
    before.iter().for_each(|(id, _)| call.endpoint.clone().start(id));
    changes(call, &before)
}

/// Stops running instances. Stopping a stopped instance changes nothing.
fn stop(call: &Call<'_>) -> Result<Xml, ApiError> {
    let stoppable = |state| matches!(state, InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped);
    call.endpoint.expire_spot_requests();
    let before = allowed(call, "stopped", |one| stoppable(one.state()), may_stop)?;
    before.iter().for_each(|(id, _)| call.endpoint.clone().stop(id, BY_USER, BY_USER_MESSAGE));
    changes(call, &before)
}

/// Reboots running instances. EC2 shows no change of state for a reboot.
fn reboot(call: &Call<'_>) -> Result<Xml, ApiError> {
    let before = allowed(call, "rebooted", |one| one.state() == InstanceState::Running, |_, _| Ok(()))?;
    for (id, _) in before {
        let endpoint = call.endpoint.clone();
        // RebootInstances only queues a request: it returns before the instance goes down (EC2 API reference,
        // RebootInstances).
        call.endpoint.spawn(async move { endpoint.reboot(&id).await });
    }
    Ok(Xml::done())
}

/// Terminates instances in any state. Terminating a terminated instance changes nothing.
fn terminate(call: &Call<'_>) -> Result<Xml, ApiError> {
    let before = allowed(call, "terminated", |_| true, |_, one| may(one, "terminated", one.keep_from_terminate))?;
    before.iter().for_each(|(id, _)| call.endpoint.clone().end(id, BY_USER, BY_USER_MESSAGE));
    changes(call, &before)
}

/// Checks that a spot instance may be started: only a person who has stopped it may, and its request must still be
/// there. EC2 itself starts what it has interrupted (EC2 user guide, "Start a Spot Instance").
fn may_start(world: &World, instance: &Instance) -> Result<(), ApiError> {
    let request = world.spot_request_of(&instance.id);
    let is_by_user = request.is_none_or(|one| one.is_live() && one.status == "instance-stopped-by-user");
    if instance.state() == InstanceState::Stopped && !is_by_user {
        return Err(wrong_request(&instance.id, "start"));
    }
    Ok(())
}

fn wrong_request(id: &str, what: &str) -> ApiError {
    let message = format!(
        "You can't {what} the Spot Instance '{id}' because the associated Spot Instance request is not in an appropriate \
         state to support {what}."
    );
    ApiError::new("IncorrectSpotRequestState", message)
}

/// Checks that the instance may be stopped. A spot instance may be stopped only if its request is persistent and was not
/// cancelled (EC2 user guide, "Stop a Spot Instance").
fn may_stop(world: &World, instance: &Instance) -> Result<(), ApiError> {
    let request = world.spot_request_of(&instance.id).filter(|request| request.persistent);
    if request.is_some_and(|request| !request.is_live()) && instance.state() == InstanceState::Running {
        return Err(wrong_request(&instance.id, "stop"));
    }
    if instance.spot && request.is_none() {
        let message = format!(
            "You can't stop the Spot Instance '{}' because it is associated with a one-time Spot Instance request. You can \
             only stop Spot Instances associated with persistent Spot Instance requests.",
            instance.id
        );
        return Err(ApiError::new("UnsupportedOperation", message));
    }
    may(instance, "stopped", instance.keep_from_stop)
}

/// Checks that the instance's protection allows the operation.
fn may(instance: &Instance, done: &str, protected: bool) -> Result<(), ApiError> {
    if !protected {
        return Ok(());
    }
    let attribute = if done == "stopped" { "disableApiStop" } else { "disableApiTermination" };
    let message = format!(
        "The instance '{}' may not be {done}. Modify its '{attribute}' instance attribute and try again.",
        instance.id
    );
    Err(ApiError::new("OperationNotPermitted", message))
}

/// Returns the instances of the call if all of them are allowed, otherwise an error.
fn allowed(
    call: &Call<'_>,
    done: &str,
    in_state: impl Fn(&Instance) -> bool,
    protection: impl Fn(&World, &Instance) -> Result<(), ApiError>,
) -> Result<Before, ApiError> {
    let ids = call.params.list("InstanceId");
    if ids.is_empty() {
        return Err(ApiError::new("InvalidParameterCombination", "No instances specified"));
    }
    let world = call.endpoint.world();
    let mut before = Before::new();
    // One instance that is in a wrong state or protected fails the whole call, and none changes (EC2 API reference,
    // TerminateInstances, for instances of one Availability Zone).
    for instance in all_named(call, &world, &ids)? {
        let id = &instance.id;
        if !in_state(instance) {
            let state = instance.state().name();
            let message = format!("The instance '{id}' is not in a state from which it can be {done}: {state}");
            return Err(ApiError::new("IncorrectInstanceState", message));
        }
        protection(&world, instance)?;
        before.push((id.clone(), instance.state()));
    }
    call.check_dry_run()?;
    Ok(before)
}

fn changes(call: &Call<'_>, before: &[(String, InstanceState)]) -> Result<Xml, ApiError> {
    let mut xml = Xml::new();
    xml.items("instancesSet", before, |xml, (id, previous)| {
        xml.text("instanceId", id);
        // With `--delays instant`, the instance may already be further than a real one could be at the time of the
        // answer.
        state(xml, "currentState", call.endpoint.state_of(id).unwrap_or(InstanceState::Terminated));
        state(xml, "previousState", *previous);
    });
    Ok(xml)
}
