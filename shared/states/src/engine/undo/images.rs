//! Undoes images and their snapshots: those of the stack's own account, and the copies of other accounts.

use std::collections::BTreeSet;

use goldsmith_cloud::{Image, Images, Snapshot};
use goldsmith_store::Origin;

use super::Undoing;
use crate::{Error, Result, TAG_BUILD};

impl Undoing<'_> {
    /// Removes the images of a Region and their snapshots, except those that are kept. `account` is the other account
    /// that `images` are those of, or `None` for the stack's own.
    pub(super) async fn images(&mut self, images: &dyn Images, region: &str, account: Option<&str>) -> Result<()> {
        let copies = account.map(super::targets::copies_in);
        let what = |own: &'static str| copies.as_deref().unwrap_or(own);
        let tagged = images.tagged(region, TAG_BUILD, &self.record.build).await;
        // Without the images it is unknown which snapshots belong to an image.
        let Some(tagged) = self.tolerate(tagged.map_err(Error::from), region, what("images"))? else { return Ok(()) };
        let kept = self.remove_images(images, region, account, tagged).await?;
        let tagged = images.snapshots_tagged(region, TAG_BUILD, &self.record.build).await;
        let Some(tagged) = self.tolerate(tagged.map_err(Error::from), region, what("snapshots"))? else {
            return Ok(());
        };
        self.remove_snapshots(images, region, tagged, &kept).await
    }

    /// Returns whether an image is the build's.
    fn is_own(&self, region: &str, account: Option<&str>, image: &Image) -> bool {
        let origin = Origin::of(image);
        let name = self.record.plan.region(region).map(|planned| planned.name.as_str()).unwrap_or_default();
        match account {
            None => self.proof.has_image(region, &image.id, origin),
            Some(_) => self.proof.has_copy(region, &image.id, name, origin),
        }
    }

    /// Removes images, and returns the snapshots of those that stay.
    pub(super) async fn remove_images(
        &mut self,
        images: &dyn Images,
        region: &str,
        account: Option<&str>,
        tagged: Vec<Image>,
    ) -> Result<BTreeSet<String>> {
        let mut kept_snapshots = BTreeSet::new();
        for image in tagged.into_iter().filter(|image| self.context.config.owns(&image.tags)) {
            let kept = self.keep.is_checkpoint(&image.id)
                || self.keep.images.contains(&image.id) && !self.has_expired(&image.tags);
            if kept || self.held.contains(&image.id) || !self.is_own(region, account, &image) {
                kept_snapshots.extend(image.snapshots);
            } else {
                self.found = true;
                // The snapshots of a draft may be those of an image that stays.
                let gone = match account.is_none() && self.proof.is_draft(region, &image.name) {
                    true => self.context.cloud.registrations.unregister(region, &image.id).await,
                    false => images.deregister(region, &image.id).await,
                };
                self.tolerate(gone.map_err(Error::from), region, &image.id)?;
            }
        }
        Ok(kept_snapshots)
    }

    pub(super) async fn remove_snapshots(
        &mut self,
        images: &dyn Images,
        region: &str,
        tagged: Vec<Snapshot>,
        kept: &BTreeSet<String>,
    ) -> Result<()> {
        for snapshot in tagged.into_iter().filter(|snapshot| self.context.config.owns(&snapshot.tags)) {
            let is_own = self.proof.has_snapshot(region, &snapshot.id, &snapshot.description, snapshot.started);
            if is_own && !kept.contains(&snapshot.id) {
                self.found = true;
                let gone = images.delete_snapshot(region, &snapshot.id).await;
                self.tolerate(gone.map_err(Error::from), region, &snapshot.id)?;
            }
        }
        Ok(())
    }
}
