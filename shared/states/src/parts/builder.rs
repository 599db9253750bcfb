//! The build instance: which state has launched it, whether it is a spot instance, and whether EC2 has taken it back.

use goldsmith_cloud::{Instance, InstanceState};
use goldsmith_store::{Effect, EffectKind, FailureCause, Scope};

use crate::engine::drive::Scene;
use crate::error_names::ErrorName;
use crate::{Error, Result, State};

/// Returns the launch of the instance on which this build runs now: that of LaunchAgain, or else the last one of Launch.
///
/// # Errors
/// Fails if a call to the table fails, and with `Goldsmith.Internal` if no instance was launched.
pub(crate) async fn launched(scene: &Scene<'_>) -> Result<(Effect, String)> {
    for state in [State::LaunchAgain, State::Launch] {
        if let Some(found) = launched_by(scene, state).await? {
            return Ok(found);
        }
    }
    Err(Error::internal("no state has recorded a build instance"))
}

/// Returns the instance of Launch, on which the build runs unless it has started again.
///
/// # Errors
/// Fails if a call to the table fails, and with `Goldsmith.Internal` if Launch has recorded no instance.
pub(crate) async fn launched_first(scene: &Scene<'_>) -> Result<(Effect, String)> {
    let found = launched_by(scene, State::Launch).await?;
    found.ok_or_else(|| Error::internal("Launch has recorded no instance"))
}

/// Returns the last instance that a state has launched and that is not lost, or `None` if there is none.
///
/// # Errors
/// Fails if a call to the table fails.
pub(crate) async fn launched_by(scene: &Scene<'_>, state: State) -> Result<Option<(Effect, String)>> {
    scene.last_made(&Scope::from(state), EffectKind::is_instance).await
}

/// Returns whether an instance has a persistent spot request.
pub(crate) fn has_request(launched: &Effect) -> bool {
    matches!(launched.kind, EffectKind::Instance { has_request: true, .. })
}

/// Returns the build's spot instance if EC2 has taken it back, and `None` otherwise.
///
/// # Errors
/// Fails if a call to AWS fails.
pub(crate) async fn taken_back(scene: &Scene<'_>, launched: &Effect, id: &str) -> Result<Option<Instance>> {
    if !has_request(launched) {
        return Ok(None);
    }
    let found = scene.context.cloud.machines.instance(scene.home(), id).await?;
    Ok(found.filter(was_taken_back))
}

/// Returns whether EC2 has taken back a spot instance (EC2 API reference, StateReason: `Server.SpotInstanceTermination`
/// and `Server.SpotInstanceShutdown`).
pub(crate) fn was_taken_back(instance: &Instance) -> bool {
    let is_up = matches!(instance.state, InstanceState::Pending | InstanceState::Running);
    !is_up && instance.state_reason.contains("Server.SpotInstance")
}

/// Describes in words for people that EC2 has taken a spot instance back.
pub(crate) fn reclaimed(instance: &Instance) -> String {
    format!("{} was interrupted: EC2 has reclaimed this spot instance ({})", instance.id, instance.state_reason)
}

/// Returns the error after which the definition starts the build again on demand, on another instance. What the documents
/// have done so far is lost: a result that mixes two instances proves nothing.
pub(crate) fn interrupted(scene: &Scene<'_>, instance: &str, why: &str) -> Error {
    let cause = FailureCause {
        message: format!("{why}; the build starts again on demand"),
        region: Some(scene.home().to_owned()),
        resource: Some(instance.to_owned()),
        ..Error::failed(ErrorName::Interrupted, "").cause(&scene.scope)
    };
    Error::because(ErrorName::Interrupted, cause)
}
