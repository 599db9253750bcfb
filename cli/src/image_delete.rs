//! Deletes an image in all of its Regions.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::Kind;
use goldsmith_store::{ImageLife, ImageRecord};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::output::Show;
use crate::references::{Reference, References};
use crate::tags::TAG_BUILD;

/// An image that was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    image: String,
    /// The AMIs, by Region.
    amis: BTreeMap<String, String>,
    /// Snapshots that stay because another AMI uses them, by Region.
    snapshots_left: BTreeMap<String, Vec<String>>,
}

impl Deleted {
    /// Returns a line for each snapshot that stays.
    pub(crate) fn left(&self) -> impl Iterator<Item = String> {
        self.snapshots_left.iter().flat_map(|(region, ids)| {
            ids.iter().map(move |id| format!("stays    {region}  {id}  another AMI uses this snapshot"))
        })
    }
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let amis = self.amis.iter().map(|(region, ami)| format!("deleted  {region}  {ami}"));
        amis.chain(self.left()).chain([format!("{} is deleted", self.image)]).collect()
    }
}

/// The result of a deletion.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// The image is gone.
    Done(Deleted),
    /// Something refers to the image, so that it stays as it was.
    Refused(Reference),
}

/// Deregisters the AMIs and deletes their snapshots. Deletes nothing if something refers to the image now, other than the
/// launch permissions of those in `unshare`. Safe to repeat: a later call continues where this one stopped.
pub(crate) async fn delete(
    connection: &Connection,
    references: &References,
    image: &ImageRecord,
    unshare: &[String],
) -> Result<Deletion> {
    // An image of which some AMIs may be gone must not look like a whole one. Builds do not start from it any more.
    if image.is_in_use() {
        connection.store.set_life(&image.image, Some(ImageLife::Disabled)).await?;
    }
    // This look is the one that counts. The caller may have looked too, but somebody may have begun to use the image since
    // then, for example while a question waited for its answer. From here on, no build can.
    let references = references.of(image).await;
    let in_the_way = references.map(|found| found.into_iter().find(|one| !one.is_only_of(unshare)));
    if image.is_in_use() && !matches!(in_the_way, Ok(None)) {
        connection.store.set_life(&image.image, None).await?;
    }
    if let Some(reference) = in_the_way? {
        return Ok(Deletion::Refused(reference));
    }
    let mut snapshots_left = BTreeMap::new();
    let images = &connection.cloud.images;
    for (region, ami) in &image.amis {
        // A role whose rights depend on tags would be denied the call for what an earlier call has removed, because that
        // has no tags any more. So each call is only for what is still there.
        if images.image(region, ami).await?.is_some() {
            images.deregister(region, ami).await?;
        }
        let mut left = Vec::new();
        for snapshot in still_there(connection, image, region).await? {
            match images.delete_snapshot(region, &snapshot).await {
                Err(error) if error.kind == Kind::WrongState => left.push(snapshot),
                // EC2 may have listed it a moment after it was deleted with its AMI.
                Err(_) if !still_there(connection, image, region).await?.contains(&snapshot) => {}
                other => other?,
            }
        }
        if !left.is_empty() {
            snapshots_left.insert(region.clone(), left);
        }
    }
    connection.store.set_life(&image.image, Some(ImageLife::Deleted)).await?;
    Ok(Deletion::Done(Deleted { image: image.image.to_string(), amis: image.amis.clone(), snapshots_left }))
}

/// Returns the image's snapshots in a Region that EC2 still lists. An AMI that is gone no longer names them.
async fn still_there(connection: &Connection, image: &ImageRecord, region: &str) -> Result<Vec<String>> {
    let listed = connection.cloud.images.snapshots_tagged(region, TAG_BUILD, &image.build).await?;
    let own = image.snapshots.get(region).into_iter().flatten();
    Ok(own.filter(|id| listed.iter().any(|one| one.id == **id)).cloned().collect())
}
