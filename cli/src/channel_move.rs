//! Moves a channel of a pipeline to another image, together with the parameters that follow it.

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_document::did_you_mean;
use goldsmith_model::{ImageRef, Name};
use goldsmith_store::{ChannelMove, ImageRecord, ImageStatus, StoreError, earlier, stamp};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::output::{self, Show};
use crate::pointers::{Failed, Pointer, Restored, Unchanged, aimed, point, pointers};
use crate::render::{columns, status};

/// A move of a channel, before or after it is made.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Moving {
    pipeline: Name,
    channel: Name,
    /// The image to which the channel points before the move, or `None` if the channel is new.
    from: Option<ImageRef>,
    pub(crate) to: ImageRef,
    parameters: Vec<Pointer>,
    #[serde(skip)]
    last: Option<ChannelMove>,
    #[serde(skip)]
    image: ImageRecord,
    #[serde(skip)]
    is_rollback: bool,
}

impl Moving {
    /// Returns what changes, as rows of a table for people.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let from = self.from.as_ref().map_or_else(|| "new".to_owned(), ImageRef::to_string);
        let row = vec![self.pipeline.to_string(), self.channel.to_string(), from, "→".to_owned(), self.to.to_string()];
        std::iter::once(row).chain(self.parameters.iter().map(Pointer::row)).collect()
    }

    /// Returns whether the channel does not exist yet.
    pub(crate) fn is_new(&self) -> bool {
        self.from.is_none()
    }

    /// Shows the move and these remarks, and asks whether to make it. Returns the answer.
    ///
    /// # Errors
    /// Nobody can answer, and `yes` is not given.
    pub(crate) fn ask(&self, remarks: &[String], question: &str, yes: bool) -> Result<bool> {
        columns(&self.rows()).iter().chain(remarks).for_each(|line| output::say(line));
        let consents = consents(question, "nothing was changed", yes)?;
        if !consents {
            output::say("Nothing was changed.");
        }
        Ok(consents)
    }

    /// Rejects the move if it would be another one now: somebody may have moved the channel, or disabled the image, while
    /// the question waited for its answer.
    pub(crate) fn require_still(&self, now: &Self) -> Result<()> {
        if self.is_still(now) {
            return Ok(());
        }
        Err(invalid("the channel or its parameters have changed in the meantime: call the command again"))
    }

    /// Returns whether the move would still be the same now.
    fn is_still(&self, now: &Self) -> bool {
        let number = |one: &Self| one.last.as_ref().map(|last| last.number);
        let held = |one: &Self| one.parameters.iter().map(|one| one.now.clone()).collect::<Vec<_>>();
        number(self) == number(now) && self.to == now.to && held(self) == held(now)
    }
}

impl Show for Moving {
    /// Returns only the outcome, because the changes were shown before they were made.
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![format!("The channel {} of {} points to {}.", self.channel, self.pipeline, self.to)]
    }
}

/// Returns the move of a channel to an image, or an error if it is not allowed. Changes nothing.
pub(crate) async fn plan(connection: &Connection, image: &ImageRecord, channel: &Name) -> Result<Moving> {
    let (store, pipeline) = (&connection.store, &image.pipeline);
    if image.overridden {
        let message = format!("{} was started with overrides, so it is never published", image.image);
        return Err(invalid(message));
    }
    if image.status != ImageStatus::Available || !image.is_in_use() {
        return Err(invalid(format!("{} is {}, so no channel can point to it", image.image, status(image))));
    }
    // A build that fails would let the parameters name what they named when it began.
    if let Some(build) = store.running_build(pipeline).await?
        && let Some(record) = store.build(&build).await?
        && record.plan.channel.as_ref() == Some(channel)
        && record.image != image.image
    {
        return Err(invalid(format!(
            "the build {build} of `{pipeline}` is running and moves the channel `{channel}`: wait for it or cancel it first"
        )));
    }
    let parameters = following(connection, image, channel).await?;
    // A parameter gives the image to others, and after a change of the definition, parameters may follow another channel
    // than the one whose promotion approves this image.
    if let Some(awaited) = image.awaited().filter(|awaited| *awaited != channel)
        && !parameters.is_empty()
        && store.build(&image.build).await?.is_none_or(|build| build.plan.channel.as_ref() != Some(channel))
    {
        let image = &image.image;
        return Err(invalid(format!(
            "nobody has approved {image}: `goldsmith promote {image} --to {awaited}` approves it"
        )));
    }
    let last = store.channel(pipeline, channel).await?;
    Ok(Moving {
        pipeline: pipeline.clone(),
        channel: channel.clone(),
        from: last.as_ref().and_then(|last| last.to.clone()),
        to: image.image.clone(),
        parameters,
        last,
        image: image.clone(),
        is_rollback: false,
    })
}

