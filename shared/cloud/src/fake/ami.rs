//! EC2's rules for AMIs and their snapshots.

use std::collections::{BTreeMap, BTreeSet};

use super::call::{ACCOUNT, Call, alias_of};
use super::pace::{Looks, Pace};
use super::target_accounts::account_in;
use super::world::{Region, World};
use crate::{
    BlockDevice, Image, ImageCopy, ImageState, InstanceState, Kind, LaunchPermission, NewImage, Protection, Result,
    Snapshot, Tags, UefiData,
};

/// An AMI, and how it will change.
pub(super) struct AmiRecord {
    pub(super) image: Image,
    pub(super) permission: LaunchPermission,
    pub(super) imdsv2: bool,
    /// ARNs of its license configurations.
    pub(super) licenses: BTreeSet<String>,
    /// From when it counts as deprecated.
    pub(super) deprecated_at: Option<String>,
    /// The request for the copy that created the AMI.
    copy: Option<ImageCopy>,
    /// Its UEFI variables.
    pub(super) uefi_data: Option<UefiData>,
    hidden: Looks,
    left: Looks,
    /// The reason for which the AMI will fail, or `None` if it will not fail.
    failure: Option<String>,
}

/// A snapshot.
pub(super) struct SnapshotRecord {
    pub(super) snapshot: Snapshot,
    /// Accounts and groups that may use the AMI.
    pub(super) shared_with: BTreeSet<String>,
    /// The first snapshot of which this one is a copy, or its own id. It stands for the data.
    pub(super) origin: String,
    /// The index of a block in which a test has flipped a bit.
    pub(super) flipped: Option<u32>,
    pub(super) hidden: Looks,
}

impl SnapshotRecord {
    pub(super) fn look(&mut self) -> Option<Snapshot> {
        if self.hidden.spend() { None } else { Some(self.snapshot.clone()) }
    }
}

impl AmiRecord {
    pub(super) fn look(&mut self) -> Option<Image> {
        if self.hidden.spend() {
            return None;
        }
        let deprecated = self.deprecated_at.as_ref().and_then(|at| at.parse().ok());
        let seen = Image { deprecated, ..self.image.clone() };
        self.left.spend();
        self.arrive();
        Some(seen)
    }

    fn arrive(&mut self) {
        if self.image.state == ImageState::Pending && self.left.is_over() {
            self.image.state = if self.failure.is_some() { ImageState::Failed } else { ImageState::Available };
            self.image.state_reason = self.failure.take().unwrap_or_default();
        }
    }

    pub(super) fn settle(&mut self) {
        self.hidden.settle();
        self.left.settle();
        self.arrive();
    }

    pub(super) fn is_ours(&self) -> bool {
        self.image.owner == ACCOUNT
    }
}

/// Returns the snapshot of each device.
fn volumes_of(devices: &[BlockDevice], snapshots: &[String]) -> BTreeMap<String, String> {
    devices.iter().map(|device| device.device_name.clone()).zip(snapshots.iter().cloned()).collect()
}

/// The billing of an image without a product or a license.
pub(super) fn plain_billing() -> (Vec<String>, String) {
    (Vec::new(), "RunInstances".to_owned())
}

/// The billing of an image, which images of its instances and its copies have, too.
fn billing_of(image: &Image) -> (Vec<String>, String) {
    (image.product_codes.clone(), image.usage_operation.clone())
}

/// The source of a new image.
pub(super) struct Blueprint {
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) architecture: String,
    pub(super) root_device: String,
    pub(super) boot_mode: Option<String>,
    pub(super) tpm_support: Option<String>,
    pub(super) uefi_data: Option<UefiData>,
    /// The product codes, and what is billed for its instances.
    pub(super) billing: (Vec<String>, String),
    pub(super) tags: Tags,
    /// Each device has a snapshot.
    pub(super) block_devices: Vec<BlockDevice>,
    pub(super) copy: Option<ImageCopy>,
    /// The snapshots from which the image is registered; `None` if the call makes them.
    pub(super) registered: Option<Vec<String>>,
    /// The instance from which the image is created.
    pub(super) instance: Option<String>,
    /// The image from which this instance was launched.
    pub(super) source: Option<String>,
    /// The reason for which the image will fail, or `None` if it will not fail.
    pub(super) failure: Option<String>,
}

