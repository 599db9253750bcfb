//! Does the rest of the work after a build has ended and its pipeline may build again: sends the event of the end and the
//! message to the topic, and removes or restores what could not be removed or restored at first.
//!
//! None of this may happen before the lease is released, since AWS may reject it for as long as a policy denies it. So
//! the closed build stays among the builds that the reaper checks, together with what remains to be done, until all of
//! it is done.
//!
//! A function may still write a parameter after `finish` has checked the parameters. Unlike everything else that a
//! build makes, a parameter has no tag by which the sweep would find it. So the build is looked at once more when none
//! of its functions can still be running.

mod message;
mod news;

use goldsmith_store::{Aftermath, BuildRecord, ImageRecord, Keep, LeftBehind};
use jiff::{SignedDuration, Timestamp};

use super::kept_now;
use crate::engine::mark::mark_kept;
use crate::engine::undo::{Kept, Patience, Undone, undo_build};
use crate::events::trigger::{self, Call, Published};
use crate::{Context, LATE, Result};

/// Pauses between two checks of a closed build. The last pause repeats.
const PAUSES: [SignedDuration; 4] = [
    SignedDuration::from_mins(15),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(6),
    SignedDuration::from_hours(24),
];
/// After this time, only a person can help with what is left behind. Such a build is looked at once a week, to find out
/// whether a person has helped, and is counted separately.
const HOPELESS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Pause between two checks of a build with which only a person can help.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Returns the work that remains at the moment when a build is closed.
pub(super) fn owed(record: &BuildRecord, keep: &Keep, undone: &Undone) -> Aftermath {
    let is_untagged = *keep != Keep::Nothing;
    let is_unnotified = record.plan.topic.is_some();
    Aftermath { is_untold: true, is_unnotified, is_untagged, left: undone.left.clone(), looks: 0 }
}

/// Does the work that remains after a build was closed. If AWS rejects a part of it, the reaper retries that part.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn settle(
    context: &Context,
    record: &BuildRecord,
    image: &ImageRecord,
    kept: &Kept,
    mut after: Aftermath,
    is_putting: bool,
) -> Result<()> {
    announce(context, record, image, &mut after).await?;
    // Tags come last: a Region that never answers must not keep the event of the end from being sent.
    tag(context, record, kept, &mut after).await;
    let at = (is_putting || !after.is_over()).then(|| context.clock.now() + LATE);
    Ok(context.store.look_again(record, &after, at).await?)
}

/// Looks at a closed build again. Safe to repeat.
///
/// # Errors
/// Fails if a call to the table fails.
pub(crate) async fn look_again(context: &Context, record: &BuildRecord) -> Result<()> {
    let (kept, _) = kept_now(context, record).await?;
    let mut after = record.after.clone();
    // A Region that never answers must not keep the others from being looked at.
    let undone = undo_build(context, record, &kept, Patience::None).await?;
    after.left = undone.left;
    if let Some(image) = context.store.image(&record.image).await? {
        announce(context, record, &image, &mut after).await?;
    }
    tag(context, record, &kept, &mut after).await;
    let now = context.clock.now();
    let mut pause = PAUSES[usize::try_from(after.looks).unwrap_or(usize::MAX).min(PAUSES.len() - 1)];
    after.looks += 1;
    let ended = ended_at(context, record).await?;
    // A function of the build may still put a parameter at this time.
    let is_early = undone.is_putting && now < ended + LATE;
    if is_early {
        return Ok(context.store.look_again(record, &after, Some(ended + LATE)).await?);
    }
    let is_hopeless = now >= ended + HOPELESS;
    if is_hopeless && !after.is_over() {
        let Aftermath { is_untold, is_unnotified, is_untagged, .. } = after;
        tracing::error!(
            build = record.build,
            is_untold,
            is_unnotified,
            is_untagged,
            "the end of this build is still not complete after a month"
        );
        for LeftBehind { what, region, reason } in &after.left {
            tracing::error!(build = record.build, what, region, reason, "this is still left behind after a month");
        }
        pause = WEEK;
    }
    // A missing event, message or tag costs nothing. What is left behind does.
    let is_done = after.is_over() || (is_hopeless && after.left.is_empty());
    Ok(context.store.look_again(record, &after, (!is_done).then(|| now + pause)).await?)
}

/// Returns whether only a person can help with what this closed build leaves behind.
pub(crate) fn is_hopeless(record: &BuildRecord, now: Timestamp) -> bool {
    let at = record.ending.as_ref().and_then(|ending| ending.at.as_ref()?.parse::<Timestamp>().ok());
    at.is_some_and(|at| now >= at + HOPELESS)
}

