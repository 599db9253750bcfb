//! DistributeRegion: brings the image to one Region, tags it, marks it for IMDSv2, associates it with its licenses, and
//! shares it. Then other accounts get their own copies of it there, and finally EC2 exports it to S3.
//!
//! Input: the AMI of Snapshot, or that of the image that the run distributes, and a Region of the plan. Output: an
//! `Image` effect, or none in the home Region, where the AMI already is, a `TargetImage` effect for each of these
//! accounts, and an `Export` effect. Error: `CopyFailed`, `Timeout`. The item of the Map catches the error, and Publish
//! decides what it means for the build.
//!
//! [`begin`](fn@begin) is the state BeginCopies, which only asks for the copies.

mod accounts;
mod begin;
mod export;

use async_trait::async_trait;
use goldsmith_cloud::{ImageCopy, ImageState};
use goldsmith_store::{Effect, EffectKind, FailureCause, PlannedRegion};

use crate::engine::drive::{Progress, Scene, Waiting};
use crate::engine::effect::{effect, made_id};
use crate::engine::pending::Pending;
use crate::error_names::ErrorName;
use crate::parts::firmware;
use crate::parts::image_tags::image_tags;
use crate::parts::keys;
use crate::parts::sharing::share;
use crate::parts::token::token;
use crate::{Error, Result, State};

pub(crate) use begin::begin;

/// The state that brings the image to one Region.
pub(crate) struct DistributeRegion;

#[async_trait]
impl Waiting for DistributeRegion {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let original = original(scene).await?;
        let planned = scene.record.plan.region(scene.item()).ok_or_else(|| {
            Error::failed(ErrorName::CopyFailed, format!("the plan does not name Region {}", scene.item()))
        })?;
        // The export comes last, so once it has begun, everything else is done.
        if let Some(progress) = export::watch(scene, planned).await? {
            return Ok(progress);
        }
        if let Some(existing) = scene.record.plan.existing_ami(&planned.region) {
            return open(scene, planned, existing, format!("{existing} is there")).await;
        }
        if planned.region == scene.record.plan.home_region {
            return open(scene, planned, &original, format!("{original} is in its home Region")).await;
        }
        let made = scene.effects().await?.into_iter().find(|effect| effect.kind.is_image());
        match made.and_then(|effect| effect.id) {
            Some(copy) => watch(scene, planned, &copy).await,
            None => {
                let copy = copy(scene, planned, &original).await?;
                Ok(pending(planned, &copy, format!("{copy} is being copied")))
            }
        }
    }
}

/// Returns the AMI in the home Region: that of the image that the run distributes, or else the one that this build has
/// made.
async fn original(scene: &Scene<'_>) -> Result<String> {
    match scene.record.plan.existing_ami(scene.home()) {
        Some(existing) => Ok(existing.to_owned()),
        None => scene.made_by(State::Snapshot, None, EffectKind::is_image).await,
    }
}

/// Opens an available AMI of this Region to others, and has it copied into the accounts that get their own.
async fn open(scene: &Scene<'_>, planned: &PlannedRegion, id: &str, done: String) -> Result<Progress> {
    let effects = scene.effects().await?;
    // An export that waits for a free slot is in the journal, and everything before it is done.
    if effects.iter().any(|effect| effect.kind.is_export()) {
        return export::begin(scene, planned, id, done).await;
    }
    // An AMI that was published before is open, and Publish grants what it lacks: until then, the run may fail.
    let was_published = scene.record.plan.existing_ami(&planned.region).is_some();
    // The copies of other accounts come last, so once one has begun, everything else is done.
    if was_published {
        license(scene, planned, id).await?;
    }
    let is_open = was_published || effects.iter().any(|effect| effect.kind.target_account().is_some());
    if !is_open && !open_up(scene, planned, id).await? {
        return Ok(pending(planned, id, format!("{id} is not visible yet")));
    }
    if let Some(pending) = accounts::bring(scene, planned, id).await? {
        return Ok(Progress::Waiting(pending));
    }
    export::begin(scene, planned, id, done).await
}

/// Has EC2 copy the AMI to a Region. Returns the id of the copy.
async fn copy(scene: &Scene<'_>, planned: &PlannedRegion, original: &str) -> Result<String> {
    let request = request(scene, planned, original);
    let intended = Effect::intended(&scene.scope, 0, EffectKind::Image, &planned.region, &request.token);
    let images = &scene.context.cloud.images;
    let made =
        // The attempt does not matter: CopyImage takes a client token, so a repeated call returns the first copy.
        effect(scene.context, &scene.record, intended, |_| async { Ok(images.copy(&planned.region, &request).await?) });
    made_id(made.await?)
}