impl World {
    /// Returns the origins of the snapshots that a copy has copied, or nothing.
    fn origins(&mut self, copy: Option<&ImageCopy>) -> Vec<String> {
        let Some(copy) = copy else { return Vec::new() };
        let from = self.region(&copy.source_region);
        let copied = from.images.get(&copy.source_image).map_or(&[][..], |record| &record.image.snapshots);
        copied.iter().filter_map(|id| Some(from.snapshots.get(id)?.origin.clone())).collect()
    }

    /// Adds a new image and its snapshots to a Region.
    pub(super) fn add_image(&mut self, region: &str, blueprint: Blueprint, pace: Pace) -> String {
        let id = self.ec2_id("ami");
        let made: Vec<String> = match blueprint.registered {
            Some(_) => Vec::new(),
            None => blueprint.block_devices.iter().map(|_| self.ec2_id("snap")).collect(),
        };
        let snapshots = blueprint.registered.unwrap_or_else(|| made.clone());
        let (created, now) = (self.next_created(), self.now());
        let origins = self.origins(blueprint.copy.as_ref());
        // EC2 writes these descriptions for CreateImage and CopyImage.
        let description = match (&blueprint.instance, &blueprint.copy) {
            (Some(instance), _) => format!("Created by CreateImage({instance}) for {id}"),
            (None, Some(copy)) => {
                format!("Copied for DestinationAmi {id} from SourceAmi {} for SourceSnapshot", copy.source_image)
            }
            (None, None) => String::new(),
        };
        let region = self.region(region);
        for (n, id) in made.iter().enumerate() {
            let snapshot = Snapshot {
                id: id.clone(),
                description: description.clone(),
                started: Some(now),
                tags: blueprint.tags.clone(),
            };
            region.snapshots.insert(
                id.clone(),
                SnapshotRecord {
                    snapshot,
                    shared_with: BTreeSet::new(),
                    origin: origins.get(n).unwrap_or(id).clone(),
                    flipped: None,
                    hidden: Looks(pace.hide_new),
                },
            );
        }
        let image = Image {
            id: id.clone(),
            name: blueprint.name,
            state: ImageState::Pending,
            state_reason: String::new(),
            owner_alias: alias_of(&blueprint.owner).map(str::to_owned),
            owner: blueprint.owner,
            created,
            architecture: blueprint.architecture,
            boot_mode: blueprint.boot_mode,
            tpm_support: blueprint.tpm_support,
            ena_support: true,
            root_device: blueprint.root_device,
            volumes: volumes_of(&blueprint.block_devices, &snapshots),
            block_devices: blueprint.block_devices,
            snapshots,
            source_instance: blueprint.instance,
            product_codes: blueprint.billing.0,
            usage_operation: blueprint.billing.1,
            deprecated: None,
            protection: Protection::Off,
            last_launched: None,
            source_image: blueprint.copy.as_ref().map(|copy| copy.source_image.clone()).or(blueprint.source),
            tags: blueprint.tags,
        };
        let mut record = AmiRecord {
            image,
            permission: LaunchPermission::default(),
            imdsv2: false,
            licenses: BTreeSet::new(),
            deprecated_at: None,
            copy: blueprint.copy,
            uefi_data: blueprint.uefi_data,
            hidden: Looks(pace.hide_new),
            left: Looks(pace.until_image),
            failure: blueprint.failure,
        };
        record.arrive();
        region.images.insert(id.clone(), record);
        id
    }

