//! Undoing what a build made, from the journal and from a describe by tag.

use std::collections::BTreeSet;
use std::time::Duration;

use goldsmith_cloud::{Parameter, Tags};
use goldsmith_store::{BuildRecord, Effect, EffectKind, Keep};
use jiff::Timestamp;

use crate::{Context, Result, TAG_BUILD, TAG_EXPIRES};

/// How often a describe by tag is repeated where the journal holds an effect whose answer is unknown: EC2 may show a
/// resource only some seconds after it was made, so an empty answer proves nothing.
const SEARCHES: u32 = 5;
/// Pause between two of them.
const SEARCH_PAUSE: Duration = Duration::from_secs(2);

/// Undoes one effect.
pub(crate) async fn undo(context: &Context, effect: &Effect) -> Result<()> {
    let cloud = &context.cloud;
    match (effect.kind, &effect.id) {
        (EffectKind::Parameter, _) => undo_parameter(context, effect).await?,
        (_, None) => {}
        (EffectKind::Instance, Some(id)) => cloud.machines.terminate(&effect.region, id).await?,
        (EffectKind::Image, Some(id)) => cloud.images.deregister(&effect.region, id).await?,
        (EffectKind::Command, Some(id)) => cloud.commands.cancel(&effect.region, id).await?,
    }
    Ok(())
}

/// Puts a parameter's value back, but only where it still is what this build has put: it may never have got there, or
/// somebody may have written since.
async fn undo_parameter(context: &Context, effect: &Effect) -> Result<()> {
    let parameters = &context.cloud.parameters;
    let now = parameters.get(&effect.region, &effect.name).await?;
    if now.is_none_or(|now| Some(now.value) != effect.candidate) {
        return Ok(());
    }
    match &effect.previous {
        Some(previous) => {
            let value = Parameter { value: previous.value.clone(), data_type: previous.data_type.clone() };
            parameters.put(&effect.region, &effect.name, &value).await?;
        }
        None => parameters.delete(&effect.region, &effect.name).await?,
    }
    Ok(())
}

