//! Parameters that a function puts after `finish` has looked: unlike all else that is made, they carry no tag by which the
//! sweep would find them. So the build is looked at once more when no function of it can run any longer.

use goldsmith_store::BuildRecord;
use jiff::{SignedDuration, Timestamp};

use super::kept_now;
use crate::undo::undo_parameters;
use crate::{Context, Result};

/// After this time no function runs any more that ran when its build was closed: their time-out (`infra/template.yaml`),
/// and a little.
pub const LATE: SignedDuration = SignedDuration::from_secs(150);
/// When a parameter that could not be put back is tried again.
const AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// How long after the build's end it is tried.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);

/// Looks at the parameters of a closed build again. Safe to repeat.
pub(crate) async fn look_again(context: &Context, record: &BuildRecord) -> Result<()> {
    let (kept, _) = kept_now(context, record).await?;
    let effects = context.store.all_effects(&record.build).await?;
    let now = context.clock.now();
    // A Region that never answers must not be asked at every tick.
    let are_back = kept.parameters
        || undo_parameters(context, &effects).await.unwrap_or_else(|error| {
            tracing::warn!(%error, build = record.build, "a parameter is not put back yet");
            false
        });
    if !are_back && now < ended_at(context, record).await? + GIVE_UP {
        return Ok(context.store.look_at(record, now + AGAIN).await?);
    }
    if !are_back {
        tracing::error!(build = record.build, "a parameter of this build stays as the build has put it");
    }
    Ok(context.store.look_no_more(record).await?)
}

async fn ended_at(context: &Context, record: &BuildRecord) -> Result<Timestamp> {
    let image = context.store.image(&record.image).await?;
    let ended = image.and_then(|image| image.ended_at?.parse().ok());
    Ok(ended.unwrap_or(Timestamp::MIN + GIVE_UP))
}

#[cfg(test)]
mod tests;