    fn next_created(&mut self) -> String {
        let number = i64::try_from(self.number("created")).unwrap_or(i64::MAX);
        let time = self.now().checked_add(jiff::SignedDuration::from_millis(number));
        time.map_or_else(|_| String::new(), |time| format!("{time:.3}"))
    }

    pub(super) fn create_image(&mut self, call: Call<'_>, request: &NewImage) -> Result<String> {
        let pace = self.pace;
        let region = self.region(call.region);
        let machine = region.known_machine(call, &request.instance)?;
        if !matches!(machine.instance.state, InstanceState::Running | InstanceState::Stopped) {
            let message = format!("{} is neither running nor stopped", request.instance);
            return Err(call.error(Kind::WrongState, "IncorrectInstanceState", message));
        }
        let source = machine.instance.image.clone();
        let block_devices = changed(&machine.devices, &request.block_devices);
        region.free_name(call, &request.name)?;
        // The source may have been deregistered since the launch; this does not affect the instance.
        let origin = region.images.get(&source).map(|record| &record.image);
        let blueprint = Blueprint {
            name: request.name.clone(),
            owner: ACCOUNT.to_owned(),
            architecture: origin.map_or_else(|| "x86_64".to_owned(), |image| image.architecture.clone()),
            root_device: origin.map_or_else(|| "/dev/xvda".to_owned(), |image| image.root_device.clone()),
            boot_mode: match request.uefi_only {
                true => Some("uefi".to_owned()),
                false => origin.and_then(|image| image.boot_mode.clone()),
            },
            tpm_support: origin.and_then(|image| image.tpm_support.clone()),
            uefi_data: None,
            billing: origin.map_or_else(plain_billing, billing_of),
            tags: request.tags.clone(),
            block_devices,
            registered: None,
            copy: None,
            instance: Some(request.instance.clone()),
            source: Some(source),
            failure: region.failing_images.pop_front(),
        };
        self.requests.images.push((call.region.to_owned(), request.clone()));
        Ok(self.add_image(call.region, blueprint, pace))
    }

    pub(super) fn copy_image(&mut self, call: Call<'_>, request: &ImageCopy) -> Result<String> {
        if let Some(record) = self.region(call.region).copied_with(&request.token) {
            if record.copy.as_ref() != Some(request) {
                let message = "the token was used for another request";
                return Err(call.error(Kind::Duplicate, "IdempotentParameterMismatch", message));
            }
            return Ok(record.image.id.clone());
        }
        let from = self.region(&request.source_region);
        if let Some(account) = account_in(call.region) {
            from.lets_copy(call, &request.source_image, account)?;
        }
        let source = from.usable_image(call, &request.source_image)?.clone();
        let uefi_data = from.images.get(&request.source_image).and_then(|record| record.uefi_data.clone());
        let pace = self.pace;
        let region = self.region(call.region);
        region.free_name(call, &request.name)?;
        if region.images.values().filter(|ami| ami.copy.is_some() && ami.image.state == ImageState::Pending).count()
            >= pace.copies_at_once
        {
            return Err(call.error(Kind::Throttled, "ResourceLimitExceeded", "too many snapshot copies at once"));
        }
        let billing = billing_of(&source);
        let blueprint = Blueprint {
            name: request.name.clone(),
            owner: ACCOUNT.to_owned(),
            billing,
            architecture: source.architecture,
            root_device: source.root_device,
            boot_mode: source.boot_mode,
            tpm_support: source.tpm_support,
            uefi_data,
            tags: request.tags.clone(),
            block_devices: source.block_devices,
            registered: None,
            copy: Some(request.clone()),
            instance: None,
            source: None,
            failure: region.failing_images.pop_front(),
        };
        self.requests.copies.push((call.region.to_owned(), request.clone()));
        Ok(self.add_image(call.region, blueprint, pace))
    }
}

