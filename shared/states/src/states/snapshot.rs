//! Snapshot: cleans the build instance, stops it, makes the AMI, waits until the AMI is available, and terminates the
//! instance.
//!
//! This one state has several waits: each check does the first thing that is not done yet. Input: the instance of
//! Launch or LaunchAgain. Output: an `Image` effect, or a `RegisteredImage` effect if CreateImage cannot make the AMI as
//! the recipe wants it. Error: `CommandFailed` (from the clean-up), `ImageFailed`, `Timeout`.

mod register;

use async_trait::async_trait;
use goldsmith_cloud::{CloudError, Image, ImageState, InstanceState, Kind, NewImage};
use goldsmith_executor::WorkOrder;
use goldsmith_model::BootMode;
use goldsmith_store::{Effect, EffectKind, FailureCause, PlannedRegion};
use jiff::{SignedDuration, Timestamp};

use crate::engine::drive::{Progress, Scene, Waiting};
use crate::engine::effect::{Attempt, effect, made_id};
use crate::engine::pending::{Ends, Pending};
use crate::engine::undo;
use crate::error_names::ErrorName;
use crate::parts::builder;
use crate::parts::command::{self, CommandProgress};
use crate::parts::contents;
use crate::parts::image_tags::image_tags;
use crate::parts::passed::require_built;
use crate::states::launch::{devices, gone};
use crate::{Error, Result, State, TAG_BUILD};

/// Journal number of the clean-up command.
const CLEAN: u32 = 0;
/// Journal number of the AMI.
const IMAGE: u32 = 1;

/// How long the tags of a new image may stay invisible.
const TAGS_APPEAR: SignedDuration = SignedDuration::from_mins(5);

/// The state that this function runs.
pub(crate) struct MakeImage;

#[async_trait]
impl Waiting for MakeImage {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let (launched, instance) = builder::launched(scene).await?;
        let effects = scene.effects().await?;
        let made = |n: u32| effects.iter().find(|effect| effect.n == n);
        if let Some(Effect { id: Some(image), .. }) = made(IMAGE) {
            return watch(scene, image, &launched, &instance).await;
        }
        if let Some(Effect { id: Some(draft), .. }) = made(register::DRAFT) {
            return register::from_draft(scene, draft).await;
        }
        // The state waits for the instance only once it is clean, and the intent of the AMI is written only after the
        // instance has stopped. From then on, the command need not be looked at again.
        if scene.waits_for != instance
            && made(IMAGE).or(made(register::DRAFT)).is_none()
            && let CommandProgress::Running(pending) = clean(scene, &launched, &instance).await?
        {
            return Ok(Progress::Waiting(Pending { detail: format!("cleaning {instance}"), ..pending }));
        }
        if let Some(progress) = stop(scene, &instance).await? {
            return Ok(progress);
        }
        match scene.record.plan.registered {
            true => register::draft(scene, &instance).await,
            false => create(scene, &instance).await,
        }
    }
}

/// Cleans the instance. If EC2 takes a spot instance back before it is stopped, the build fails and says so: its state is
/// no longer the one that the documents have left.
async fn clean(scene: &Scene<'_>, launched: &Effect, instance: &str) -> Result<CommandProgress> {
    let execution = format!("{}/{}", scene.record.build, scene.scope.state);
    // Components ask in this directory for what the clean-up must keep.
    let working_directory = scene.record.plan.working_directory.clone().map(Into::into);
    // A test instance shows the contents of the image as it is. Without one, the build instance shows them once it is
    // clean.
    let is_tested = !scene.record.plan.tests.is_empty();
    let order = async || {
        require_built(scene.context, &scene.record, State::Snapshot).await?;
        let contents = if is_tested { None } else { Some(contents::order(scene, None).await?) };
        Ok(WorkOrder { working_directory, contents, ..WorkOrder::clean(execution) })
    };
    let looked = command::run(scene, CLEAN, instance, order).await;
    if let Some(found) = builder::taken_back(scene, launched, instance).await? {
        return Err(failed(scene, instance, gone(&found)));
    }
    looked
}

/// Stops the instance. Returns `None` once the instance is stopped. The stop is not in the journal: the launch is, and
/// terminating the instance undoes both.
async fn stop(scene: &Scene<'_>, instance: &str) -> Result<Option<Progress>> {
    let machines = &scene.context.cloud.machines;
    let pending = |detail: &str| {
        let detail = format!("{instance} {detail}");
        Some(Progress::Waiting(Pending::at_home(scene, instance, detail, Ends::WithEvent)))
    };
    let Some(found) = machines.instance(scene.home(), instance).await? else { return Ok(pending("is not visible")) };
    match found.state {
        // EC2 starts such an instance again when it likes.
        InstanceState::Stopping | InstanceState::Stopped if builder::was_taken_back(&found) => {
            Err(failed(scene, instance, gone(&found)))
        }
        InstanceState::Stopped => Ok(None),
        InstanceState::Stopping => Ok(pending("is stopping")),
        InstanceState::Pending => Ok(pending("is pending")),
        InstanceState::Running => {
            machines.stop(scene.home(), instance).await?;
            Ok(pending("is stopping"))
        }
        InstanceState::ShuttingDown | InstanceState::Terminated => Err(failed(scene, instance, gone(&found))),
    }
}