async fn watch(scene: &Scene<'_>, planned: &PlannedRegion, id: &str) -> Result<Progress> {
    let Some(image) = scene.context.cloud.images.image(&planned.region, id).await? else {
        return Ok(pending(planned, id, format!("{id} is not visible yet")));
    };
    match image.state {
        ImageState::Pending => Ok(pending(planned, id, format!("{id} is being copied"))),
        ImageState::Failed => {
            let named: Vec<&str> = planned.kms_key_id.as_deref().into_iter().collect();
            let unnamed = "the account's default KMS key for EBS in this Region";
            let advise = |message: &str| keys::advise(message, &named, unnamed);
            Err(failed(planned, id, &format!("the copy {id} failed: {}", image.state_reason), advise))
        }
        ImageState::Available => {
            let original = original(scene).await?;
            let lost = firmware::lost(scene, (scene.home(), &original), &image, Some(&planned.region)).await?;
            if let Some(lost) = lost {
                return Err(failed(
                    planned,
                    id,
                    &format!("the copy {id} does not boot like its original: {lost}"),
                    str::to_owned,
                ));
            }
            open(scene, planned, id, format!("{id} is available")).await
        }
    }
}

/// Marks the AMI for IMDSv2, associates it with its licenses, shares it, and sets when it counts as deprecated. None of
/// these changes is in the journal: they end with the AMI and its snapshots, and are safe to repeat. Returns false if
/// the snapshots that are to be shared are not visible yet.
async fn open_up(scene: &Scene<'_>, planned: &PlannedRegion, id: &str) -> Result<bool> {
    let images = &scene.context.cloud.images;
    // This comes before the permissions, so that no other account gets an AMI that does not demand IMDSv2.
    images.require_imdsv2(&planned.region, id).await?;
    // So does this: every instance counts, also those of an image whose start has overridden something.
    license(scene, planned, id).await?;
    // If the start has overridden something, the image is for the account itself only.
    if scene.record.plan.overridden {
        return Ok(true);
    }
    // Who approves the image gives others these permissions.
    if scene.record.plan.approval.is_none() && !share(scene.context, planned, id).await? {
        return Ok(false);
    }
    if let Some(time) = &planned.deprecate_at {
        images.deprecate(&planned.region, id, time).await?;
    }
    Ok(true)
}

/// Associates an AMI with the license configurations of its Region's plan. Safe to repeat.
async fn license(scene: &Scene<'_>, planned: &PlannedRegion, id: &str) -> Result<()> {
    if !planned.license_configurations.is_empty() {
        scene.context.cloud.licenses.license(&planned.region, id, &planned.license_configurations).await?;
    }
    Ok(())
}

fn request(scene: &Scene<'_>, planned: &PlannedRegion, original: &str) -> ImageCopy {
    ImageCopy {
        token: token(&[&scene.record.execution, &scene.scope.to_string()]),
        source_region: scene.home().to_owned(),
        source_image: original.to_owned(),
        name: planned.name.clone(),
        description: planned.description.clone(),
        kms_key_id: planned.kms_key_id.clone(),
        tags: image_tags(scene, planned),
    }
}

fn pending(planned: &PlannedRegion, id: &str, detail: String) -> Progress {
    Progress::Waiting(Pending::in_region(planned, id, detail))
}

