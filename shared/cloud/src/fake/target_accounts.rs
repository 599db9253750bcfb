//! Other accounts. Images of other accounts are in separate Regions of the same world, which are named
//! `REGION/ACCOUNT`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::{
    Account, DedicatedHost, DefaultEncryption, Image, ImageCopy, ImageUse, Images, Kind, LaunchPermission,
    ListedTemplate, NewImage, Result, Snapshot, Subnet, Tags, TargetAccount, TargetAccounts,
};

/// Returns the name that an inventory and a fault use for the Region of another account.
#[must_use]
pub fn place(region: &str, account: &str) -> String {
    format!("{region}/{account}")
}

/// Returns the account of such a name, or `None` if the name is a Region of the stack's own account.
pub(super) fn account_in(place: &str) -> Option<&str> {
    place.split_once('/').map(|(_, account)| account)
}

/// Another account.
struct Other {
    cloud: FakeCloud,
    account: String,
}

impl Other {
    fn place(&self, region: &str) -> String {
        place(region, &self.account)
    }
}

#[async_trait]
impl TargetAccounts for FakeCloud {
    async fn enter(&self, account: &str) -> Result<TargetAccount> {
        let call = Call::home("AssumeRole");
        self.read(call, |world| match world.account.closed_accounts.contains(account) {
            true => Err(call.error(Kind::Denied, "AccessDenied", "not authorized to perform: sts:AssumeRole")),
            false => Ok(()),
        })
        .await?;
        let other = Arc::new(Other { cloud: self.clone(), account: account.to_owned() });
        Ok(TargetAccount { images: other.clone(), account: other })
    }
}

#[async_trait]
impl Images for Other {
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>> {
        self.cloud.image(&self.place(region), id).await
    }

    async fn newest(&self, region: &str, owners: &[String], name: &str) -> Result<Option<Image>> {
        self.cloud.newest(&self.place(region), owners, name).await
    }

    async fn named(&self, region: &str, name: &str) -> Result<Option<Image>> {
        self.cloud.named(&self.place(region), name).await
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>> {
        self.cloud.tagged(&self.place(region), key, value).await
    }

    async fn launch_templates(&self, region: &str) -> Result<Vec<ListedTemplate>> {
        self.cloud.launch_templates(&self.place(region)).await
    }

    async fn images_of_template(&self, region: &str, id: &str) -> Result<BTreeSet<String>> {
        self.cloud.images_of_template(&self.place(region), id).await
    }

    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>> {
        self.cloud.uses(&self.place(region), id).await
    }

    async fn create(&self, region: &str, image: &NewImage) -> Result<String> {
        self.cloud.create(&self.place(region), image).await
    }

    async fn copy(&self, region: &str, copy: &ImageCopy) -> Result<String> {
        self.cloud.copy(&self.place(region), copy).await
    }

    async fn require_imdsv2(&self, region: &str, id: &str) -> Result<()> {
        self.cloud.require_imdsv2(&self.place(region), id).await
    }

    async fn share(&self, region: &str, id: &str, with: &LaunchPermission) -> Result<()> {
        self.cloud.share(&self.place(region), id, with).await
    }

    async fn share_snapshots(&self, region: &str, ids: &[String], with: &LaunchPermission) -> Result<()> {
        self.cloud.share_snapshots(&self.place(region), ids, with).await
    }

    async fn unshare(&self, region: &str, id: &str, users: &[String]) -> Result<()> {
        self.cloud.unshare(&self.place(region), id, users).await
    }

    async fn unshare_snapshots(&self, region: &str, ids: &[String], users: &[String]) -> Result<()> {
        self.cloud.unshare_snapshots(&self.place(region), ids, users).await
    }

    async fn deprecate(&self, region: &str, id: &str, at: &str) -> Result<()> {
        self.cloud.deprecate(&self.place(region), id, at).await
    }

    async fn protect(&self, region: &str, id: &str, cooldown: bool) -> Result<()> {
        self.cloud.protect(&self.place(region), id, cooldown).await
    }

    async fn tag(&self, region: &str, ids: &[String], tags: &Tags) -> Result<()> {
        self.cloud.tag(&self.place(region), ids, tags).await
    }

    async fn deregister(&self, region: &str, id: &str) -> Result<()> {
        self.cloud.deregister(&self.place(region), id).await
    }

    async fn snapshots_tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Snapshot>> {
        self.cloud.snapshots_tagged(&self.place(region), key, value).await
    }

    async fn delete_snapshot(&self, region: &str, id: &str) -> Result<()> {
        self.cloud.delete_snapshot(&self.place(region), id).await
    }
}

#[async_trait]
impl Account for Other {
    async fn known_regions(&self, home: &str) -> Result<BTreeMap<String, bool>> {
        let mut known = self.cloud.known_regions(&self.place(home)).await?;
        let disabled = &self.cloud.world().account.disabled_regions;
        known.iter_mut().for_each(|(region, enabled)| *enabled &= !disabled.contains(&self.place(region)));
        Ok(known)
    }

    async fn public_images_are_blocked(&self, region: &str) -> Result<bool> {
        self.cloud.public_images_are_blocked(&self.place(region)).await
    }

    async fn public_snapshots_are_blocked(&self, region: &str) -> Result<bool> {
        self.cloud.public_snapshots_are_blocked(&self.place(region)).await
    }

    async fn default_encryption(&self, region: &str) -> Result<DefaultEncryption> {
        self.cloud.default_encryption(&self.place(region)).await
    }

    async fn subnets_of(&self, region: &str, ids: &[String]) -> Result<Vec<Subnet>> {
        self.cloud.subnets_of(&self.place(region), ids).await
    }

    async fn vpcs_of_groups(&self, region: &str, ids: &[String]) -> Result<BTreeMap<String, String>> {
        self.cloud.vpcs_of_groups(&self.place(region), ids).await
    }

    async fn zones_of_types(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>> {
        self.cloud.zones_of_types(&self.place(region), types).await
    }

    async fn hosts(&self, region: &str, id: Option<&str>) -> Result<Vec<DedicatedHost>> {
        self.cloud.hosts(&self.place(region), id).await
    }
}
