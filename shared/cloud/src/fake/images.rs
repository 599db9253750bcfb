//! AMIs and snapshots as the trait shows them. The rules are in [`super::ami`].

use std::collections::BTreeSet;

use async_trait::async_trait;
use goldsmith_glob::filter_matches;
use jiff::Timestamp;

use super::FakeCloud;
use super::ami::{AmiRecord, Blueprint, SnapshotRecord, plain_billing};
use super::call::{ACCOUNT, Call, account_of};
use super::pace::{Looks, Pace};
use super::world::Region;
use crate::{
    BlockDevice, Image, ImageCopy, ImageState, ImageUse, Images, Kind, LaunchPermission, ListedTemplate, NewImage,
    Protection, Result, Snapshot, Tags,
};

#[async_trait]
impl Images for FakeCloud {
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>> {
        let call = Call::new("DescribeImages", region);
        self.read(call, |world| Ok(world.region(region).images.get_mut(id).and_then(AmiRecord::look))).await
    }

    async fn newest(&self, region: &str, owners: &[String], name: &str) -> Result<Option<Image>> {
        if owners.is_empty() || owners.iter().any(|owner| owner.is_empty() || owner == "*") {
            let message = "an image is searched for by name only among named owners";
            return Err(Call::new("DescribeImages", region).error(Kind::Invalid, "MissingOwners", message));
        }
        let owners: Vec<&str> = owners.iter().map(|owner| account_of(owner)).collect();
        let matching = self.look_at_images(region, |image| {
            let is_fit = image.state == ImageState::Available && image.is_offered();
            is_fit && owners.contains(&image.owner.as_str()) && filter_matches(name, &image.name)
        });
        let matching = matching.await?;
        Ok(matching.into_iter().max_by(|a, b| a.created.cmp(&b.created)))
    }

