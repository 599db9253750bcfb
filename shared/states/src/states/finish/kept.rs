//! What an ending keeps of its build.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_store::{BuildRecord, Ending, FailureCause, ImageRecord, Keep, Plan, Scope, StateStatus};

use crate::engine::undo::Kept;
use crate::error_names::ErrorName;
use crate::{Context, Result, State};

/// Returns what a closed build keeps, and the snapshots of what it published.
pub(crate) async fn kept_now(context: &Context, record: &BuildRecord) -> Result<(Kept, BTreeSet<String>)> {
    kept_of(context, record, context.store.image(&record.image).await?.as_ref()).await
}

/// Does the same as [`kept_now`] with a record of the image that is already read.
pub(crate) async fn kept_of(
    context: &Context,
    record: &BuildRecord,
    image: Option<&ImageRecord>,
) -> Result<(Kept, BTreeSet<String>)> {
    match (&record.ending, image) {
        (Some(ending), Some(image)) => {
            let snapshots = image.snapshots.values().flatten().cloned().collect();
            Ok((kept(context, record, ending, image).await?, snapshots))
        }
        _ => Ok(Default::default()),
    }
}

/// Returns the resources that this ending keeps.
pub(super) async fn kept(
    context: &Context,
    record: &BuildRecord,
    ending: &Ending,
    image: &ImageRecord,
) -> Result<Kept> {
    let for_a_while = matches!(ending.keep, Keep::Instance { .. } | Keep::Images { .. });
    let mut kept = Kept { for_a_while, checkpoint: checkpoint(context, record).await?, ..Kept::default() };
    match &ending.keep {
        Keep::Nothing => {}
        Keep::Published => {
            kept.parameters = true;
            let copies = image.copies.iter().map(|copy| &copy.ami);
            kept.images = image.amis.values().chain(copies).cloned().collect();
        }
        Keep::Images { .. } => {
            kept.images = kept_amis(context, record).await?.into_values().collect();
            // After the journal has expired, the image's record still has the AMIs.
            kept.images.extend(image.amis.values().cloned());
        }
        Keep::Instance { .. } => {
            for state in [State::Launch, State::LaunchAgain] {
                let effects = context.store.effects(&record.build, &Scope::from(state)).await?;
                // An instance that EC2 has taken back, or has not started again, is not kept, even if EC2 starts it
                // later.
                let used = effects.into_iter().filter(|effect| effect.lost.is_none());
                kept.instances.extend(used.filter_map(|effect| effect.id));
            }
        }
    }
    Ok(kept)
}

/// Forgets the checkpoint with which this build has begun, or which it has made, if the build has failed for a reason
/// that may be on its disk: the instance does not come online, the clean-up fails, or the image fails its tests or its
/// audit. Otherwise the next builds would fail in the same way for a week. A step that failed after the checkpoint is
/// no such reason, and neither is what AWS refuses.
pub(super) async fn forget_checkpoint(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let Some(planned) = &record.plan.checkpoint else { return Ok(()) };
    let may_be_its_fault =
        ending.failure.as_ref().is_some_and(|failure| may_be_of_disk(failure, planned.found.is_some()));
    let last = if may_be_its_fault { context.store.checkpoint(&record.pipeline).await? } else { None };
    let is_used = |image: &str| planned.found.as_ref().is_some_and(|found| found.image == image);
    if let Some(last) = last.filter(|last| last.build == record.build || is_used(&last.image)) {
        tracing::warn!(build = record.build, image = last.image, "the pipeline's checkpoint is not used any more");
        context.store.forget_checkpoint(&record.pipeline, &last.image).await?;
    }
    Ok(())
}

/// Returns whether the disk of a checkpoint may be the reason for a failure. `has_begun` says whether the build has
/// begun with the checkpoint.
fn may_be_of_disk(failure: &FailureCause, has_begun: bool) -> bool {
    let errors: &[ErrorName] = match failure.state.parse::<State>() {
        Ok(State::Launch | State::LaunchAgain) if has_begun => &[ErrorName::NotOnline, ErrorName::Timeout],
        Ok(State::Snapshot) => &[ErrorName::CommandFailed, ErrorName::RebootLimit],
        Ok(State::JudgeTests) => &[ErrorName::TestFailed, ErrorName::AuditFailed, ErrorName::Vulnerable],
        _ => &[],
    };
    errors.iter().any(|error| error.as_str() == failure.error)
}

/// Returns the AMI of the pipeline's checkpoint if this build has made it, no matter how the build has ended: the next
/// build may begin with it.
async fn checkpoint(context: &Context, record: &BuildRecord) -> Result<Option<String>> {
    if record.plan.makes_checkpoint().is_none() {
        return Ok(None);
    }
    let now = context.clock.now();
    let last = context.store.checkpoint(&record.pipeline).await?;
    Ok(last.filter(|last| last.build == record.build && last.is_kept(now)).map(|last| last.image))
}

/// Returns the home AMI, and the copies in the Regions that succeeded.
pub(super) async fn kept_amis(context: &Context, record: &BuildRecord) -> Result<BTreeMap<String, String>> {
    let states = context.store.states(&record.build).await?;
    let mut good: BTreeSet<String> = states
        .into_iter()
        .filter(|state| state.state == State::DistributeRegion && state.status == StateStatus::Succeeded)
        .filter_map(|state| state.item)
        .collect();
    // The home AMI stays even if its own item has failed: all copies are made from it.
    good.insert(record.plan.home_region.clone());
    crate::states::publish::amis(context, record, &good).await
}

/// Describes in words for people what stays.
pub(super) fn what_stays(keep: &Keep, plan: &Plan) -> &'static str {
    match keep {
        Keep::Nothing => "nothing of the build is left",
        Keep::Instance { .. } => "the build instance is kept for a while",
        Keep::Images { .. } => "the AMIs are kept for a while, unpublished",
        Keep::Published if plan.overridden => "the image stays, unpublished",
        Keep::Published if plan.approval.is_some() => "the image waits for its approval",
        Keep::Published => "the image is published",
    }
}

#[cfg(test)]
mod tests {
    use super::{Keep, Plan, what_stays};
    use crate::State;
    use crate::testing::{good, reach};

    #[tokio::test]
    async fn only_what_is_published_is_reported_as_published() {
        let plan = reach(&good(State::Publish)).await.record().await.plan;
        assert_eq!(what_stays(&Keep::Published, &plan), "the image is published");
        let waiting = Plan { approval: Some("stable".parse().unwrap()), ..plan.clone() };
        assert_eq!(what_stays(&Keep::Published, &waiting), "the image waits for its approval");
        let overridden = Plan { overridden: true, ..plan };
        assert_eq!(what_stays(&Keep::Published, &overridden), "the image stays, unpublished");
    }
}
