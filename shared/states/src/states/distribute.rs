//! DistributeRegion: brings the image to one Region, tags it, sets IMDSv2 for it, and shares it. Then other accounts
//! get their own copies of it in that Region.
//!
//! Input: the AMI of Snapshot, and a Region of the plan. Output: a `TargetImage` effect for each of these accounts, and
//! an `Image` effect, except in the home Region, where the AMI already is. Error: `CopyFailed`, `Timeout`. The item of
//! the Map catches the error, and Publish decides what it means for the build.

mod accounts;

use async_trait::async_trait;
use goldsmith_cloud::{ImageCopy, ImageState, LaunchPermission, Tags};
use goldsmith_store::{Effect, EffectKind, FailureCause, PlannedRegion};

use crate::engine::drive::{Pending, Progress, Scene, Waiting};
use crate::engine::effect::{effect, made_id};
use crate::error_names::ErrorName;
use crate::parts::keys;
use crate::parts::status;
use crate::parts::token::token;
use crate::{Error, Result, State};

/// The state that this function runs.
pub(crate) struct DistributeRegion;

#[async_trait]
impl Waiting for DistributeRegion {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let original = scene.made_by(State::Snapshot, None, EffectKind::is_image).await?;
        let planned = scene.record.plan.region(scene.item()).ok_or_else(|| {
            Error::failed(ErrorName::CopyFailed, format!("the plan does not name Region {}", scene.item()))
        })?;
        if planned.region == scene.record.plan.home_region {
            return open(scene, planned, &original, format!("{original} is in its home Region")).await;
        }
        let made = scene.effects().await?.into_iter().find(|effect| effect.kind.is_image());
        match made.and_then(|effect| effect.id) {
            Some(copy) => watch(scene, planned, &copy).await,
            None => copy(scene, planned, &original).await,
        }
    }
}

/// Shares an available AMI of this Region, and has it copied into the accounts that get their own copies.
async fn open(scene: &Scene<'_>, planned: &PlannedRegion, id: &str, done: String) -> Result<Progress> {
    // The copies of other accounts come last, so once one has begun, everything else is done.
    let is_open = scene.effects().await?.iter().any(|effect| effect.kind.target_account().is_some());
    if !is_open && !open_up(scene, planned, id).await? {
        return Ok(pending(planned, id, format!("{id} is not visible yet")));
    }
    Ok(accounts::bring(scene, planned, id).await?.map_or(Progress::Done(done), Progress::Waiting))
}

async fn copy(scene: &Scene<'_>, planned: &PlannedRegion, original: &str) -> Result<Progress> {
    let request = request(scene, planned, original);
    let intended = Effect::intended(&scene.scope, 0, EffectKind::Image, &planned.region, &request.token);
    let images = &scene.context.cloud.images;
    let made =
        // The attempt does not matter: CopyImage takes a client token, so a repeated call returns the first copy.
        effect(scene.context, &scene.record, intended, |_| async { Ok(images.copy(&planned.region, &request).await?) });
    let id = made_id(made.await?)?;
    Ok(pending(planned, &id, format!("{id} is being copied")))
}

async fn watch(scene: &Scene<'_>, planned: &PlannedRegion, id: &str) -> Result<Progress> {
    let Some(image) = scene.context.cloud.images.image(&planned.region, id).await? else {
        return Ok(pending(planned, id, format!("{id} is not visible yet")));
    };
    match image.state {
        ImageState::Pending => Ok(pending(planned, id, format!("{id} is being copied"))),
        ImageState::Failed => Err(failed(planned, id, &image.state_reason)),
        ImageState::Available => open(scene, planned, id, format!("{id} is available")).await,
    }
}

/// Sets IMDSv2 for the AMI, shares it, and sets its deprecation time. None of this is in the journal: it ends
/// with the AMI and its snapshots, and it is safe to repeat. Returns false if the snapshots to share are not visible
/// yet.
async fn open_up(scene: &Scene<'_>, planned: &PlannedRegion, id: &str) -> Result<bool> {
    // This comes before the permissions, so that no other account gets an AMI that does not demand IMDSv2.
    scene.context.cloud.images.require_imdsv2(&planned.region, id).await?;
    let planned_permission = &planned.launch_permission;
    let with = LaunchPermission {
        users: planned_permission.user_ids.clone(),
        groups: planned_permission.user_groups.clone(),
        organizations: planned_permission.organization_arns.clone(),
        organizational_units: planned_permission.organizational_unit_arns.clone(),
    };
    // If the start has overridden something, the image is for the account itself only.
    if scene.record.plan.overridden {
        return Ok(true);
    }
    let images = &scene.context.cloud.images;
    // Who approves the image gives others these permissions.
    let shares = scene.record.plan.approval.is_none();
    if shares && !with.is_empty() {
        images.share(&planned.region, id, &with).await?;
    }
    if shares && planned.share_snapshots {
        let snapshots = images.image(&planned.region, id).await?.map(|image| image.snapshots).unwrap_or_default();
        if snapshots.is_empty() {
            return Ok(false);
        }
        images.share_snapshots(&planned.region, &snapshots, &with).await?;
    }
    if let Some(time) = &planned.deprecate_at {
        images.deprecate(&planned.region, id, time).await?;
    }
    Ok(true)
}

/// Returns the tags of a copy in this Region.
fn tags(scene: &Scene<'_>, planned: &PlannedRegion) -> Tags {
    let mut tags = planned.tags.clone();
    tags.extend(scene.context.tags(&scene.record));
    tags.extend(status::of_new(&scene.record));
    tags.entry("Name".to_owned()).or_insert_with(|| planned.name.clone());
    tags
}

fn request(scene: &Scene<'_>, planned: &PlannedRegion, original: &str) -> ImageCopy {
    ImageCopy {
        token: token(&[&scene.record.execution, &scene.scope.to_string()]),
        source_region: scene.home().to_owned(),
        source_image: original.to_owned(),
        name: planned.name.clone(),
        description: planned.description.clone(),
        kms_key_id: planned.kms_key_id.clone(),
        tags: tags(scene, planned),
    }
}

fn pending(planned: &PlannedRegion, id: &str, detail: String) -> Progress {
    Progress::Waiting(Pending { resource: id.to_owned(), region: planned.region.clone(), detail })
}

fn failed(planned: &PlannedRegion, id: &str, reason: &str) -> Error {
    let mut message = format!("the copy {id} failed: {reason}");
    if reason.contains("key ID is not accessible") {
        let named: Vec<&str> = planned.kms_key_id.as_deref().into_iter().collect();
        message = keys::advise(&message, &named, "the account's default KMS key for EBS in this Region");
    }
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
    use crate::testing::{AWAY, TARGET, Task, check_state, reach};

    #[tokio::test]
    async fn the_home_region_survives_every_fault() {
        check_state(Task::item(State::DistributeRegion, HOME), &["ModifyImageAttribute", "SendTaskSuccess"]).await;
    }

    #[tokio::test]
    async fn a_copy_survives_every_fault() {
        check_state(
            Task::item(State::DistributeRegion, AWAY),
            &[
                "CopyImage",
                "ModifyImageAttribute",
                "ModifyImageAttribute",
                "ModifySnapshotAttribute",
                "EnableImageDeprecation",
                // The other account may copy it, does so, and needs these permissions no more.
                "ModifyImageAttribute",
                "ModifySnapshotAttribute",
                "CopyImage",
                "ModifyImageAttribute",
                "EnableImageDeprecation",
                "ModifyImageAttribute",
                "ModifySnapshotAttribute",
                "SendTaskSuccess",
            ],
        )
        .await;
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
