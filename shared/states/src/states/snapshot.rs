//! Snapshot: cleans the build instance, stops it, makes the AMI, waits until the AMI is available, and terminates the
//! instance.
//!
//! This one state has several waits: each check does the first thing that is not done yet. Input: the instance of
//! Launch. Output: an `Image` effect. Error: `CommandFailed` (from the clean-up), `ImageFailed`, `Timeout`.

use async_trait::async_trait;
use goldsmith_cloud::{CloudError, Image, ImageState, InstanceState, Kind, NewImage};
use goldsmith_executor::WorkOrder;
use goldsmith_model::BootMode;
use goldsmith_store::{Effect, EffectKind, FailureCause};
use jiff::{SignedDuration, Timestamp};

use crate::engine::drive::{Pending, Progress, Scene, Waiting};
use crate::engine::effect::{Attempt, effect, made_id};
use crate::error_names::ErrorName;
use crate::parts::command::{self, CommandProgress};
use crate::parts::status;
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
        let instance = scene.made_by(State::Launch, None, EffectKind::is_instance).await?;
        let made = scene.effects().await?.into_iter().find(|effect| effect.n == IMAGE);
        if let Some(Effect { id: Some(image), .. }) = &made {
            return watch(scene, image, &instance).await;
        }
        // The intent of the AMI is written only after the instance has stopped. From then on, the command need not be
        // looked at again.
        if made.is_none()
            && let CommandProgress::Running(pending) = clean(scene, &instance).await?
        {
            return Ok(Progress::Waiting(Pending { detail: format!("cleaning {instance}"), ..pending }));
        }
        if let Some(progress) = stop(scene, &instance).await? {
            return Ok(progress);
        }
        create(scene, &instance).await
    }
}

async fn clean(scene: &Scene<'_>, instance: &str) -> Result<CommandProgress> {
    let execution = format!("{}/{}", scene.record.build, scene.scope.state);
    // Components ask in this directory for what the clean-up must keep.
    let working_directory = scene.record.plan.working_directory.clone().map(Into::into);
    command::run(scene, CLEAN, instance, async || Ok(WorkOrder { working_directory, ..WorkOrder::clean(execution) }))
        .await
}

