//! Checkpoint: stops the build instance after the first components, makes an AMI of it, and starts it again.
//!
//! Input: the instance of Launch. Output: a `Checkpoint` effect, and the checkpoint of the pipeline. Error: `Interrupted`
//! if the instance does not come back, `ImageFailed` if it ended before it was stopped, `Timeout`.
//!
//! A checkpoint is only a shortcut for later builds. So if EC2 does not make the AMI, the build continues without it, and if
//! the instance does not start again, the build starts again on another one.

mod restart;

use async_trait::async_trait;
use goldsmith_cloud::{Image, ImageState, Instance, InstanceState, NewImage};
use goldsmith_store::{CheckpointRecord, Effect, EffectKind, PlannedCheckpoint, stamp};
use jiff::SignedDuration;

use super::launch::{devices, gone};
use super::snapshot::{create_or_adopt, failed};
use crate::engine::drive::{Progress, Scene, Waiting};
use crate::engine::effect::effect;
use crate::engine::pending::{Ends, Pending};
use crate::parts::passed::require_built;
use crate::parts::token::token;
use crate::parts::{builder, command, status};
use crate::{Error, Result, State, TAG_BUILD};
use restart::restart;

/// Journal number of the AMI.
const IMAGE: u32 = 0;

/// How long the state waits for the AMI before the build continues without it.
const LONGEST_WITHOUT_IMAGE: SignedDuration = SignedDuration::from_mins(15);
/// Time from the beginning of the state in which the snapshots usually begin.
const USUALLY_BEGUN: SignedDuration = SignedDuration::from_mins(3);

/// The state that this function runs.
pub(crate) struct MakeCheckpoint;

#[async_trait]
impl Waiting for MakeCheckpoint {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let planned = scene.record.plan.makes_checkpoint();
        let planned = planned.ok_or_else(|| Error::internal("the plan of this build has no checkpoint to make"))?;
        let (_, id) = builder::launched_first(scene).await?;
        let Some(instance) = scene.context.cloud.machines.instance(scene.home(), &id).await? else {
            return Ok(pending(scene, &id, "is not visible yet", Ends::WithEvent));
        };
        if builder::was_taken_back(&instance) {
            return Err(builder::interrupted(scene, &id, &builder::reclaimed(&instance)));
        }
        let effects = scene.effects().await?;
        match effects.iter().find(|effect| effect.n == IMAGE) {
            Some(Effect { id: Some(image), .. }) => with_image(scene, planned, image, &instance).await,
            Some(Effect { refused: Some(code), .. }) => restart(scene, &instance, &without(code)).await,
            // The intent is written while the instance is stopped. If the instance runs again, the state has given the AMI
            // up, and Finish removes it if there is one.
            Some(_) if instance.state != InstanceState::Stopped => {
                restart(scene, &instance, &without("EC2 has made no AMI")).await
            }
            _ => stop(scene, &instance).await,
        }
    }
}

/// Stops the instance, and makes the AMI once it is stopped: only then are its disks at rest.
async fn stop(scene: &Scene<'_>, instance: &Instance) -> Result<Progress> {
    // Somebody else may have stopped the instance while components ran.
    require_built(scene.context, &scene.record, State::Checkpoint).await?;
    match instance.state {
        InstanceState::Running => {
            scene.context.cloud.machines.stop(scene.home(), &instance.id).await?;
            Ok(pending(scene, &instance.id, "is stopping", Ends::WithEvent))
        }
        InstanceState::Stopping => Ok(pending(scene, &instance.id, "is stopping", Ends::WithEvent)),
        InstanceState::Pending => Ok(pending(scene, &instance.id, "is pending", Ends::WithEvent)),
        InstanceState::Stopped => create(scene, instance).await,
        InstanceState::ShuttingDown | InstanceState::Terminated => Err(failed(scene, &instance.id, gone(instance))),
    }
}

async fn create(scene: &Scene<'_>, instance: &Instance) -> Result<Progress> {
    let request = request(scene, instance);
    let intended = Effect::intended(&scene.scope, IMAGE, EffectKind::Checkpoint, scene.home(), &request.name);
    let made = effect(scene.context, &scene.record, intended, |attempt| create_or_adopt(scene, &request, attempt));
    let error = match made.await {
        Ok(made) => {
            let image = made.id.unwrap_or_default();
            return Ok(pending(scene, &instance.id, &until_begun(&image), Ends::Soon));
        }
        Err(error @ (Error::Cloud(_) | Error::Failed { .. })) => error,
        Err(other) => return Err(other),
    };
    let passes = error.is_transient() || error.may_settle();
    if passes && waited(scene) < LONGEST_WITHOUT_IMAGE {
        return Err(error);
    }
    tracing::warn!(build = scene.record.build, %error, "the build continues without its checkpoint");
    restart(scene, instance, &without(&error.to_string())).await
}

