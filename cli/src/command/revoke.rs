//! `goldsmith revoke IMAGE`

mod effects;

use anyhow::Result;
use goldsmith_model::{ImageRef, Name};
use goldsmith_store::{ImageRecord, Revocation, stamp};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::channel_move::{Moving, carry_out};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::count_in_words;
use crate::{image_switch, target};
use effects::{Effects, effects};

/// Disable an image that must no longer be used, and name everything that was built on it.
///
/// Nobody can launch an instance from a revoked image, in any Region, and no build starts from it. Instances of it keep
/// running. Unlike a disabled image, it cannot be enabled unless --undo removes the revocation.
///
/// The command lists the images that were built on the image, directly or through other images; the pipelines that must
/// be built again; and the channels that point to the image. The command then asks before it changes anything.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image, as NAME/VERSION/BUILD, or the id of its build.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Why the image must no longer be used. `goldsmith show` and every later message about the image contain this
    /// reason.
    #[arg(long, value_name = "TEXT", required_unless_present = "undo", conflicts_with = "undo")]
    reason: Option<String>,
    /// Also revoke the images that were built on the image.
    #[arg(long, conflicts_with = "undo")]
    cascade: bool,
    /// Move the channels that point to a revoked image back to an earlier image.
    #[arg(long, conflicts_with = "undo")]
    move_channels: bool,
    /// Remove the revocation of this image, and enable it again.
    #[arg(long)]
    undo: bool,
    /// Revoke without asking.
    #[arg(long)]
    yes: bool,
}

/// The images that were revoked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    revoked: Vec<ImageRef>,
    reason: String,
    moved: Vec<Moving>,
    /// The pipelines that must be built again, in this order.
    rebuild: Vec<Name>,
}

impl Show for Revoked {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let moved = self.moved.iter().filter_map(|one| one.lines(globals).pop());
        moved.chain(self.revoked.iter().map(|image| format!("{image} is revoked"))).collect()
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        if self.rebuild.is_empty() {
            return Vec::new();
        }
        // A build of a child starts from the parent's newest image, so the order matters.
        let mut lines = vec!["Build these pipelines again, in this order:".to_owned()];
        lines.extend(self.rebuild.iter().map(|pipeline| format!("  {} build {pipeline}", globals.again())));
        lines
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (connection, by) = Connection::open_as(globals).await?;
    let image = target::image(&connection.store, &args.image).await?;
    let Some(reason) = &args.reason else {
        return undo(globals, &connection, &image).await;
    };
    let effects = effects(&connection, &image, args.cascade, args.move_channels).await?;
    effects.lines(globals).iter().for_each(|line| output::say(line));
    let question = format!("Revoke {}?", count_in_words(effects.revoked.len(), "image"));
    if !consents(&question, "nothing was revoked", args.yes)? {
        output::say("Nothing was revoked.");
        return Ok(Exit::Success);
    }
    output::show(globals, &revoke(&connection, effects, reason, &by).await?)?;
    Ok(Exit::Success)
}

/// Moves the channels, then revokes the images. Safe to repeat: a later call continues where this one stopped.
async fn revoke(connection: &Connection, effects: Effects, reason: &str, by: &str) -> Result<Revoked> {
    let because = format!("{} was revoked: {reason}", effects.revoked[0].image);
    // The channels come first: whoever follows one must not get an image that can no longer be launched.
    for moving in &effects.moved {
        carry_out(connection, moving, by, Some(&because)).await?;
    }
    let at = stamp(Timestamp::now());
    for (index, image) in effects.revoked.iter().enumerate() {
        let reason = if index == 0 { reason } else { &because };
        let revocation = Revocation { at: at.clone(), by: by.to_owned(), reason: reason.to_owned() };
        image_switch::revoke(connection, image, &revocation).await?;
    }
    let revoked = effects.revoked.into_iter().map(|image| image.image).collect();
    Ok(Revoked { revoked, reason: reason.to_owned(), moved: effects.moved, rebuild: effects.rebuild })
}

/// Removes the revocation, and enables the image.
async fn undo(globals: &Globals, connection: &Connection, image: &ImageRecord) -> Result<Exit> {
    image_switch::refuse(connection, image).await?;
    connection.store.forgive(&image.image).await?;
    // From here on it is a disabled image, which `goldsmith enable` enables too if this fails.
    let disabled = ImageRecord { revoked: None, ..image.clone() };
    output::show(globals, &image_switch::enable(connection, &disabled).await?)?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests;