/// Stops the instance. Returns `None` once the instance is stopped. The stop is not in the journal: the launch is, and
/// terminating the instance undoes both.
async fn stop(scene: &Scene<'_>, instance: &str) -> Result<Option<Progress>> {
    let machines = &scene.context.cloud.machines;
    let pending = |detail: &str| {
        let detail = format!("{instance} {detail}");
        Some(Progress::Waiting(Pending { resource: instance.to_owned(), region: scene.home().to_owned(), detail }))
    };
    let Some(found) = machines.instance(scene.home(), instance).await? else { return Ok(pending("is not visible")) };
    match found.state {
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
    let image = made_id(made.await?)?;
    let detail = format!("{image} is pending");
    Ok(Progress::Waiting(Pending { resource: image, region: scene.home().to_owned(), detail }))
}

async fn create_or_adopt(scene: &Scene<'_>, request: &NewImage, attempt: Attempt) -> Result<String> {
    let images = &scene.context.cloud.images;
    let refused = match images.create(scene.home(), request).await {
        Err(error) if error.kind == Kind::Duplicate => error,
        other => return Ok(other?),
    };
    match images.named(scene.home(), &request.name).await? {
        Some(image) if is_of_this_build(scene, request, &image) => Ok(image.id),
        // EC2 may show an image or its tags only some time after it was made, so ours may still become visible.
        None if attempt == Attempt::Again => Err(Error::Cloud(CloudError { kind: Kind::Unanswered, ..refused })),
        Some(young) if attempt == Attempt::Again && young.tags.is_empty() && is_young(scene, &young) => {
            Err(Error::Cloud(CloudError { kind: Kind::Unanswered, ..refused }))
        }
        Some(other) => {
            let message = format!("the AMI name `{}` is taken by {}", request.name, other.id);
            Err(failed(scene, &other.id, message))
        }
        None => Err(refused.into()),
    }
}

fn is_of_this_build(scene: &Scene<'_>, request: &NewImage, image: &Image) -> bool {
    let is_tagged = scene.context.config.owns(&image.tags) && image.tags.get(TAG_BUILD) == Some(&scene.record.build);
    is_tagged && image.source_instance.as_ref() == Some(&request.instance)
}

fn is_young(scene: &Scene<'_>, image: &Image) -> bool {
    let made = image.created.parse::<Timestamp>();
    made.is_ok_and(|made| scene.context.clock.now().duration_since(made) < TAGS_APPEAR)
}

/// Waits for the AMI, and then terminates the build instance, which is no longer needed.
async fn watch(scene: &Scene<'_>, image: &str, instance: &str) -> Result<Progress> {
    let cloud = &scene.context.cloud;
    let pending = |detail: String| {
        Progress::Waiting(Pending { resource: image.to_owned(), region: scene.home().to_owned(), detail })
    };
    let Some(found) = cloud.images.image(scene.home(), image).await? else {
        return Ok(pending(format!("{image} is not visible yet")));
    };
    match found.state {
        ImageState::Pending => Ok(pending(format!("{image} is pending"))),
        ImageState::Failed => Err(failed(scene, image, format!("{image} failed: {}", found.state_reason))),
        ImageState::Available => {
            cloud.machines.terminate(scene.home(), instance).await?;
            Ok(Progress::Done(format!("{image} is available")))
        }
    }
}

fn request(scene: &Scene<'_>, instance: &str) -> Result<NewImage> {
    let plan = &scene.record.plan;
    let planned = plan
        .region(scene.home())
        .ok_or_else(|| Error::failed(ErrorName::ImageFailed, "the plan does not name the home Region"))?;
    let mut tags = planned.tags.clone();
    // These tags replace the user's tags of the same keys: Finish and the sweep find the AMI only by them.
    tags.extend(scene.context.tags(&scene.record));
    tags.extend(status::of_new(&scene.record));
    tags.entry("Name".to_owned()).or_insert_with(|| planned.name.clone());
    Ok(NewImage {
        name: planned.name.clone(),
        description: planned.description.clone(),
        instance: instance.to_owned(),
        uefi_only: plan.boot_mode == Some(BootMode::Uefi),
        tags,
        // The stopped instance's own volumes are decisive: CreateImage accepts no key, and no encryption other than
        // theirs.
        block_devices: devices::of_image(&plan.launch),
    })
}

fn failed(scene: &Scene<'_>, resource: &str, message: String) -> Error {
    let cause = FailureCause {
        message,
        region: Some(scene.home().to_owned()),
        resource: Some(resource.to_owned()),
        ..FailureCause::default()
    };
    Error::because(ErrorName::ImageFailed, cause)
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_model::definitions::Definitions;
    use goldsmith_model::{BootMode, ImageRecipe};

    use crate::State;
    use crate::testing::{Stack, Task, check_state, reach, reach_on};

    #[tokio::test]
    async fn an_image_waits_until_its_snapshots_may_be_made_and_is_made_once() {
        let task = Task::new(State::Snapshot);
        let stack = reach(&task).await;
        // More than one function looks for.
        for _ in 0..100 {
            stack.cloud.fail_next("CreateImage", Fault::Refuse(Kind::Throttled));
        }
        stack.run(&task).await.unwrap();
        let tried = stack.cloud.effects().iter().filter(|effect| effect.name == "CreateImage").count();
        assert_eq!((tried, stack.inventory().region(HOME).images.len()), (101, 1));
    }

    #[tokio::test]
    async fn an_image_with_only_the_builds_name_and_tags_is_not_taken_as_its_own() {
        let task = Task::new(State::Snapshot);
        let stack = reach(&task).await;
        let record = stack.record().await;
        let name = record.plan.region(HOME).unwrap().name.clone();
        let planted = stack.cloud.add_image(HOME, "self", &name);
        let tags = stack.context().tags(&record);
        stack.cloud.edit_image(HOME, &planted, |image| image.tags = tags);
        let error = stack.run(&task).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.ImageFailed");
        assert!(error.cause.contains(&format!("is taken by {planted}")), "{}", error.cause);
    }

    #[tokio::test]
    async fn an_image_boots_as_its_source_unless_the_recipe_wants_uefi_only() {
        for boot_mode in [None, Some(BootMode::Uefi)] {
            let stack = Stack::new().await;
            let recipe = stack.store().best_recipe(&"web".parse().unwrap(), "x.x.x".parse().unwrap()).await;
            let recipe = ImageRecipe { version: "1.0.1".parse().unwrap(), boot_mode, ..recipe.unwrap().unwrap() };
            let definitions = Definitions { recipes: vec![recipe], ..Definitions::default() };
            stack.store().apply(&definitions).await.unwrap();
            let stack = reach_on(stack, &Task::new(State::Snapshot)).await;
            stack.run(&Task::new(State::Snapshot)).await.unwrap();
            let made = stack.cloud.requests().images;
            assert_eq!(made.iter().map(|(_, image)| image.uefi_only).collect::<Vec<_>>(), [boot_mode.is_some()]);
        }
    }

    #[tokio::test]
    async fn snapshot_survives_every_fault() {
        check_state(
            Task::new(State::Snapshot),
            &["PutObject", "SendCommand", "StopInstances", "CreateImage", "TerminateInstances", "SendTaskSuccess"],
        )
        .await;
    }
}