    async fn named(&self, region: &str, name: &str) -> Result<Option<Image>> {
        Ok(self.look_at_images(region, |image| image.owner == ACCOUNT && image.name == name).await?.pop())
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>> {
        self.look_at_images(region, |image| image.owner == ACCOUNT && has_tag(&image.tags, key, value)).await
    }

    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>> {
        self.read(Call::new("DescribeImageAttribute", region), |world| {
            let region = world.region(region);
            let machines = region.machines.values().filter(|machine| machine.instance.image == id);
            let alive = machines.filter(|machine| !machine.instance.state.is_gone());
            let mut uses: Vec<ImageUse> =
                alive.map(|machine| ImageUse::Instance(machine.instance.id.clone())).collect();
            if let Some(LaunchPermission { users, groups, organizations, organizational_units }) =
                region.images.get(id).map(|record| &record.permission)
            {
                let all = [users, groups, organizations, organizational_units].into_iter().flatten();
                uses.extend(all.cloned().map(ImageUse::Permission));
            }
            Ok(uses)
        })
        .await
    }

    async fn launch_templates(&self, region: &str) -> Result<Vec<ListedTemplate>> {
        self.read(Call::new("DescribeLaunchTemplates", region), |world| {
            let all = world.region(region).launch_templates.iter();
            Ok(all.map(|(id, one)| ListedTemplate { id: id.clone(), latest_version: one.latest() }).collect())
        })
        .await
    }

    async fn images_of_template(&self, region: &str, id: &str) -> Result<BTreeSet<String>> {
        self.read(Call::new("DescribeLaunchTemplateVersions", region), |world| {
            world.template_looks += 1;
            let found = world.region(region).launch_templates.get(id).into_iter();
            Ok(found.flat_map(|one| one.versions.values()).map(|version| version.image.clone()).collect())
        })
        .await
    }

    async fn create(&self, region: &str, image: &NewImage) -> Result<String> {
        let call = Call::new("CreateImage", region);
        let detail = format!("{} of {}", image.name, image.instance);
        self.effect(call, detail, |world| world.create_image(call, image)).await
    }

    async fn copy(&self, region: &str, copy: &ImageCopy) -> Result<String> {
        let call = Call::new("CopyImage", region);
        let detail = format!("{} from {} as {}", copy.source_image, copy.source_region, copy.name);
        self.effect(call, detail, |world| world.copy_image(call, copy)).await
    }

    async fn require_imdsv2(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("ModifyImageAttribute", region);
        self.effect(call, id, |world| {
            world.region(region).own_image(call, id)?.imdsv2 = true;
            Ok(())
        })
        .await
    }

    async fn share(&self, region: &str, id: &str, with: &LaunchPermission) -> Result<()> {
        if with.is_empty() {
            return Ok(()); // EC2 is not called
        }
        let call = Call::new("ModifyImageAttribute", region);
        self.effect(call, id, |world| {
            let record = world.region(region).own_image(call, id)?;
            if with.users.iter().any(|user| user.len() != 12 || !user.bytes().all(|byte| byte.is_ascii_digit())) {
                let message = "an account id has 12 digits";
                return Err(call.error(Kind::Invalid, "InvalidAMIAttributeItemValue", message));
            }
            add_all(&mut record.permission, with);
            Ok(())
        })
        .await
    }

    async fn share_snapshots(&self, region: &str, ids: &[String], with: &LaunchPermission) -> Result<()> {
        for id in ids {
            let call = Call::new("ModifySnapshotAttribute", region);
            self.effect(call, id, |world| {
                let unknown = || call.error(Kind::NotFound, "InvalidSnapshot.NotFound", format!("no snapshot {id}"));
                let record = world.region(region).snapshots.get_mut(id).ok_or_else(unknown)?;
                record.shared_with.extend(with.users.iter().chain(&with.groups).cloned());
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn unshare(&self, region: &str, id: &str, users: &[String]) -> Result<()> {
        let call = Call::new("ModifyImageAttribute", region);
        self.effect(call, id, |world| {
            world.region(region).own_image(call, id)?.permission.users.retain(|user| !users.contains(user));
            Ok(())
        })
        .await
    }

    async fn unshare_snapshots(&self, region: &str, ids: &[String], users: &[String]) -> Result<()> {
        for id in ids {
            let call = Call::new("ModifySnapshotAttribute", region);
            self.effect(call, id, |world| {
                let unknown = || call.error(Kind::NotFound, "InvalidSnapshot.NotFound", format!("no snapshot {id}"));
                let record = world.region(region).snapshots.get_mut(id).ok_or_else(unknown)?;
                record.shared_with.retain(|user| !users.contains(user));
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn deprecate(&self, region: &str, id: &str, at: &str) -> Result<()> {
        let call = Call::new("EnableImageDeprecation", region);
        self.effect(call, id, |world| {
            let now = world.now();
            let record = world.region(region).own_image(call, id)?;
            if !at.parse::<Timestamp>().is_ok_and(|at| at > now) {
                return Err(call.error(Kind::Invalid, "InvalidParameterValue", format!("{at} is not in the future")));
            }
            record.deprecated_at = Some(at.to_owned());
            Ok(())
        })
        .await
    }

    async fn protect(&self, region: &str, id: &str, cooldown: bool) -> Result<()> {
        let call = Call::new("EnableImageDeregistrationProtection", region);
        self.effect(call, id, |world| {
            world.region(region).own_image(call, id)?.image.protection = Protection::On { cooldown };
            Ok(())
        })
        .await
    }

    async fn tag(&self, region: &str, ids: &[String], tags: &Tags) -> Result<()> {
        if ids.is_empty() || tags.is_empty() {
            return Ok(()); // EC2 is not called
        }
        let call = Call::new("CreateTags", region);
        self.effect(call, ids.join(" "), |world| {
            let region = world.region(region);
            if let Some(id) = ids.iter().find(|id| region.tags_of(id).is_none()) {
                let code = match id.split_once('-') {
                    Some(("snap", _)) => "InvalidSnapshot.NotFound",
                    Some(("i", _)) => "InvalidInstanceID.NotFound",
                    Some(("vol", _)) => "InvalidVolume.NotFound",
                    _ => "InvalidAMIID.NotFound",
                };
                return Err(call.error(Kind::NotFound, code, format!("there is no {id}")));
            }
            for id in ids {
                region.tags_of(id).into_iter().for_each(|found| found.extend(tags.clone()));
            }
            Ok(())
        })
        .await
    }

    async fn deregister(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DeregisterImage", region);
        self.effect(call, id, |world| {
            let region = world.region(region);
            if region.images.contains_key(id) {
                let image = &region.own_image(call, id)?.image;
                if image.protection != Protection::Off {
                    let message = format!("{id} is protected from deregistration");
                    return Err(call.error(Kind::Invalid, "OperationNotPermitted", message));
                }
                let snapshots = image.snapshots.clone();
                region.images.remove(id);
                for snapshot in snapshots {
                    // EC2 keeps a snapshot that another image uses.
                    if region.user_of(&snapshot).is_none() {
                        region.snapshots.remove(&snapshot);
                    }
                }
            }
            Ok(())
        })
        .await
    }

    async fn snapshots_tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Snapshot>> {
        self.read(Call::new("DescribeSnapshots", region), |world| {
            let snapshots = world.region(region).snapshots.values_mut();
            let ours = snapshots.filter(|record| has_tag(&record.snapshot.tags, key, value));
            Ok(ours.filter_map(SnapshotRecord::look).collect())
        })
        .await
    }

    async fn delete_snapshot(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DeleteSnapshot", region);
        self.effect(call, id, |world| {
            let region = world.region(region);
            if let Some(image) = region.user_of(id) {
                let message = format!("the snapshot {id} is currently in use by {image}");
                return Err(call.error(Kind::WrongState, "InvalidSnapshot.InUse", message));
            }
            region.snapshots.remove(id);
            Ok(())
        })
        .await
    }
}

impl FakeCloud {
    /// Adds an available image to a Region. `owner` is an account id, `self`, `amazon` or `aws-marketplace`. Returns
    /// the image's id. Each image is newer than the images that were added before it.
    pub fn add_image(&self, region: &str, owner: &str, name: &str) -> String {
        let root = BlockDevice {
            device_name: "/dev/xvda".to_owned(),
            volume_size: Some(8),
            delete_on_termination: true,
            ..BlockDevice::default()
        };
        let blueprint = Blueprint {
            name: name.to_owned(),
            owner: account_of(owner).to_owned(),
            architecture: "x86_64".to_owned(),
            root_device: root.device_name.clone(),
            boot_mode: Some("uefi-preferred".to_owned()),
            tpm_support: None,
            uefi_data: None,
            billing: plain_billing(),
            tags: Tags::new(),
            block_devices: vec![root],
            registered: None,
            copy: None,
            instance: None,
            source: None,
            failure: None,
        };
        let at_once = Pace { until_image: 0, hide_new: 0, ..Pace::default() };
        self.world().add_image(region, blueprint, at_once)
    }

    /// Changes an image directly, to set up a test. Does nothing if the image does not exist.
    pub fn edit_image(&self, region: &str, id: &str, edit: impl FnOnce(&mut Image)) {
        if let Some(record) = self.world().region(region).images.get_mut(id) {
            edit(&mut record.image);
        }
    }

    /// Adds a snapshot that no image uses to a Region. Returns the id of the snapshot.
    pub fn add_snapshot(&self, region: &str, description: &str, tags: &Tags) -> String {
        let mut world = self.world();
        let id = world.ec2_id("snap");
        let (description, started) = (description.to_owned(), Some(world.now()));
        let snapshot = Snapshot { id: id.clone(), description, started, tags: tags.clone() };
        world.region(region).snapshots.insert(
            id.clone(),
            SnapshotRecord {
                snapshot,
                shared_with: BTreeSet::new(),
                origin: id.clone(),
                flipped: None,
                hidden: Looks(0),
            },
        );
        id
    }

    /// Returns how often the versions of a launch template were read.
    #[must_use]
    pub fn template_looks(&self) -> usize {
        self.world().template_looks
    }

    /// Makes the next image that is created in this Region, or copied into it, end as `failed` with this reason.
    pub fn next_image_fails(&self, region: &str, reason: &str) {
        self.world().region(region).failing_images.push_back(reason.to_owned());
    }

    /// Returns who may launch an image, as shared so far, or nobody if the image does not exist.
    #[must_use]
    pub fn launch_permission(&self, region: &str, id: &str) -> LaunchPermission {
        let mut world = self.world();
        world.region(region).images.get(id).map(|record| record.permission.clone()).unwrap_or_default()
    }

    /// Returns who may use each snapshot of an image, and the time at which the image becomes deprecated.
    #[must_use]
    pub fn terms(&self, region: &str, id: &str) -> (Vec<BTreeSet<String>>, Option<String>) {
        let mut world = self.world();
        let region = world.region(region);
        let Some(record) = region.images.get(id) else { return (Vec::new(), None) };
        let snapshots = record.image.snapshots.iter().filter_map(|id| region.snapshots.get(id));
        (snapshots.map(|snapshot| snapshot.shared_with.clone()).collect(), record.deprecated_at.clone())
    }

    /// Returns whether an image requires IMDSv2.
    #[must_use]
    pub fn requires_imdsv2(&self, region: &str, id: &str) -> bool {
        self.world().region(region).images.get(id).is_some_and(|record| record.imdsv2)
    }

    async fn look_at_images(&self, region: &str, wanted: impl Fn(&Image) -> bool + Send) -> Result<Vec<Image>> {
        self.read(Call::new("DescribeImages", region), |world| {
            let images = world.region(region).images.values_mut();
            Ok(images.filter(|record| wanted(&record.image)).filter_map(AmiRecord::look).collect())
        })
        .await
    }
}

impl Region {
    /// Returns the tags of the resource with this id.
    fn tags_of(&mut self, id: &str) -> Option<&mut Tags> {
        let image = self.images.get_mut(id).map(|record| &mut record.image.tags);
        let snapshot = self.snapshots.get_mut(id).map(|record| &mut record.snapshot.tags);
        let machine = self.machines.get_mut(id).map(|record| &mut record.instance.tags);
        let volume = self.volumes.get_mut(id).map(|record| &mut record.tags);
        image.or(snapshot).or(machine).or(volume)
    }
}

fn has_tag(tags: &Tags, key: &str, value: &str) -> bool {
    tags.get(key).is_some_and(|found| found == value)
}

fn add_all(permission: &mut LaunchPermission, with: &LaunchPermission) {
    let pairs = [
        (&mut permission.users, &with.users),
        (&mut permission.groups, &with.groups),
        (&mut permission.organizations, &with.organizations),
        (&mut permission.organizational_units, &with.organizational_units),
    ];
    for (have, more) in pairs {
        have.extend(more.iter().cloned());
        have.sort();
        have.dedup();
    }
}
