//! The sweep: removes what closed builds left and do not keep, in every Region that the stack has used.
//!
//! A published build costs two reads of the table; what there is, is listed once for all builds. What it has no time for, the
//! next sweep begins with: otherwise a build whose id sorts late would never have its turn.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use goldsmith_store::{BuildRecord, BuildStatus, ImageRecord, Proof, Round, Tagged};
use jiff::Timestamp;

use super::noted;
use super::strangers::Strangers;
use crate::finish::{after, kept_of};
use crate::tagged::{Looked, of_stack};
use crate::undo::{Kept, remove_found};
use crate::{Context, Result, TAG_BUILD};

/// Regions that are looked at together.
const REGIONS_AT_ONCE: usize = 8;
/// Builds whose records are read together.
const BUILDS_AT_ONCE: usize = 16;

/// What there is of one build, or of none, each with its Region.
type Found = Vec<(String, Tagged)>;

/// The records of a build, as far as they say what stays.
struct Records {
    build: BuildRecord,
    image: Option<ImageRecord>,
}

/// Removes what closed builds left and do not keep, and tells of what only looks as if. Answers how many builds had left
/// something. Nothing is begun after this time, but for one build.
pub(super) async fn sweep(context: &Context, until: Timestamp) -> Result<u32> {
    let mut strangers = Strangers::read(context).await?;
    let cursor = context.store.cursor(Round::Sweep).await?;
    let builds = in_turn(look(context, &mut strangers).await?, cursor.as_ref());
    let (all, mut judged, mut swept) = (builds.len(), 0, 0);
    let mut read = stream::iter(builds)
        .map(|(build, found)| async move { (read(context, build.as_deref()).await, build, found) })
        .buffered(BUILDS_AT_ONCE);
    let mut last = None;
    while let Some((records, build, found)) = read.next().await {
        let name = build.as_deref().unwrap_or("of no build");
        let outcome = match records {
            Ok(records) => sweep_build(context, records, found, &mut strangers).await,
            Err(error) => Err(error),
        };
        swept += u32::from(noted(outcome, name) == Some(true));
        judged += 1;
        last = build;
        if context.clock.now() >= until {
            break;
        }
    }
    drop(read);
    let after = last.as_deref().filter(|_| judged < all);
    if after.is_some() {
        tracing::warn!(judged, all, "the sweep goes on the next time");
    }
    context.store.move_cursor(Round::Sweep, cursor.as_deref(), after).await?;
    strangers.tell(context).await?;
    Ok(swept)
}

/// All that carries the stack's tags, by build.
async fn look(context: &Context, strangers: &mut Strangers) -> Result<BTreeMap<Option<String>, Found>> {
    let mut builds: BTreeMap<Option<String>, Found> = BTreeMap::new();
    let mut looks = stream::iter(context.store.regions().await?)
        .map(|region| async move { (of_stack(context, &region).await, region) })
        .buffered(REGIONS_AT_ONCE);
    while let Some((Looked { kinds, found }, region)) = looks.next().await {
        strangers.see(&region, kinds, &found);
        for one in found {
            builds.entry(one.tags().get(TAG_BUILD).cloned()).or_default().push((region.clone(), one));
        }
    }
    Ok(builds)
}

/// The builds that the sweep before had no time for first. What is of no build costs nothing.
fn in_turn(mut builds: BTreeMap<Option<String>, Found>, after: Option<&String>) -> Vec<(Option<String>, Found)> {
    let of_none = builds.remove_entry(&None);
    let is_early = |build: &Option<String>| after.is_some() && build.as_ref() <= after;
    let (early, late): (Vec<_>, Vec<_>) = builds.into_iter().partition(|(build, _)| is_early(build));
    of_none.into_iter().chain(late).chain(early).collect()
}

async fn read(context: &Context, build: Option<&str>) -> Result<Option<Records>> {
    let Some(build) = build else { return Ok(None) };
    let Some(build) = context.store.build(build).await? else { return Ok(None) };
    let image = context.store.image(&build.image).await?;
    Ok(Some(Records { build, image }))
}

/// Removes what one build left. Answers whether there was anything.
async fn sweep_build(
    context: &Context,
    records: Option<Records>,
    found: Found,
    strangers: &mut Strangers,
) -> Result<bool> {
    let Some(Records { build, image }) = records else {
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
    // Most builds have published, and nothing of theirs is to go: they cost no call, nor does what was judged before.
    if left.iter().all(|(region, one)| strangers.is_settled(region, one.id())) {
        strangers.add(left);
        return Ok(false);
    }
    // What is removed is removed by records of now: these were read before others were swept.
    let Some(Records { build, image }) = read(context, Some(&build.build)).await? else { return Ok(false) };
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

/// Whether it is among what its build keeps, and its time is not over.
fn stays(context: &Context, (kept, snapshots): &(Kept, BTreeSet<String>), one: &Tagged) -> bool {
    let known = kept.images.contains(one.id()) || kept.instances.contains(one.id()) || snapshots.contains(one.id());
    known && !kept.has_expired(one.tags(), context.clock.now())
}

#[cfg(test)]
mod tests;
