//! AMIs and EBS snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{BlockDevice, Result, Tags};

/// Tag with the status of an image that Goldsmith made. An image that has this tag with a value other than
/// [`PUBLISHED`] is not found by name: it may be untested, or its start may have overridden something.
pub const TAG_STATUS: &str = "goldsmith:status";
/// A build may start from the image only if [`TAG_STATUS`] has this value.
pub const PUBLISHED: &str = "published";

/// The states of an AMI that Goldsmith distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// `pending`
    Pending,
    /// `available`
    Available,
    /// `failed`, `error`, `invalid`, `deregistered`, `disabled`: the AMI will not become available.
    Failed,
}

/// Whether an AMI is protected from deregistration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// The AMI is not protected.
    #[default]
    Off,
    /// The AMI is protected. With a cooldown, it stays protected for 24 hours after the protection was switched off.
    On {
        /// Whether the protection has a cooldown.
        cooldown: bool,
    },
    /// The protection was switched off, and the cooldown has not ended.
    Cooling {
        /// When it ends; `None` if EC2 has not said so.
        until: Option<Timestamp>,
    },
}

/// An AMI as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `ami-…`
    pub id: String,
    /// The name, which is unique in an account and Region.
    pub name: String,
    /// The current state.
    pub state: ImageState,
    /// EC2's reason for a failure, or an empty text if there is none.
    pub state_reason: String,
    /// Id of the account that owns the AMI.
    pub owner: String,
    /// EC2's name for that account, if it has one, such as `amazon` or `aws-marketplace`.
    pub owner_alias: Option<String>,
    /// Creation time as EC2 returns it (RFC 3339).
    pub created: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its boot mode as EC2 names it; `None` if the instance type decides.
    pub boot_mode: Option<String>,
    /// The version of the TPM of its instances, as EC2 names it, such as `v2.0`; `None` for no TPM.
    pub tpm_support: Option<String>,
    /// Whether its instances use the Elastic Network Adapter.
    pub ena_support: bool,
    /// Name of the root device, such as `/dev/xvda`.
    pub root_device: String,
    /// The EBS volumes that an instance of the AMI gets, in EC2's order.
    pub block_devices: Vec<BlockDevice>,
    /// Ids of the AMI's EBS snapshots.
    pub snapshots: Vec<String>,
    /// The snapshot of each volume, by the volume's device name. A volume that begins empty has none.
    pub volumes: BTreeMap<String, String>,
    /// The instance from which the AMI was created, or `None` if a call other than `CreateImage` created it.
    pub source_instance: Option<String>,
    /// The image from which the AMI was copied, or from which its instance was launched (EC2 user guide, "Use AMI
    /// ancestry to trace the origin of an AMI").
    pub source_image: Option<String>,
    /// Ids of the products with which the AMI was bought, such as a Marketplace product. Images that are made from the
    /// AMI have the same ids.
    pub product_codes: Vec<String>,
    /// EC2's name for what is billed for its instances: `RunInstances`, or `RunInstances:0010` for Red Hat Enterprise Linux
    /// (EC2 user guide, "AMI billing information fields"). Empty if EC2 has not returned it.
    pub usage_operation: String,
    /// From when it counts as deprecated; every public image has such a time.
    pub deprecated: Option<Timestamp>,
    /// Whether it is protected from being deregistered.
    pub protection: Protection,
    /// When an instance was last launched from it, as EC2 returns it (RFC 3339). EC2 reports a launch 24 hours later;
    /// `None` if it has reported none.
    pub last_launched: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Image {
    /// Returns whether the image may be found by its name: it has no status tag, or it is published.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.tags.get(TAG_STATUS).is_none_or(|status| status == PUBLISHED)
    }
}

/// A request to create an AMI from a stopped instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// AMI name, 3 to 128 characters.
    pub name: String,
    /// Description of at most 255 characters.
    pub description: String,
    /// The instance.
    pub instance: String,
    /// Whether it boots only by UEFI; otherwise it boots as the image of the instance. EC2 accepts this only for an
    /// instance that runs by UEFI.
    pub uefi_only: bool,
    /// Tags of the AMI and its snapshots, set in the creating call.
    pub tags: Tags,
    /// Block devices to change. If the list is empty, the image gets the instance's own devices. For an existing
    /// volume, EC2 changes only whether it is deleted with its instance.
    pub block_devices: Vec<BlockDevice>,
}

/// A request to copy an AMI into another Region, or into the same Region to encrypt it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// `ClientToken` of at most 64 characters. A repeated token returns the same copy.
    pub token: String,
    /// Region of the original AMI.
    pub source_region: String,
    /// Id of the original AMI.
    pub source_image: String,
    /// AMI name in the destination.
    pub name: String,
    /// Description of at most 255 characters.
    pub description: String,
    /// KMS key in the destination Region. With `None`, the copy is encrypted as the original, or with the account's
    /// default key.
    pub kms_key_id: Option<String>,
    /// Tags of the AMI and its snapshots, set in the creating call.
    pub tags: Tags,
}

/// Who may launch an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaunchPermission {
    /// Account ids.
    pub users: Vec<String>,
    /// `all`, or no entry.
    pub groups: Vec<String>,
    /// Organization ARNs.
    pub organizations: Vec<String>,
    /// Organizational unit ARNs.
    pub organizational_units: Vec<String>,
}