/// Records the resources of a build that the sweep could not remove and that the reaper no longer checks, because they
/// were kept for a while or made too late.
///
/// # Errors
/// Fails if a call to the table fails.
pub(crate) async fn take_in(context: &Context, record: &BuildRecord, left: Vec<LeftBehind>) -> Result<()> {
    let is_known = |one: &LeftBehind| {
        let mut known = record.after.left.iter();
        known.any(|known| known.what == one.what && known.region == one.region)
    };
    let new: Vec<LeftBehind> = left.into_iter().filter(|one| !is_known(one)).collect();
    if new.is_empty() {
        return Ok(());
    }
    // The pauses begin with the shortest one again, because what is left is new.
    let mut after = Aftermath { looks: 0, ..record.after.clone() };
    after.left.extend(new);
    Ok(context.store.owe_again(record, &after, context.clock.now()).await?)
}

/// Marks the resources that are kept.
async fn tag(context: &Context, record: &BuildRecord, kept: &Kept, after: &mut Aftermath) {
    let Some(ending) = record.ending.as_ref().filter(|_| after.is_untagged) else { return };
    match Box::pin(mark_kept(context, record, &ending.keep, kept)).await {
        Ok(()) => after.is_untagged = false,
        Err(error) => tracing::warn!(%error, build = record.build, "what is kept is not tagged yet"),
    }
}

/// Tells everyone of the build's end: first the bus, and then the topic of the build's plan.
///
/// # Errors
/// Fails if a call to the table fails.
async fn announce(context: &Context, record: &BuildRecord, image: &ImageRecord, after: &mut Aftermath) -> Result<()> {
    let was_untold = after.is_untold;
    tell(context, record, image, after).await;
    if after.is_unnotified {
        // A topic in a Region that never answers ends this process, and then the event must not be sent again.
        if was_untold && !after.is_untold {
            context.store.look_again(record, after, Some(context.clock.now() + LATE)).await?;
        }
        notify(context, record, image, after).await;
    }
    Ok(())
}

/// Puts the event of the build's end on the bus, and tells `trigger` which builds can start now.
async fn tell(context: &Context, record: &BuildRecord, image: &ImageRecord, after: &mut Aftermath) {
    if !after.is_untold {
        return;
    }
    // Only the caller records that the event is sent. If the process dies before that, the event is sent twice.
    match emit(context, record, image, &after.left).await {
        Ok(()) => after.is_untold = false,
        Err(error) => tracing::warn!(%error, build = record.build, "the event of the build's end is not sent yet"),
    }
    // If this fails, the reaper and the next check of sources find what can be built.
    if let Err(error) = go_on(context, record).await {
        tracing::warn!(%error, build = record.build, "the next tick will start what can be built now");
    }
}

async fn emit(context: &Context, record: &BuildRecord, image: &ImageRecord, left: &[LeftBehind]) -> Result<()> {
    let news = news::news(context, record, image, left).await?;
    Ok(context.cloud.events.emit(news.detail_type, &news.resources, &news.detail.to_string()).await?)
}

/// Sends the message about the build's end to the topic of its plan.
async fn notify(context: &Context, record: &BuildRecord, image: &ImageRecord, after: &mut Aftermath) {
    let Some(topic) = record.plan.topic.as_ref().filter(|_| after.is_unnotified) else { return };
    match publish(context, topic, record, image, &after.left).await {
        Ok(()) => after.is_unnotified = false,
        Err(error) => {
            tracing::warn!(%error, build = record.build, topic, "the topic has no message of the build's end yet")
        }
    }
}

async fn publish(
    context: &Context,
    topic: &str,
    record: &BuildRecord,
    image: &ImageRecord,
    left: &[LeftBehind],
) -> Result<()> {
    let news = news::news(context, record, image, left).await?;
    let message = message::message(&context.config, record, image, &news);
    Ok(context.cloud.topics.publish(topic, &message).await?)
}

async fn go_on(context: &Context, record: &BuildRecord) -> Result<()> {
    let is_published = record.ending.as_ref().is_some_and(|ending| ending.keep == Keep::Published);
    // Other pipelines take an image that needs an approval only once it is approved.
    if is_published && !record.plan.overridden && record.plan.is_build() && record.plan.approval.is_none() {
        let published = Published { pipeline: record.pipeline.clone(), image: record.image.clone() };
        trigger::call(context, &Call::Published(published)).await?;
    }
    if !context.store.pending_causes(&record.pipeline).await?.is_empty() {
        trigger::call(context, &Call::Pending(record.pipeline.clone())).await?;
    }
    Ok(())
}

async fn ended_at(context: &Context, record: &BuildRecord) -> Result<Timestamp> {
    let image = context.store.image(&record.image).await?;
    let ended = image.and_then(|image| image.ended_at?.parse().ok());
    Ok(ended.unwrap_or(Timestamp::MIN))
}

#[cfg(test)]
mod tests;
