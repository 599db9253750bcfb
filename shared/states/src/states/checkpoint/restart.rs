//! Starts the build instance again after its checkpoint.

use goldsmith_cloud::{CloudError, Instance, InstanceState, Kind};
use jiff::{SignedDuration, Timestamp};

use super::{pending, waited};
use crate::Result;
use crate::engine::drive::{Progress, Scene};
use crate::engine::pending::Ends;
use crate::parts::builder::interrupted;
use crate::states::launch::{gone, is_silent, until_online};

/// Time from the beginning of the state in which it tries to start the instance again. The stop and the AMI have taken at
/// most 15 minutes of it. After that, a launch may find room that this instance, which has one type in one subnet, does not.
const LONGEST: SignedDuration = SignedDuration::from_mins(45);
/// EC2's code while the request of a spot instance does not show the stop of its instance yet.
const REQUEST_LAGS: &str = "IncorrectSpotRequestState";

/// Starts the instance, and waits until its agent is online again. `outcome` says what became of the AMI.
///
/// # Errors
/// Fails with `Interrupted` if the instance does not come back.
pub(super) async fn restart(scene: &Scene<'_>, instance: &Instance, outcome: &str) -> Result<Progress> {
    let id = &instance.id;
    match instance.state {
        InstanceState::Stopped if has_failed(instance) => {
            Err(interrupted(scene, id, &format!("{id} did not start again: {}", instance.state_reason)))
        }
        InstanceState::Stopped => match scene.context.cloud.machines.start(scene.home(), id).await {
            Ok(()) => Ok(pending(scene, id, "is starting again", Ends::WithEvent)),
            Err(error) => refused(scene, instance, error),
        },
        InstanceState::Stopping => Ok(pending(scene, id, "is stopping", Ends::WithEvent)),
        InstanceState::Pending => Ok(pending(scene, id, "is starting again", Ends::WithEvent)),
        InstanceState::Running if !was_started(scene, instance) => {
            Ok(pending(scene, id, "was stopped; EC2 does not show it yet", Ends::Soon))
        }
        InstanceState::Running => {
            // Systems Manager still counts an agent as online that was shut down with its machine.
            let ping = scene.context.cloud.commands.ping(scene.home(), id).await?;
            if ping.is_online_since(instance.launched) {
                Ok(Progress::Done(format!("{outcome}; {id} is online again")))
            } else if is_silent(scene, instance) {
                let why = format!("{id} runs again, but its SSM agent does not register with Systems Manager");
                Err(interrupted(scene, id, &why))
            } else {
                let detail = "is running again; its SSM agent is not online yet";
                Ok(pending(scene, id, detail, until_online(scene, instance)))
            }
        }
        InstanceState::ShuttingDown | InstanceState::Terminated => Err(interrupted(scene, id, &gone(instance))),
    }
}

/// Returns whether EC2 has accepted a start and then stopped the instance again: it has no capacity, or the role may not use
/// the key of a volume. If a person or the machine itself stops an instance, EC2 gives another reason (EC2 API reference,
/// StateReason).
fn has_failed(instance: &Instance) -> bool {
    let by_somebody = ["Client.UserInitiatedShutdown", "Client.InstanceInitiatedShutdown"];
    !instance.state_reason.is_empty() && !by_somebody.iter().any(|code| instance.state_reason.starts_with(code))
}

/// Returns whether EC2 shows the instance as it is after its start, and not as it was before its stop.
fn was_started(scene: &Scene<'_>, instance: &Instance) -> bool {
    // EC2 gives whole seconds.
    let is_later = |launched: Timestamp, began: Timestamp| launched + SignedDuration::from_secs(1) > began;
    match (instance.launched, scene.began) {
        (Some(launched), Some(began)) => is_later(launched, began),
        _ => true,
    }
}

/// Waits if EC2 may start the instance later, and returns `Interrupted` otherwise. Another build may have taken its place in
/// the quota of vCPUs, and a spot request allows a start only some time after the stop of its instance.
fn refused(scene: &Scene<'_>, instance: &Instance, error: CloudError) -> Result<Progress> {
    let passes = matches!(error.kind, Kind::Capacity | Kind::WrongState) || error.code == REQUEST_LAGS;
    let (id, is_early) = (&instance.id, waited(scene) < LONGEST);
    if passes && is_early {
        return Ok(pending(scene, id, &format!("cannot start again yet: {}", error.code), Ends::Later));
    }
    if is_early && (error.is_transient() || error.may_settle()) {
        return Err(error.into());
    }
    Err(interrupted(scene, id, &format!("EC2 does not start {id} again: {error}")))
}
