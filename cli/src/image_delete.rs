//! Deletes an image in all of its Regions.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::Kind;
use goldsmith_store::{ImageLife, ImageRecord};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::output::Show;

/// An image that was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    image: String,
    /// The AMIs, by Region.
    amis: BTreeMap<String, String>,
    /// Snapshots that stay because another AMI uses them, by Region.
    snapshots_left: BTreeMap<String, Vec<String>>,
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let amis = self.amis.iter().map(|(region, ami)| format!("deleted  {region}  {ami}"));
        let left = self.snapshots_left.iter().flat_map(|(region, ids)| {
            ids.iter().map(move |id| format!("stays    {region}  {id}  another AMI uses this snapshot"))
        });
        amis.chain(left).chain([format!("{} is deleted", self.image)]).collect()
    }
}

/// Deregisters the AMIs and deletes their snapshots. Safe to repeat: a later call continues where this one stopped.
pub(crate) async fn delete(connection: &Connection, image: &ImageRecord) -> Result<Deleted> {
    // An image of which some AMIs may be gone must not look like a whole one. Builds do not start from it any more.
    if image.is_in_use() {
        connection.store.set_life(&image.image, Some(ImageLife::Disabled)).await?;
    }
    let mut snapshots_left = BTreeMap::new();
    for (region, ami) in &image.amis {
        connection.cloud.images.deregister(region, ami).await?;
        let mut left = Vec::new();
        // An AMI that an earlier call has deregistered no longer names its snapshots.
        for snapshot in image.snapshots.get(region).into_iter().flatten() {
            match connection.cloud.images.delete_snapshot(region, snapshot).await {
                Err(error) if error.kind == Kind::WrongState => left.push(snapshot.clone()),
                other => other?,
            }
        }
        if !left.is_empty() {
            snapshots_left.insert(region.clone(), left);
        }
    }
    connection.store.set_life(&image.image, Some(ImageLife::Deleted)).await?;
    Ok(Deleted { image: image.image.to_string(), amis: image.amis.clone(), snapshots_left })
}
