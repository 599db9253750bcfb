//! The sweep: in every Region that the stack has used, removes the resources that closed builds have left behind and do
//! not keep.
//!
//! For a published build, the sweep reads the table twice. Resources are listed once for all builds. If the sweep has
//! no time for some builds, the next sweep begins with them. Otherwise a build whose id sorts late would never be
//! reached.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use goldsmith_store::{BuildRecord, BuildStatus, ImageRecord, Proof, Round, Tagged};
use jiff::Timestamp;

use super::noted;
use super::strangers::Strangers;
use crate::engine::undo::{Kept, remove_found};
use crate::parts::tagged::{Looked, of_stack};
use crate::states::finish::{after, kept_of};
use crate::{Context, Result, TAG_BUILD};

/// How many Regions are read concurrently.
const REGIONS_AT_ONCE: usize = 8;
/// How many builds' records are read concurrently.
const BUILDS_AT_ONCE: usize = 16;

/// The resources of one build, each with its Region.
type Found = Vec<(String, Tagged)>;

/// The records of a build from which the sweep learns what stays.
struct Records {
    build: BuildRecord,
    image: Option<ImageRecord>,
}

/// Removes what closed builds have left behind and do not keep, and reports resources that only look like a build's.
/// Returns how many builds had left something behind. It always handles the first build, and begins no other build
/// after `until`.
pub(super) async fn sweep(context: &Context, until: Timestamp) -> Result<u32> {
    let mut strangers = Strangers::read(context).await?;
    let cursor = context.store.cursor(Round::Sweep).await?;
    let builds = in_turn(look(context, &mut strangers).await?, cursor.as_ref());
    let (all, mut judged, mut swept) = (builds.len(), 0, 0);
    let mut records = stream::iter(builds)
        .map(|(build, found)| async move { (read(context, &build).await, build, found) })
        // `buffer_unordered` would be faster, but the cursor needs the order: everything before it must have been
        // judged.
        .buffered(BUILDS_AT_ONCE);
    // If no build is judged, the next sweep begins where the sweep before this one stopped.
    let mut last = cursor.clone();
    while let Some((read, build, found)) = records.next().await {
        let outcome = match read {
            Ok(records) => sweep_build(context, records, found, &mut strangers).await,
            Err(error) => Err(error),
        };
        swept += u32::from(noted(outcome, &build) == Some(true));
        judged += 1;
        last = Some(build);
        // The time is checked after a build, so that every sweep makes progress, even if the listing has used up the
        // time.
        if context.clock.now() >= until {
            break;
        }
    }
    drop(records);
    let after = last.as_deref().filter(|_| judged == 0 || judged < all);
    if judged < all {
        tracing::warn!(judged, all, "the sweep will continue the next time");
    }
    context.store.move_cursor(Round::Sweep, cursor.as_deref(), after).await?;
    strangers.tell(context).await?;
    Ok(swept)
}

/// Returns everything that carries the stack's tags, by build. A resource without a build's tag is added to the
/// strangers, even if the sweep has no time for all builds.
async fn look(context: &Context, strangers: &mut Strangers) -> Result<BTreeMap<String, Found>> {
    let mut builds: BTreeMap<String, Found> = BTreeMap::new();
    let mut looks = stream::iter(context.store.regions().await?)
        .map(|region| async move { (of_stack(context, &region).await, region) })
        .buffered(REGIONS_AT_ONCE);
    while let Some((Looked { kinds, found }, region)) = looks.next().await {
        strangers.see(&region, kinds, &found);
        for one in found {
            match one.tags().get(TAG_BUILD).cloned() {
                Some(build) => builds.entry(build).or_default().push((region.clone(), one)),
                None => strangers.add(vec![(region.clone(), one)]),
            }
        }
    }
    Ok(builds)
}

/// Returns the builds, and begins with those for which the previous sweep had no time.
fn in_turn(builds: BTreeMap<String, Found>, after: Option<&String>) -> Vec<(String, Found)> {
    let is_early = |build: &String| after.is_some_and(|after| build <= after);
    let (early, late): (Vec<_>, Vec<_>) = builds.into_iter().partition(|(build, _)| is_early(build));
    late.into_iter().chain(early).collect()
}

async fn read(context: &Context, build: &str) -> Result<Option<Records>> {
    let Some(build) = context.store.build(build).await? else { return Ok(None) };
    let image = context.store.image(&build.image).await?;
    Ok(Some(Records { build, image }))
}

/// Removes the resources that one build has left behind. Returns whether there were any.
async fn sweep_build(
    context: &Context,
    records: Option<Records>,
    found: Found,
    strangers: &mut Strangers,
) -> Result<bool> {
    let Some(Records { build, image }) = records else {
        // The table has no such build. Anyone who may tag can write a name here, so nothing is removed for it.
        strangers.add(found);
        return Ok(false);
    };
    if build.status != BuildStatus::Closed {
        return Ok(false);
    }
    let goes = |kept: &(Kept, BTreeSet<String>), found: &Found| -> Found {
        found.iter().filter(|(_, one)| !stays(context, kept, one)).cloned().collect()
    };
    let left = goes(&kept_of(context, &build, image.as_ref()).await?, &found);
    // Most builds have published and have nothing to remove. They cost no call, and neither does what was judged
    // before.
    if left.iter().all(|(region, one)| strangers.is_settled(region, one.id())) {
        strangers.add(left);
        return Ok(false);
    }
    // A removal needs current records: the ones above were read before other builds were swept.
    let Some(Records { build, image }) = read(context, &build.build).await? else { return Ok(false) };
    let effects = context.store.all_effects(&build.build).await?;
    let kept = kept_of(context, &build, image.as_ref()).await?;
    let proof = Proof::of(&build, &effects, image.as_ref());
    let (ours, others): (Found, Found) =
        goes(&kept, &found).into_iter().partition(|(region, one)| one.is_proven(&proof, region));
    strangers.add(others);
    if ours.is_empty() {
        return Ok(false);
    }
    let (was_there, left) = remove_found(context, &build, &kept.0, proof, &effects, found).await?;
    after::take_in(context, &build, left).await?;
    Ok(was_there)
}

/// Returns whether the build keeps the resource and the resource has not expired.
fn stays(context: &Context, (kept, snapshots): &(Kept, BTreeSet<String>), one: &Tagged) -> bool {
    let known = kept.images.contains(one.id()) || kept.instances.contains(one.id()) || snapshots.contains(one.id());
    kept.is_checkpoint(one.id()) || known && !kept.has_expired(one.tags(), context.clock.now())
}

#[cfg(test)]
mod tests;
