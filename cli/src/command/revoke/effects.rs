//! The effects of a revocation on images, channels, pipelines and builds.

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_model::{ImageRef, Name};
use goldsmith_states::life::{By, Reference};
use goldsmith_store::{ChannelMove, ImageRecord, ImageStatus, descendants, made_stale};

use crate::args::Globals;
use crate::channel_move::{Moving, plan_back};
use crate::connection::Connection;
use crate::exit::plain;
use crate::image_switch::refuse;
use crate::render::{columns, status};

/// The effects of a revocation. None of them has happened yet.
#[derive(Debug)]
pub(super) struct Effects {
    /// The images to revoke: the named image first, and each parent before its children.
    pub(super) revoked: Vec<ImageRecord>,
    /// Images that were built on the named image and are not changed.
    built: Vec<ImageRecord>,
    /// Images that are being built on the named image.
    building: Vec<ImageRecord>,
    /// The channels to move back.
    pub(super) moved: Vec<Moving>,
    /// The channels that will point to a revoked image.
    pointing: Vec<(Name, ChannelMove)>,
    /// The other references to the named image.
    references: Vec<Reference>,
    /// The pipelines that must be built again, a parent before its children.
    pub(super) rebuild: Vec<Name>,
}

/// Returns the effects of the revocation of an image, or an error if an image or a channel prevents it.
pub(super) async fn effects(
    connection: &Connection,
    image: &ImageRecord,
    cascade: bool,
    move_channels: bool,
) -> Result<Effects> {
    refuse(connection, image).await?;
    let all = connection.store.all_images().await?;
    let below = descendants(image, &all);
    let mut affected = vec![image];
    affected.extend(&below);
    let mut rebuild = Vec::new();
    for pipeline in made_stale(&affected, &all) {
        // A pipeline that was deleted builds nothing any more.
        if connection.store.pipeline(pipeline).await?.is_some() {
            rebuild.push(pipeline.clone());
        }
    }
    let (building, built): (Vec<ImageRecord>, Vec<ImageRecord>) =
        below.into_iter().cloned().partition(|one| one.status == ImageStatus::Building);
    let mut revoked = vec![image.clone()];
    let built = if cascade {
        revoked.extend(built);
        Vec::new()
    } else {
        built
    };
    for one in &revoked[1..] {
        refuse(connection, one).await?;
    }
    let mut pointing = pointing(connection, &revoked).await?;
    let mut moved = Vec::new();
    if move_channels {
        let except: BTreeSet<ImageRef> = revoked.iter().map(|one| one.image.clone()).collect();
        for (pipeline, last) in std::mem::take(&mut pointing) {
            moved.push(plan_back(connection, &pipeline, &last.channel, &except).await?);
        }
    }
    let mut references = connection.references().of(image).await.map_err(plain)?;
    // These are listed by themselves, and the next build does not start from a revoked image.
    references.retain(|one| !matches!(one.by, By::Child(_) | By::Channel(_) | By::Pipeline(_)));
    Ok(Effects { revoked, built, building, moved, pointing, references, rebuild })
}

/// Returns the channels that point to one of these images, with their pipelines.
async fn pointing(connection: &Connection, images: &[ImageRecord]) -> Result<Vec<(Name, ChannelMove)>> {
    let pipelines: BTreeSet<&Name> = images.iter().map(|one| &one.pipeline).collect();
    let mut found = Vec::new();
    for pipeline in pipelines {
        let channels = connection.store.channels(pipeline).await?.into_iter();
        let points = |one: &ChannelMove| images.iter().any(|image| Some(&image.image) == one.to.as_ref());
        found.extend(channels.filter(points).map(|one| (pipeline.clone(), one)));
    }
    Ok(found)
}

impl Effects {
    /// Returns the effects in words for people.
    pub(super) fn lines(&self, globals: &Globals) -> Vec<String> {
        let again = globals.again();
        let image = |one: &ImageRecord| vec![one.image.to_string(), status(one), one.pipeline.to_string()];
        let mut lines = Vec::new();
        let mut part = |head: &str, rows: Vec<Vec<String>>| {
            if !rows.is_empty() {
                lines.push(head.to_owned());
                lines.extend(columns(&rows).iter().map(|line| format!("  {line}")));
            }
        };
        part("These images are revoked:", self.revoked.iter().map(image).collect());
        part("These were built on it, and stay (--cascade revokes them too):", self.built.iter().map(image).collect());
        let cancel = |one: &ImageRecord| vec![one.image.to_string(), format!("{again} cancel {}", one.build)];
        part("These are being built on it. Cancel their builds:", self.building.iter().map(cancel).collect());
        part("These channels move:", self.moved.iter().flat_map(Moving::rows).collect());
        let channel = |(pipeline, one): &(Name, ChannelMove)| {
            vec![
                pipeline.to_string(),
                one.channel.to_string(),
                one.to.as_ref().map(ImageRef::to_string).unwrap_or_default(),
            ]
        };
        let head = "These channels will point to a revoked image (--move-channels moves them back):";
        part(head, self.pointing.iter().map(channel).collect());
        part(
            "These refer to it, and can launch nothing from it any more:",
            self.references.iter().map(Reference::row).collect(),
        );
        part("These pipelines must be built again:", self.rebuild.iter().map(|one| vec![one.to_string()]).collect());
        lines
    }
}
