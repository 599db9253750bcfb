//! Undoes the copies that other accounts own. Every account that was asked to copy is checked, since its answer may
//! have been lost.

use std::collections::BTreeSet;

use goldsmith_cloud::Images;
use goldsmith_store::{Effect, Origin};

use super::Undoing;
use crate::{Error, Result, TAG_BUILD};

impl Undoing<'_> {
    /// Looks at each account that was asked to make its own copy.
    pub(super) async fn of_targets(&mut self, effects: &[Effect]) -> Result<()> {
        let places: BTreeSet<(&str, &str)> = effects
            .iter()
            .filter(|effect| effect.may_exist())
            .filter_map(|effect| Some((effect.kind.target_account()?, effect.region.as_str())))
            .collect();
        for (account, region) in places {
            let entered = self.context.cloud.target_accounts.enter(account).await;
            let what = format!("copies in account {account}");
            // One account that has closed its door must not keep the others' copies from being removed.
            let Some(other) = self.tolerate(entered.map_err(Error::from), region, &what)? else { continue };
            self.copies(&*other.images, region, &what).await?;
        }
        Ok(())
    }

    /// Removes the copies of another account and their snapshots, except those that are kept.
    async fn copies(&mut self, images: &dyn Images, region: &str, what: &str) -> Result<()> {
        let tagged = images.tagged(region, TAG_BUILD, &self.record.build).await;
        let Some(tagged) = self.tolerate(tagged.map_err(Error::from), region, what)? else { return Ok(()) };
        let name = self.record.plan.region(region).map(|planned| planned.name.clone()).unwrap_or_default();
        let mut kept = BTreeSet::new();
        for image in tagged.into_iter().filter(|image| self.context.config.owns(&image.tags)) {
            if self.keep.images.contains(&image.id)
                || !self.proof.has_copy(region, &image.id, &name, Origin::of(&image))
            {
                kept.extend(image.snapshots);
            } else {
                let gone = images.deregister(region, &image.id).await;
                self.tolerate(gone.map_err(Error::from), region, &image.id)?;
            }
        }
        let tagged = images.snapshots_tagged(region, TAG_BUILD, &self.record.build).await;
        let Some(tagged) = self.tolerate(tagged.map_err(Error::from), region, what)? else { return Ok(()) };
        self.remove_snapshots(images, region, tagged, &kept).await
    }
}
