//! Deletes an image in all of its Regions.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::Kind;
use goldsmith_store::{ImageLife, ImageRecord, OwnedCopy};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, Stop};
use crate::output::Show;
use crate::tags::TAG_BUILD;

/// An image that was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    image: String,
    /// The AMIs, by Region.
    amis: BTreeMap<String, String>,
    /// AMIs of other accounts, which stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies_left: Vec<OwnedCopy>,
    /// Snapshots that stay because another AMI uses them, by Region.
    snapshots_left: BTreeMap<String, Vec<String>>,
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let amis = self.amis.iter().map(|(region, ami)| format!("deleted  {region}  {ami}"));
        let left = self.snapshots_left.iter().flat_map(|(region, ids)| {
            ids.iter().map(move |id| format!("stays    {region}  {id}  another AMI uses this snapshot"))
        });
        let copies = self.copies_left.iter().map(stays);
        amis.chain(left).chain(copies).chain([format!("{} is deleted", self.image)]).collect()
    }
}

/// Returns a line about a copy that stays. The account owns it, and Goldsmith cannot see what uses it there.
pub(crate) fn stays(copy: &OwnedCopy) -> String {
    let OwnedCopy { account, region, ami } = copy;
    format!("stays    {region}  {ami}  account {account} owns this copy; only that account deletes it")
}

/// Deregisters the AMIs and deletes their snapshots. Deletes nothing if something refers to the image other than the
/// launch permissions of those in `unshare`. Safe to repeat: a later call continues where this one stopped.
pub(crate) async fn delete(connection: &Connection, image: &ImageRecord, unshare: &[String]) -> Result<Deleted> {
    // An image of which some AMIs may be gone must not look like a whole one. Builds do not start from it any more.
    if image.is_in_use() {
        connection.store.set_life(&image.image, Some(ImageLife::Disabled)).await?;
    }
    // The caller has looked already, but somebody may have begun to use the image since then, for example while a
    // question waited for its answer. From here on, no build can.
    let references = connection.references().of(image).await;
    let in_the_way = references.map(|found| found.into_iter().find(|one| !one.is_only_of(unshare)));
    if image.is_in_use() && !matches!(in_the_way, Ok(None)) {
        connection.store.set_life(&image.image, None).await?;
    }
    if let Some(reference) = in_the_way? {
        let message = format!("{} was not deleted: {} refers to it now", image.image, reference.by);
        return Err(Stop { exit: Exit::Failed, message }.into());
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
    let (amis, copies_left) = (image.amis.clone(), image.copies.clone());
    Ok(Deleted { image: image.image.to_string(), amis, copies_left, snapshots_left })
}

/// Returns the image's snapshots in a Region that EC2 still lists. An AMI that is gone no longer names them.
async fn still_there(connection: &Connection, image: &ImageRecord, region: &str) -> Result<Vec<String>> {
    let listed = connection.cloud.images.snapshots_tagged(region, TAG_BUILD, &image.build).await?;
    let own = image.snapshots.get(region).into_iter().flatten();
    Ok(own.filter(|id| listed.iter().any(|one| one.id == **id)).cloned().collect())
}