/// Returns the devices with the changes that a call requests, matched by name. EC2 keeps the settings that a change
/// does not mention, and adds new devices.
pub(super) fn changed(devices: &[BlockDevice], changes: &[BlockDevice]) -> Vec<BlockDevice> {
    let mut devices = devices.to_vec();
    for change in changes {
        match devices.iter_mut().find(|device| device.device_name == change.device_name) {
            None => devices.push(change.clone()),
            Some(device) => {
                *device = BlockDevice {
                    device_name: change.device_name.clone(),
                    volume_size: change.volume_size.or(device.volume_size),
                    volume_type: change.volume_type.clone().or_else(|| device.volume_type.clone()),
                    iops: change.iops.or(device.iops),
                    throughput: change.throughput.or(device.throughput),
                    encrypted: change.encrypted.or(device.encrypted),
                    kms_key_id: change.kms_key_id.clone().or_else(|| device.kms_key_id.clone()),
                    delete_on_termination: change.delete_on_termination,
                }
            }
        }
    }
    devices
}

impl Region {
    /// Returns an image from which an instance or a copy can be created.
    pub(super) fn usable_image(&self, call: Call<'_>, id: &str) -> Result<&Image> {
        let image = self.images.get(id).map(|record| &record.image).ok_or_else(|| unknown_image(call, id))?;
        if image.state != ImageState::Available {
            return Err(call.error(Kind::WrongState, "InvalidAMIID.Unavailable", format!("{id} is not available")));
        }
        Ok(image)
    }

    /// Checks that another account may copy an image: it needs the launch permission, and the permission for each
    /// snapshot (EC2 user guide, "Copy an Amazon EC2 AMI").
    fn lets_copy(&self, call: Call<'_>, id: &str, account: &str) -> Result<()> {
        let shared = self.images.get(id).filter(|record| record.permission.users.iter().any(|user| user == account));
        let record = shared.ok_or_else(|| unknown_image(call, id))?;
        let may_read = |id: &String| self.snapshots.get(id).is_some_and(|one| one.shared_with.contains(account));
        if record.image.snapshots.iter().all(may_read) {
            return Ok(());
        }
        let message = "You do not have permission to access the storage of this ami";
        Err(call.error(Kind::Invalid, "InvalidRequest", message))
    }

    /// Returns an image of this account, so that a call can change it.
    pub(super) fn own_image(&mut self, call: Call<'_>, id: &str) -> Result<&mut AmiRecord> {
        let record = self.images.get_mut(id).ok_or_else(|| unknown_image(call, id))?;
        if !record.is_ours() {
            return Err(call.error(Kind::Denied, "AuthFailure", format!("not authorized for image {id}")));
        }
        Ok(record)
    }

    /// Returns the image whose device mapping contains this snapshot.
    pub(super) fn user_of(&self, snapshot: &str) -> Option<&str> {
        let mut images = self.images.values().map(|record| &record.image);
        images.find(|image| image.snapshots.iter().any(|id| id == snapshot)).map(|image| image.id.as_str())
    }

    /// Checks that no image of this account in this Region has this name. A failed image keeps its name.
    pub(super) fn free_name(&self, call: Call<'_>, name: &str) -> Result<()> {
        if !(3..=128).contains(&name.len()) {
            return Err(call.error(Kind::Invalid, "InvalidAMIName.Malformed", "AMI names have 3 to 128 characters"));
        }
        match self.images.values().find(|record| record.is_ours() && record.image.name == name) {
            None => Ok(()),
            Some(record) => {
                let message = format!("AMI name {name} is already in use by AMI {}", record.image.id);
                Err(call.error(Kind::Duplicate, "InvalidAMIName.Duplicate", message))
            }
        }
    }

    fn copied_with(&self, token: &str) -> Option<&AmiRecord> {
        self.images.values().find(|record| record.copy.as_ref().is_some_and(|copy| copy.token == token))
    }
}

fn unknown_image(call: Call<'_>, id: &str) -> crate::CloudError {
    call.error(Kind::NotFound, "InvalidAMIID.NotFound", format!("the image id {id} does not exist"))
}