impl LaunchPermission {
    /// Returns whether only the owner may launch the image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
            && self.groups.is_empty()
            && self.organizations.is_empty()
            && self.organizational_units.is_empty()
    }
}

/// An EBS snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap-…`
    pub id: String,
    /// Description, which the creating call wrote. The description of an image's snapshot names the call and the image.
    /// It cannot be changed.
    pub description: String,
    /// When the creation of the snapshot started.
    pub started: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// Something that still uses an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageUse {
    /// Id of an instance of the image that is not terminated.
    Instance(String),
    /// An account, an organization, or `all`, with permission to launch the image.
    Permission(String),
}

impl fmt::Display for ImageUse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => write!(out, "the instance {id}"),
            Self::Permission(whose) => write!(out, "the launch permission of {whose}"),
        }
    }
}

/// A launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTemplate {
    /// `lt-…`
    pub id: String,
    /// Number of the template's latest version. The number grows with each new version, and a version never changes.
    pub latest_version: i64,
}

/// AMIs and their snapshots.
#[async_trait]
pub trait Images: Send + Sync {
    /// Returns the image, or `None` if EC2 does not know the id (yet).
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>>;
    /// Returns the newest available image of these owners (ids, `self`, `amazon`, `aws-marketplace`) whose name matches
    /// (`*` and `?`) and that [`Image::is_offered`] accepts.
    async fn newest(&self, region: &str, owners: &[String], name: &str) -> Result<Option<Image>>;
    /// Returns this account's image with exactly this name.
    async fn named(&self, region: &str, name: &str) -> Result<Option<Image>>;
    /// Returns this account's images with this tag.
    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>>;
    /// Returns the instances of the image, and who else may launch it. The result is empty if the image does not exist.
    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>>;
    /// Returns all launch templates of this account.
    async fn launch_templates(&self, region: &str) -> Result<Vec<ListedTemplate>>;
    /// Returns the images that the versions of a launch template name: ids of AMIs, and `resolve:ssm:` with a
    /// parameter. An Auto Scaling group may name a version by its number, so every version counts, and not only the
    /// latest or the default one. The result is empty if the template does not exist.
    async fn images_of_template(&self, region: &str, id: &str) -> Result<BTreeSet<String>>;
    /// Calls `CreateImage` without a reboot. *Effect* without a token: if the name is taken, the error has kind
    /// `Duplicate`. The SDK's retries are off.
    async fn create(&self, region: &str, image: &NewImage) -> Result<String>;
    /// Calls `CopyImage` in `region`. *Effect*, safe to repeat with the same token.
    async fn copy(&self, region: &str, copy: &ImageCopy) -> Result<String>;
    /// Sets `ImdsSupport` of the image, so that its instances accept only IMDSv2 unless their launch says otherwise.
    /// EC2 never removes this setting. *Effect*, safe to repeat. Deregistering the image undoes it.
    async fn require_imdsv2(&self, region: &str, id: &str) -> Result<()>;
    /// Adds launch permissions. *Effect*, safe to repeat. Deregistering the image undoes it.
    async fn share(&self, region: &str, id: &str, with: &LaunchPermission) -> Result<()>;
    /// Lets the accounts and groups of a launch permission create volumes from these snapshots and copy them
    /// (`ModifySnapshotAttribute`). Snapshots cannot be shared with organizations. *Effect*, safe to repeat. Deleting
    /// the snapshots undoes it.
    async fn share_snapshots(&self, region: &str, ids: &[String], with: &LaunchPermission) -> Result<()>;
    /// Removes launch permissions of accounts. *Effect*, safe to repeat.
    async fn unshare(&self, region: &str, id: &str, users: &[String]) -> Result<()>;
    /// Removes the permissions of accounts for these snapshots. *Effect*, safe to repeat.
    async fn unshare_snapshots(&self, region: &str, ids: &[String], users: &[String]) -> Result<()>;
    /// Sets the time at which the image becomes deprecated, in the form of RFC 3339 (`EnableImageDeprecation`). EC2
    /// rounds the time to the minute. *Effect*, safe to repeat. Deregistering the image undoes it.
    async fn deprecate(&self, region: &str, id: &str, at: &str) -> Result<()>;
    /// `EnableImageDeregistrationProtection`. *Effect*, safe to repeat. [`crate::ImageSwitches::unprotect`] undoes it.
    async fn protect(&self, region: &str, id: &str, cooldown: bool) -> Result<()>;
    /// Calls `CreateTags` for images, snapshots, instances or volumes. *Effect*, safe to repeat.
    async fn tag(&self, region: &str, ids: &[String], tags: &Tags) -> Result<()>;
    /// Deregisters the image and deletes its snapshots. *Effect*. It is no error if the image does not exist.
    async fn deregister(&self, region: &str, id: &str) -> Result<()>;
    /// Returns this account's snapshots with this tag.
    async fn snapshots_tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Snapshot>>;
    /// `DeleteSnapshot`. *Effect*. It is no error if the snapshot does not exist.
    async fn delete_snapshot(&self, region: &str, id: &str) -> Result<()>;
}