/// Makes the AMI. CreateImage has no client token. If the name is taken, the AMI with that name is this build's only if
/// it carries the build's tag and was made from the build's instance. An AMI that only has the tags may be a copy: it
/// would be published instead of the image that was built.
async fn create(scene: &Scene<'_>, instance: &str) -> Result<Progress> {
    let request = request(scene, instance)?;
    let intended = Effect::intended(&scene.scope, IMAGE, EffectKind::Image, scene.home(), &request.name);
    let made = effect(scene.context, &scene.record, intended, |attempt| create_or_adopt(scene, &request, attempt));
    Ok(is_pending(scene, made_id(made.await?)?))
}

pub(super) async fn create_or_adopt(scene: &Scene<'_>, request: &NewImage, attempt: Attempt) -> Result<String> {
    let made = scene.context.cloud.images.create(scene.home(), request).await;
    let is_ours = |image: &Image| image.source_instance.as_ref() == Some(&request.instance);
    adopt(scene, made, &request.name, attempt, is_ours).await
}

/// Returns the id of the AMI that a call has made. If its name is taken, the AMI with that name is this build's only if it
/// carries the build's tag and `is_ours` says so.
async fn adopt(
    scene: &Scene<'_>,
    made: goldsmith_cloud::Result<String>,
    name: &str,
    attempt: Attempt,
    is_ours: impl Fn(&Image) -> bool,
) -> Result<String> {
    let refused = match made {
        Err(error) if error.kind == Kind::Duplicate => error,
        other => return Ok(other?),
    };
    match scene.context.cloud.images.named(scene.home(), name).await? {
        Some(image) if is_of_this_build(scene, &image) && is_ours(&image) => Ok(image.id),
        // EC2 may show an image or its tags only some time after it was made, so ours may still become visible.
        None if attempt == Attempt::Again => Err(Error::Cloud(CloudError { kind: Kind::Unanswered, ..refused })),
        Some(young) if attempt == Attempt::Again && young.tags.is_empty() && is_young(scene, &young) => {
            Err(Error::Cloud(CloudError { kind: Kind::Unanswered, ..refused }))
        }
        Some(other) => {
            let message = format!("the AMI name `{name}` is taken by {}", other.id);
            Err(failed(scene, &other.id, message))
        }
        None => Err(refused.into()),
    }
}

fn is_of_this_build(scene: &Scene<'_>, image: &Image) -> bool {
    scene.context.config.owns(&image.tags) && image.tags.get(TAG_BUILD) == Some(&scene.record.build)
}

fn is_pending(scene: &Scene<'_>, image: String) -> Progress {
    let detail = format!("{image} is pending");
    Progress::Waiting(Pending::at_home(scene, image, detail, Ends::WithEvent))
}

fn is_young(scene: &Scene<'_>, image: &Image) -> bool {
    let made = image.created.parse::<Timestamp>();
    made.is_ok_and(|made| scene.context.clock.now().duration_since(made) < TAGS_APPEAR)
}

/// Waits for the AMI, and then terminates the build instance, which is no longer needed.
async fn watch(scene: &Scene<'_>, image: &str, launched: &Effect, instance: &str) -> Result<Progress> {
    let cloud = &scene.context.cloud;
    let pending = |detail| Progress::Waiting(Pending::at_home(scene, image, detail, Ends::WithEvent));
    let Some(found) = cloud.images.image(scene.home(), image).await? else {
        return Ok(pending(format!("{image} is not visible yet")));
    };
    match found.state {
        ImageState::Pending => Ok(pending(format!("{image} is pending"))),
        ImageState::Failed => Err(failed(scene, image, format!("{image} failed: {}", found.state_reason))),
        ImageState::Available => {
            register::settle(scene, &found).await?;
            undo::end_instance(scene.context, launched, instance).await?;
            Ok(Progress::Done(format!("{image} is available")))
        }
    }
}

/// Returns the plan of the home Region.
fn planned_at_home<'s>(scene: &'s Scene<'_>) -> Result<&'s PlannedRegion> {
    let planned = scene.record.plan.region(scene.home());
    planned.ok_or_else(|| Error::failed(ErrorName::ImageFailed, "the plan does not name the home Region"))
}

fn request(scene: &Scene<'_>, instance: &str) -> Result<NewImage> {
    let plan = &scene.record.plan;
    let planned = planned_at_home(scene)?;
    Ok(NewImage {
        name: planned.name.clone(),
        description: planned.description.clone(),
        instance: instance.to_owned(),
        uefi_only: plan.boot_mode == Some(BootMode::Uefi),
        tags: image_tags(scene, planned),
        // The stopped instance's own volumes are decisive: CreateImage accepts no key, and no encryption other than
        // theirs.
        block_devices: devices::of_image(&plan.launch),
    })
}

/// Returns the error for an image that cannot be made or signed, because of this resource in the home Region.
pub(super) fn failed(scene: &Scene<'_>, resource: &str, message: String) -> Error {
    let cause = FailureCause {
        message,
        region: Some(scene.home().to_owned()),
        resource: Some(resource.to_owned()),
        ..FailureCause::default()
    };
    Error::because(ErrorName::ImageFailed, cause)
}

#[cfg(test)]
mod tests;
