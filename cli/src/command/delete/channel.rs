//! `goldsmith delete channel/PIPELINE/CHANNEL`

use anyhow::Result;
use goldsmith_model::{ImageRef, Name};
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::channel_move::{delete, points_to};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};

/// A channel that was deleted.
#[derive(Debug, Serialize)]
struct Deleted {
    pipeline: Name,
    channel: Name,
    /// The image to which the channel pointed.
    image: ImageRef,
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![format!("deleted  channel/{}/{}", self.pipeline, self.channel)]
    }
}

pub(super) async fn run(globals: &Globals, pipeline: &Name, channel: &Name, yes: bool) -> Result<Exit> {
    let (connection, by) = Connection::open_as(globals).await?;
    let image = points_to(&connection, pipeline, channel).await?;
    output::say(&format!("The channel {channel} of {pipeline} points to {image}."));
    if !consents("Delete the channel?", "nothing was deleted", yes)? {
        output::say("Nothing was deleted.");
        return Ok(Exit::Success);
    }
    delete(&connection, pipeline, channel, &by).await?;
    output::show(globals, &Deleted { pipeline: pipeline.clone(), channel: channel.clone(), image })?;
    Ok(Exit::Success)
}