/// Returns the parameters that follow a channel of the image's pipeline, to name the image. A pipeline that was deleted
/// has none.
async fn following(connection: &Connection, image: &ImageRecord, channel: &Name) -> Result<Vec<Pointer>> {
    let Some(pipeline) = connection.store.pipeline(&image.pipeline).await? else { return Ok(Vec::new()) };
    aimed(connection, pointers(connection, &pipeline, Some(channel)).await?, image).await
}

/// Returns the move of a channel back to an earlier image that can be used and is not among these.
pub(crate) async fn plan_back(
    connection: &Connection,
    pipeline: &Name,
    channel: &Name,
    except: &BTreeSet<ImageRef>,
) -> Result<Moving> {
    let now = points_to(connection, pipeline, channel).await?;
    for image in earlier(&connection.store.channel_moves(pipeline, channel).await?) {
        if except.contains(&image) {
            continue;
        }
        let record = connection.store.image(&image).await?;
        if let Some(record) = record
            .filter(|one| one.status == ImageStatus::Available && one.is_in_use() && one.awaited() != Some(channel))
        {
            return Ok(Moving { is_rollback: true, ..plan(connection, &record, channel).await? });
        }
    }
    Err(invalid(format!("the channel `{channel}` of `{pipeline}` has no image before {now} that can be used")))
}

/// Returns the move of a channel back to this image.
pub(crate) async fn plan_back_to(connection: &Connection, image: &ImageRecord, channel: &Name) -> Result<Moving> {
    points_to(connection, &image.pipeline, channel).await?;
    if image.awaited() == Some(channel) {
        let image = &image.image;
        return Err(invalid(format!(
            "nobody has approved {image}: `goldsmith promote {image} --to {channel}` approves it"
        )));
    }
    Ok(Moving { is_rollback: true, ..plan(connection, image, channel).await? })
}

/// Returns the image to which a channel points, or an error with the most similar name if there is no such channel.
pub(crate) async fn points_to(connection: &Connection, pipeline: &Name, channel: &Name) -> Result<ImageRef> {
    if let Some(image) = connection.store.channel(pipeline, channel).await?.and_then(|last| last.to) {
        return Ok(image);
    }
    let known = connection.store.channels(pipeline).await?;
    let near = did_you_mean(channel.as_str(), known.iter().map(|one| one.channel.as_str()));
    let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(invalid(format!("the pipeline `{pipeline}` has no channel `{channel}`{help}")))
}

/// Moves the channel and its parameters. If a parameter cannot be changed, the channel moves back, and all parameters
/// get their old values again. If the channel cannot move back, for example because its old image was revoked, everything
/// stays as far as it has come, and the error says how to finish it. Safe to repeat.
pub(crate) async fn carry_out(connection: &Connection, moving: &Moving, by: &str, reason: Option<&str>) -> Result<()> {
    let Moving { pipeline, channel, .. } = moving;
    let mut made = None;
    if let Some(last) = moving.last.as_ref().filter(|last| last.to.as_ref() == Some(&moving.to)) {
        connection.store.confirm_channel(pipeline, last).await.map_err(|error| taken(error, moving))?;
    } else {
        let next = step(moving, moving.last.as_ref(), Some(moving.to.clone()), by, reason);
        let next = ChannelMove { is_rollback: moving.is_rollback, ..next };
        // The channel comes before its parameters: of two people who move it at once, only one goes on from here.
        connection.store.move_channel(pipeline, &next).await.map_err(|error| taken(error, moving))?;
        made = Some(next);
    }
    let (mut image, mut parameters) = (moving.image.clone(), moving.parameters.clone());
    loop {
        let is_ours = async || match connection.store.channel(pipeline, channel).await {
            Ok(last) => last.is_none_or(|last| last.to.is_none_or(|to| to == image.image)),
            // Without an answer, this call goes on: most likely nobody has moved the channel.
            Err(_) => true,
        };
        let is_done = match point(connection, &parameters, is_ours).await {
            Ok(()) => true,
            Err(Unchanged::TakenOver) => false,
            Err(Unchanged::Failed(failed)) => {
                return Err(undo(connection, moving, made.as_ref(), by, &image.image, failed).await);
            }
        };
        let now = connection.store.channel(pipeline, channel).await?.and_then(|last| last.to);
        // Somebody may have moved the channel again while this call wrote its parameters. Whoever writes last must
        // write the image to which the channel points by then.
        match now.filter(|now| *now != image.image) {
            Some(next) => {
                let Some(record) = connection.store.image(&next).await? else { return Err(moved_on(moving, &next)) };
                parameters = following(connection, &record, channel).await?;
                image = record;
            }
            None if is_done && image.image == moving.to => return Ok(()),
            None if is_done => return Err(moved_on(moving, &image.image)),
            None => {}
        }
    }
}

