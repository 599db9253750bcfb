//! `goldsmith rollback PIPELINE`

mod channel;
mod resumable;

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_model::{ImagePipeline, ImageRef, Name};
use goldsmith_store::{ImageRecord, Rollback};
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::pointers::{Pointer, aimed, pointers};
use crate::render::{columns, status};
use crate::switch::find;
use resumable::{before, roll_back};

/// Make the parameters or a channel of a pipeline name an earlier image again.
///
/// With --channel, the channel and the parameters that follow it return to the channel's previous image.
/// Without --channel, the parameters that follow no channel name an earlier image.
///
/// Changes the parameters in all Regions or in none: if one of them cannot be changed, the others get their old values
/// back. If the command is interrupted, the same call finishes the rollback. To undo a rollback, use `--to` with the
/// image that the parameters named before.
///
/// The next build that publishes an image makes the parameters name the new image. `goldsmith disable PIPELINE`
/// prevents automatic builds. A recipe with `pipeline:NAME` does not read parameters: to keep it from starting from the
/// newer image, use `goldsmith disable IMAGE`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline.
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// The image that the parameters will name, as NAME/VERSION/BUILD. By default, this is the image that was published
    /// before the one that the parameters name now.
    #[arg(long, value_name = "IMAGE")]
    to: Option<ImageRef>,
    /// The channel to move back. If it is absent, the parameters that follow no channel change.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<Name>,
    /// The reason, which the history of the channel shows.
    #[arg(long, value_name = "TEXT", requires = "channel")]
    reason: Option<String>,
    /// Change the parameters without asking.
    #[arg(long)]
    yes: bool,
}

/// What a rollback will change.
struct Planned {
    /// The image that the parameters will name.
    image: ImageRecord,
    pointers: Vec<Pointer>,
    /// An interrupted rollback that this one replaces.
    interrupted: Option<Rollback>,
}

impl Planned {
    fn lines(&self) -> Vec<String> {
        columns(&self.pointers.iter().map(Pointer::row).collect::<Vec<_>>())
    }
}

/// The changes of a rollback.
#[derive(Debug, Serialize)]
struct RolledBack {
    pipeline: String,
    image: ImageRef,
    parameters: Vec<Pointer>,
}

impl Show for RolledBack {
    /// Returns only the outcome, because the changes were shown before they were made.
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![format!("The parameters of {} name {}.", self.pipeline, self.image)]
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    if let Some(channel) = &args.channel {
        return channel::run(globals, args, channel).await;
    }
    let connection = Connection::open(globals).await?;
    let pipeline = find(&connection, &args.pipeline).await?;
    let planned = plan(&connection, &pipeline, args.to.as_ref()).await?;
    if let Some(Rollback { at, image, .. }) = &planned.interrupted {
        output::say(&format!(
            "The rollback to {image} of {at} has not ended. It was interrupted, or still runs elsewhere."
        ));
    }
    planned.lines().iter().for_each(|line| output::say(line));
    let image = &planned.image.image;
    if !consents(&format!("Set them to {image}?"), "nothing was changed", args.yes)? {
        output::say("Nothing was changed.");
        return Ok(Exit::Success);
    }
    // A build may have begun, or moved the parameters, while the question waited for its answer.
    let again = plan(&connection, &pipeline, Some(image)).await?;
    let held = |planned: &Planned| planned.pointers.iter().map(|one| one.now.clone()).collect::<Vec<_>>();
    if held(&again) != held(&planned) || again.interrupted != planned.interrupted {
        return Err(invalid("the parameters have changed in the meantime: call the command again"));
    }
    roll_back(&connection, &pipeline, &again).await?;
    let Planned { image, pointers, .. } = again;
    let done = RolledBack { pipeline: pipeline.name.to_string(), image: image.image, parameters: pointers };
    output::show(globals, &done)?;
    Ok(Exit::Success)
}

/// Returns the image that the parameters will name, and the changes. Changes nothing.
///
/// If an interrupted rollback has changed a parameter, its earlier value counts, so the same call leads to the same
/// image.
async fn plan(connection: &Connection, pipeline: &ImagePipeline, to: Option<&ImageRef>) -> Result<Planned> {
    // A failed build would let the parameters name what they named when it began.
    if let Some(build) = connection.store.running_build(&pipeline.name).await? {
        let name = &pipeline.name;
        return Err(invalid(format!(
            "the build {build} of `{name}` is running and may change the parameters: cancel it first"
        )));
    }
    let mut images = connection.store.images_of_pipeline(&pipeline.name).await?;
    images.retain(ImageRecord::is_published);
    images.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    let interrupted = connection.store.rollback(&pipeline.name).await?;
    let mut current = written(connection, pipeline).await?;
    if let Some(interrupted) = &interrupted {
        current = before(connection, current, interrupted).await?;
    }
    if current.is_empty() {
        return Err(invalid(format!("the pipeline `{}` writes no parameters", pipeline.name)));
    }
    let image = match to {
        Some(to) => images
            .iter()
            .find(|image| image.image == *to)
            .ok_or_else(|| invalid(format!("the pipeline `{}` has not published {to}", pipeline.name)))?,
        None => previous(&images, &current)?,
    };
    if !image.is_in_use() {
        return Err(invalid(format!("{} is {}: `goldsmith enable` it first", image.image, status(image))));
    }
    let pointers = aimed(connection, current, image).await?;
    Ok(Planned { image: image.clone(), pointers, interrupted })
}

/// Returns the parameters that each build of the pipeline writes. The other parameters follow their channels.
async fn written(connection: &Connection, pipeline: &ImagePipeline) -> Result<Vec<Pointer>> {
    let pointers = pointers(connection, pipeline, None).await?;
    if let Some(Pointer { region, name, .. }) = pointers.iter().find(|pointer| pointer.now.is_none()) {
        return Err(invalid(format!("the parameter {name} does not exist in {region}: a build makes it")));
    }
    Ok(pointers)
}

/// Returns the newest usable image that is older than the one in the parameters.
fn previous<'i>(images: &'i [ImageRecord], current: &[Pointer]) -> Result<&'i ImageRecord> {
    let named: BTreeSet<&str> = current.iter().filter_map(|pointer| pointer.from.as_deref()).collect();
    let names = |image: &&ImageRecord| image.amis.values().any(|ami| named.contains(ami.as_str()));
    let found: Vec<&ImageRecord> = images.iter().filter(names).collect();
    let [now] = found[..] else {
        return Err(invalid("the parameters do not name one image of this pipeline: choose the image with --to"));
    };
    let older = images.iter().find(|image| image.created_at < now.created_at && image.is_in_use());
    older.ok_or_else(|| invalid(format!("there is no image before {} that can be used", now.image)))
}

#[cfg(test)]
mod tests;