/// Returns the error for a copy that EC2 has begun and could not finish. `advise` adds to the message what to check if a
/// key may be the cause.
fn failed(planned: &PlannedRegion, id: &str, message: &str, advise: impl FnOnce(&str) -> String) -> Error {
    // The reason is a text without a code, and EC2 documents none of these texts.
    let is_of_key = message.contains("key ID is not accessible");
    let message = if is_of_key { advise(message) } else { message.to_owned() };
    let cause = FailureCause {
        message,
        region: Some(planned.region.clone()),
        resource: Some(id.to_owned()),
        ..FailureCause::default()
    };
    Error::because(ErrorName::CopyFailed, cause)
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{HOME, place};
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::State;
    use crate::testing::{AWAY, Stack, TARGET, Task, check_state, check_state_on, license, reach, reach_on};

    /// The effects of a copy to another Region, from which another account makes its own copy.
    pub(super) const A_COPY: [&str; 12] = [
        "CopyImage",
        "ModifyImageAttribute",
        "ModifyImageAttribute",
        "ModifySnapshotAttribute",
        "EnableImageDeprecation",
        // The other account may copy it, does so, and no longer needs these permissions.
        "ModifyImageAttribute",
        "ModifySnapshotAttribute",
        "CopyImage",
        "ModifyImageAttribute",
        "EnableImageDeprecation",
        "ModifyImageAttribute",
        "ModifySnapshotAttribute",
    ];

    #[tokio::test]
    async fn the_home_region_survives_every_fault() {
        let effects = ["PutEvents", "ModifyImageAttribute", "SendTaskSuccess"];
        check_state(Task::item(State::DistributeRegion, HOME), &effects).await;
    }

    #[tokio::test]
    async fn a_copy_survives_every_fault() {
        let effects = [&A_COPY[..], &["SendTaskSuccess"]].concat();
        check_state(Task::item(State::DistributeRegion, AWAY), &effects).await;
    }

    #[tokio::test]
    async fn a_copy_with_licenses_survives_every_fault() {
        let stack = || async {
            let stack = Stack::new().await;
            stack.license_images().await;
            stack
        };
        // The copy is licensed before it is shared.
        let (made, shared) = A_COPY.split_at(2);
        let effects = [made, &["UpdateLicenseSpecificationsForResource"], shared, &["SendTaskSuccess"]].concat();
        check_state_on(stack, Task::item(State::DistributeRegion, AWAY), &effects).await;
        let stack = reach_on(stack().await, &Task::new(State::Publish)).await;
        for region in [HOME, AWAY] {
            let image = stack.inventory().region(region).images.into_keys().next().unwrap();
            assert_eq!(stack.cloud.licenses(region, &image), [license(region)].into(), "{region}");
        }
    }

    #[tokio::test]
    async fn a_copy_of_an_image_with_a_firmware_of_its_own_survives_every_fault() {
        let effects = [&A_COPY[..], &["SendTaskSuccess"]].concat();
        check_state_on(Stack::with_firmware, Task::item(State::DistributeRegion, AWAY), &effects).await;
    }

    #[tokio::test]
    async fn a_copy_that_does_not_boot_like_its_original_fails() {
        type Loss = (fn(&mut goldsmith_cloud::Image), &'static str);
        let losses: [Loss; 2] = [
            (|image| image.tpm_support = None, "it has no TPM"),
            (|image| image.boot_mode = None, "it has the boot mode none"),
        ];
        for (loss, said) in losses {
            let task = Task::item(State::DistributeRegion, AWAY);
            let stack = reach_on(Stack::with_firmware().await, &task).await;
            stack.cloud.pace(|pace| pace.until_image = 1_000_000);
            let token = stack.start(&task).await;
            let copy = stack.inventory().region(AWAY).images.into_keys().next().unwrap();
            stack.cloud.edit_image(AWAY, &copy, loss);
            stack.cloud.settle();
            stack.tick_after(SignedDuration::from_mins(1)).await;
            let error = stack.answer(&token).unwrap().unwrap_err();
            assert_eq!(error.error, "Goldsmith.CopyFailed");
            assert!(error.cause.contains(said), "{}", error.cause);
        }
    }

    #[tokio::test]
    async fn a_license_that_is_gone_fails_the_copy() {
        let stack = Stack::new().await;
        stack.license_images().await;
        let task = Task::item(State::DistributeRegion, AWAY);
        let stack = reach_on(stack, &task).await;
        stack.cloud.set_up(|account| _ = account.missing.insert(license(AWAY)));
        let error = stack.run(&task).await.unwrap_err();
        assert!(error.cause.contains("Invalid license configuration ARN"), "{}", error.cause);
    }

    #[tokio::test]
    async fn a_copy_waits_for_a_free_slot_and_is_made_once() {
        let task = Task::item(State::DistributeRegion, AWAY);
        let stack = reach(&task).await;
        stack.cloud.pace(|pace| pace.copies_at_once = 0);
        let token = stack.start(&task).await;
        for _ in 0..30 {
            stack.tick_after(SignedDuration::from_mins(20)).await;
            assert_eq!(stack.answer(&token), None, "ten hours, of twenty-four");
        }
        stack.cloud.pace(|pace| pace.copies_at_once = 20);
        stack.tick_after(SignedDuration::from_mins(1)).await;
        assert_eq!(stack.answer(&token), Some(Ok(json!({}))));
        assert_eq!(stack.inventory().region(AWAY).images.len(), 1);
    }

    #[tokio::test]
    async fn a_copy_that_never_gets_a_slot_fails_by_its_deadline_with_the_reason() {
        let task = Task::item(State::DistributeRegion, AWAY);
        let stack = reach(&task).await;
        stack.cloud.pace(|pace| pace.copies_at_once = 0);
        let token = stack.start(&task).await;
        stack.tick_after(SignedDuration::from_hours(24)).await;
        let error = stack.answer(&token).unwrap().unwrap_err();
        assert_eq!(error.error, "Goldsmith.Timeout");
        assert!(error.cause.contains("CopyImage in us-east-1 failed: ResourceLimitExceeded"), "{}", error.cause);
    }

    #[tokio::test]
    async fn every_ami_is_marked_for_imdsv2() {
        let stack = reach(&Task::new(State::Publish)).await;
        for region in [HOME, AWAY, &place(AWAY, TARGET)] {
            let images = stack.inventory().region(region).images;
            assert!(images.keys().all(|id| stack.cloud.requires_imdsv2(region, id)), "{region}: {images:?}");
            assert_eq!(images.len(), 1);
        }
    }
}