/// Returns the move of the channel to an image, or to none, as the one after `last`.
fn step(
    moving: &Moving,
    last: Option<&ChannelMove>,
    to: Option<ImageRef>,
    by: &str,
    reason: Option<&str>,
) -> ChannelMove {
    let next = ChannelMove::after(last, &moving.channel, to, stamp(Timestamp::now()), by.to_owned());
    ChannelMove { reason: reason.map(str::to_owned), ..next }
}

/// Undoes the move if this call has made it, and returns the reason. `to` is the image that the parameters were to name.
async fn undo(
    connection: &Connection,
    moving: &Moving,
    made: Option<&ChannelMove>,
    by: &str,
    to: &ImageRef,
    failed: Failed<'_>,
) -> anyhow::Error {
    let Moving { pipeline, channel, .. } = moving;
    // Without a move, the channel pointed to the image before, and each parameter that names it is right.
    let Some(made) = made else { return unfinished(moving, to, "", &failed.error) };
    let undo = step(moving, Some(made), moving.from.clone(), by, Some("its parameters could not be changed"));
    // The channel comes before its parameters: it returns only to an image that can be used, and from then on nobody
    // deletes that image before the parameters name it again.
    match connection.store.move_channel(pipeline, &ChannelMove { is_rollback: true, ..undo }).await {
        Ok(()) => match failed.restore(connection).await {
            Restored::All(error) | Restored::NotAll(error) => error,
        },
        Err(StoreError::Conflict { .. }) if has_moved_on(connection, moving, made).await => {
            failed.error.context(format!(
                "somebody has moved the channel `{channel}` of `{pipeline}` in the meantime, so it does not return"
            ))
        }
        Err(StoreError::Conflict { .. }) => {
            let from = moving.from.as_ref().map(ImageRef::to_string).unwrap_or_default();
            let why = format!("The channel does not return to {from}, because that image can no longer be used. ");
            unfinished(moving, to, &why, &failed.error)
        }
        Err(other) => unfinished(moving, to, &format!("The channel could not return: {other}. "), &failed.error),
    }
}

/// Returns whether somebody has moved the channel since this move.
async fn has_moved_on(connection: &Connection, moving: &Moving, made: &ChannelMove) -> bool {
    let now = connection.store.channel(&moving.pipeline, &moving.channel).await;
    now.is_ok_and(|now| now.is_none_or(|now| now.number != made.number))
}

/// Returns the error of a call after which the channel points to an image that not all of its parameters name.
fn unfinished(moving: &Moving, to: &ImageRef, why: &str, error: &anyhow::Error) -> anyhow::Error {
    let Moving { pipeline, channel, .. } = moving;
    let message = format!(
        "{error:#}. The channel `{channel}` of `{pipeline}` points to {to}, but not all of its parameters name {to}. \
         {why}`goldsmith promote {to} --to {channel}` sets the other parameters"
    );
    Stop { exit: Exit::Aws, message }.into()
}

/// Returns the error of a call after which somebody else has moved the channel to this image.
fn moved_on(moving: &Moving, to: &ImageRef) -> anyhow::Error {
    let message =
        format!("somebody has moved the channel `{}` of `{}` to {to} in the meantime", moving.channel, moving.pipeline);
    Stop { exit: Exit::Failed, message }.into()
}

/// Deletes a channel. The parameters of the channel are not changed.
pub(crate) async fn delete(connection: &Connection, pipeline: &Name, channel: &Name, by: &str) -> Result<()> {
    let last = connection.store.channel(pipeline, channel).await?;
    let step = ChannelMove::after(last.as_ref(), channel, None, stamp(Timestamp::now()), by.to_owned());
    Ok(connection.store.move_channel(pipeline, &step).await?)
}

fn taken(error: StoreError, moving: &Moving) -> anyhow::Error {
    match error {
        StoreError::Conflict { .. } => invalid(format!(
            "the channel `{}` or the image {} has changed in the meantime: call the command again",
            moving.channel, moving.to
        )),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