fn request(scene: &Scene<'_>, instance: &Instance) -> NewImage {
    let record = &scene.record;
    // Builds of two stacks may have the same id, and the name of an AMI occurs once in an account and Region.
    let own: String = token(&[&record.execution]).chars().take(8).collect();
    let name = format!("goldsmith checkpoint {} {own}", record.build);
    let mut tags = scene.context.tags(record);
    tags.extend(status::of_checkpoint());
    tags.entry("Name".to_owned()).or_insert_with(|| name.clone());
    NewImage {
        description: format!("Checkpoint of {}, for the next builds of {}", record.image, record.pipeline),
        name,
        instance: instance.id.clone(),
        uefi_only: false,
        tags,
        block_devices: devices::of_image(&record.plan.launch),
    }
}

/// Waits until EC2 has begun the snapshots of all volumes, and starts the instance. A snapshot has the blocks that the
/// volume had when it began (EBS user guide, "Create EBS snapshots"), so the rest of the build does not wait for its end.
async fn with_image(scene: &Scene<'_>, planned: &PlannedCheckpoint, id: &str, instance: &Instance) -> Result<Progress> {
    match scene.context.cloud.images.image(scene.home(), id).await? {
        Some(image) if image.state == ImageState::Failed => {
            restart(scene, instance, &without(&image.state_reason)).await
        }
        Some(image) if has_begun(scene, &image, instance).await? => {
            note(scene, planned, id).await?;
            restart(scene, instance, &format!("the checkpoint is {id}")).await
        }
        _ => {
            let waited = waited(scene);
            // The AMI is not in the record of the pipeline, so Finish removes it.
            if waited >= LONGEST_WITHOUT_IMAGE {
                return restart(scene, instance, &without(&format!("EC2 shows no snapshots of {id}"))).await;
            }
            // EC2 sends no event when a snapshot begins, and a function that looks every second costs money.
            let ends = if waited < USUALLY_BEGUN { Ends::Soon } else { Ends::Later };
            Ok(pending(scene, &instance.id, &until_begun(id), ends))
        }
    }
}

/// Returns whether EC2 has begun a snapshot of each volume. EC2 does not say when CreateImage begins them. It shows their
/// ids among the devices of the image, and the snapshots themselves with the time of their beginning.
async fn has_begun(scene: &Scene<'_>, image: &Image, instance: &Instance) -> Result<bool> {
    if image.state == ImageState::Available {
        return Ok(true);
    }
    if image.snapshots.is_empty() || image.snapshots.len() < instance.volumes.len() {
        return Ok(false);
    }
    let build = &scene.record.build;
    let seen = match scene.context.cloud.images.snapshots_tagged(scene.home(), TAG_BUILD, build).await {
        Err(error) if !error.is_transient() => {
            tracing::warn!(build, %error, "nothing says whether the snapshots of the checkpoint have begun");
            return Ok(false);
        }
        seen => seen?,
    };
    let begun = |id: &String| seen.iter().any(|snapshot| snapshot.id == *id && snapshot.started.is_some());
    Ok(image.snapshots.iter().all(begun))
}

/// Records the checkpoint, so that Plan finds it and nothing removes its AMI.
async fn note(scene: &Scene<'_>, planned: &PlannedCheckpoint, image: &str) -> Result<()> {
    let store = &scene.context.store;
    if store.checkpoint(&scene.record.pipeline).await?.is_some_and(|last| last.image == image) {
        return Ok(());
    }
    let checkpoint = CheckpointRecord {
        digest: planned.digest.clone(),
        agent: command::agent_digest(&scene.context.config, &scene.record.plan.architecture)?,
        image: image.to_owned(),
        build: scene.record.build.clone(),
        created_at: stamp(scene.context.clock.now()),
    };
    if store.note_checkpoint(&scene.record, &checkpoint).await? { Ok(()) } else { Err(Error::Closed) }
}

/// Returns how long ago this state began.
fn waited(scene: &Scene<'_>) -> SignedDuration {
    let now = scene.context.clock.now();
    scene.began.map_or(SignedDuration::ZERO, |began| now.duration_since(began))
}

fn until_begun(image: &str) -> String {
    format!("waits until EC2 has begun the snapshots of {image}")
}

fn without(reason: &str) -> String {
    format!("there is no checkpoint: {reason}")
}

fn pending(scene: &Scene<'_>, instance: &str, detail: &str, ends: Ends) -> Progress {
    Progress::Waiting(Pending::at_home(scene, instance, format!("{instance} {detail}"), ends))
}

#[cfg(test)]
mod spot_builds;
#[cfg(test)]
mod tests;