/// One thing that cannot be removed must not keep the rest from being removed, nor the pipeline from building again:
/// it is noted, and the reaper comes back to it. What may work later is an error, so that it is tried again. Answers
/// whether it is removed.
fn tolerate(result: Result<()>, what: &str) -> Result<bool> {
    match result {
        Err(error) if !error.is_transient() => {
            tracing::warn!(%error, what, "left behind for now");
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

/// What of a build stays.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// AMI ids.
    pub(crate) images: BTreeSet<String>,
    /// Instance ids.
    pub(crate) instances: BTreeSet<String>,
    /// Whether published parameters stay.
    pub(crate) parameters: bool,
}

/// Removes everything that the build made, but for what is kept. Answers whether every parameter is back for good, which one
/// is not that a function may still be putting: the sweep finds all else by its tags. Safe to repeat.
pub(crate) async fn undo_build(context: &Context, record: &BuildRecord, keep: &Kept) -> Result<bool> {
    let effects = context.store.all_effects(&record.build).await?;
    // Read before anybody looks at the parameters: what is put from here on may be missed.
    let is_open = |effect: &Effect| effect.id.is_none() && effect.may_exist();
    let is_putting = |effect: &Effect| effect.kind == EffectKind::Parameter && is_open(effect);
    let are_back = keep.parameters || (undo_parameters(context, &effects).await? && !effects.iter().any(is_putting));
    for effect in &effects {
        let kept = effect.id.as_ref().is_some_and(|id| keep.images.contains(id) || keep.instances.contains(id));
        // Commands end with their instance; only one on a kept instance would run on.
        let needed = match effect.kind {
            EffectKind::Instance | EffectKind::Image => !kept,
            EffectKind::Command => !keep.instances.is_empty(),
            EffectKind::Parameter => false,
        };
        if needed {
            tolerate(undo(context, effect).await, &effect.name)?;
        }
    }
    let unknown =
        effects.iter().any(|effect| is_open(effect) && matches!(effect.kind, EffectKind::Instance | EffectKind::Image));
    for search in 0..if unknown { SEARCHES } else { 1 } {
        if search > 0 {
            context.clock.sleep(SEARCH_PAUSE).await;
        }
        remove_tagged(context, record, keep).await?;
    }
    Ok(are_back)
}

/// Puts back what the build's parameters were, the last one first. Answers whether all are.
pub(crate) async fn undo_parameters(context: &Context, effects: &[Effect]) -> Result<bool> {
    let mut are_back = true;
    for effect in effects.iter().rev().filter(|effect| effect.kind == EffectKind::Parameter && effect.may_exist()) {
        are_back &= tolerate(undo(context, effect).await, &effect.name)?;
    }
    Ok(are_back)
}

/// Removes what carries the build's tag and is not kept, or kept no longer, in every Region of its plan. Answers
/// whether there was anything.
pub(crate) async fn remove_tagged(context: &Context, record: &BuildRecord, keep: &Kept) -> Result<bool> {
    let cloud = &context.cloud;
    let now = context.clock.now();
    let mut found = false;
    for region in record.plan.regions.iter().map(|planned| planned.region.as_str()) {
        for instance in cloud.machines.tagged(region, TAG_BUILD, &record.build).await? {
            if !context.config.owns(&instance.tags) {
                continue;
            }
            let kept = keep.instances.contains(&instance.id) && !has_expired(&instance.tags, now);
            if !kept && !instance.state.is_gone() {
                found = true;
                let ended = cloud.machines.terminate(region, &instance.id).await;
                tolerate(ended.map_err(Into::into), &instance.id)?;
            }
        }
        // Each goes with its instance, unless something on the instance or a person has changed that.
        for volume in cloud.machines.volumes_left(region, TAG_BUILD, &record.build).await? {
            if context.config.owns(&volume.tags) {
                found = true;
                let gone = cloud.machines.delete_volume(region, &volume.id).await;
                tolerate(gone.map_err(Into::into), &volume.id)?;
            }
        }
        let mut kept_snapshots = BTreeSet::new();
        for image in cloud.images.tagged(region, TAG_BUILD, &record.build).await? {
            if !context.config.owns(&image.tags) {
                continue;
            }
            if keep.images.contains(&image.id) && !has_expired(&image.tags, now) {
                kept_snapshots.extend(image.snapshots);
            } else {
                found = true;
                let gone = cloud.images.deregister(region, &image.id).await;
                tolerate(gone.map_err(Into::into), &image.id)?;
            }
        }
        for snapshot in cloud.images.snapshots_tagged(region, TAG_BUILD, &record.build).await? {
            if !kept_snapshots.contains(&snapshot.id) && context.config.owns(&snapshot.tags) {
                found = true;
                let gone = cloud.images.delete_snapshot(region, &snapshot.id).await;
                tolerate(gone.map_err(Into::into), &snapshot.id)?;
            }
        }
    }
    Ok(found)
}

/// Whether a resource's time is past. Its tag counts, not the record: a person may have moved it.
pub(crate) fn has_expired(tags: &Tags, now: Timestamp) -> bool {
    tags.get(TAG_EXPIRES).and_then(|until| until.parse::<Timestamp>().ok()).is_some_and(|until| until <= now)
}

/// Marks what is kept for a while with the time from which it may go.
pub(crate) async fn tag_expiry(context: &Context, record: &BuildRecord, keep: &Keep, kept: &Kept) -> Result<()> {
    let (Keep::Instance { until } | Keep::Images { until }) = keep else { return Ok(()) };
    let tags = Tags::from([(TAG_EXPIRES.to_owned(), until.clone())]);
    let home = &record.plan.home_region;
    for id in &kept.instances {
        context.cloud.images.tag(home, std::slice::from_ref(id), &tags).await?;
    }
    for planned in &record.plan.regions {
        for image in context.cloud.images.tagged(&planned.region, TAG_BUILD, &record.build).await? {
            if kept.images.contains(&image.id) {
                let ids: Vec<String> = std::iter::once(image.id).chain(image.snapshots).collect();
                context.cloud.images.tag(&planned.region, &ids, &tags).await?;
            }
        }
    }
    Ok(())
}
