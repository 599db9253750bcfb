//! AMIs and EBS snapshots.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{BlockDevice, Result, Tags};

/// Tag that holds the status of an image that Goldsmith made. An image that has this tag with a value other than
/// [`PUBLISHED`] is not found by name: it may be untested, or its start may have overridden something.
pub const TAG_STATUS: &str = "goldsmith:status";
/// The only value of [`TAG_STATUS`] with which a build may start from the image.
pub const PUBLISHED: &str = "published";

/// EC2's AMI states, as far as Goldsmith distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// `pending`
    Pending,
    /// `available`
    Available,
    /// `failed`, `error`, `invalid`, `deregistered`, `disabled`: it will not become available.
    Failed,
}

/// Whether an AMI is protected from being deregistered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    /// It is not.
    #[default]
    Off,
    /// It is, and with a cooldown also for 24 hours after the protection was switched off.
    On {
        /// Whether there is a cooldown.
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
    /// Unique per account and Region.
    pub name: String,
    /// Its state now.
    pub state: ImageState,
    /// EC2's reason for a failure; empty if there is none.
    pub state_reason: String,
    /// Owning account id.
    pub owner: String,
    /// EC2's name for that account if it has one, such as `amazon` or `aws-marketplace`.
    pub owner_alias: Option<String>,
    /// Creation time as EC2 returns it (RFC 3339).
    pub created: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Its boot mode as EC2 names it; `None` if the instance type decides.
    pub boot_mode: Option<String>,
    /// Name of the root device, such as `/dev/xvda`.
    pub root_device: String,
    /// The EBS volumes that an instance of it gets, in EC2's order.
    pub block_devices: Vec<BlockDevice>,
    /// Ids of its EBS snapshots.
    pub snapshots: Vec<String>,
    /// The instance that it was created from; `None` if a call other than `CreateImage` created it.
    pub source_instance: Option<String>,
    /// The image that it is a copy of, or that its instance was launched from (EC2 user guide, "Use AMI ancestry to
    /// trace the origin of an AMI").
    pub source_image: Option<String>,
    /// Ids of the products that it was bought as, such as a Marketplace product. Images that are made from it have them
    /// too.
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
    /// Returns whether it may be found by its name: it has no status tag, or it is published.
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
    /// Changed block devices; empty for the instance's own. For an existing volume, EC2 changes only whether it is
    /// deleted with its instance.
    pub block_devices: Vec<BlockDevice>,
}

/// A request to copy an AMI into another Region, or into the same Region to encrypt it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// `ClientToken` of at most 64 characters. The same token gives the same copy.
    pub token: String,
    /// Region of the original.
    pub source_region: String,
    /// The original's id.
    pub source_image: String,
    /// AMI name in the destination.
    pub name: String,
    /// Description of at most 255 characters.
    pub description: String,
    /// KMS key in the destination Region; `None` to encrypt as the original or with the account's default.
    pub kms_key_id: Option<String>,
    /// Tags of the AMI and its snapshots, set in the creating call.
    pub tags: Tags,
}

/// Who may launch an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LaunchPermission {
    /// Account ids.
    pub users: Vec<String>,
    /// `all` or nothing.
    pub groups: Vec<String>,
    /// Organization ARNs.
    pub organizations: Vec<String>,
    /// Organizational unit ARNs.
    pub organizational_units: Vec<String>,
}

impl LaunchPermission {
    /// Returns whether only the owner may launch it.
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
    /// Description, which the call that created it wrote. For an image's snapshot it names the call and the image. It
    /// cannot be changed.
    pub description: String,
    /// When its creation started.
    pub started: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// Something that still uses an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageUse {
    /// Id of an instance of it that is not terminated.
    Instance(String),
    /// An account, an organization, or `all`, with permission to launch it.
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
    /// Number of its latest version. It grows with each new version, and a version never changes.
    pub latest_version: i64,
}

/// AMIs and their snapshots.
#[async_trait]
pub trait Images: Send + Sync {
    /// Returns the image; `None` if EC2 does not know the id (yet).
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>>;
    /// Returns the newest available image of these owners (ids, `self`, `amazon`, `aws-marketplace`) whose name matches
    /// (`*` and `?`) and that [`Image::is_offered`] accepts.
    async fn newest(&self, region: &str, owners: &[String], name: &str) -> Result<Option<Image>>;
    /// Returns this account's image with exactly this name.
    async fn named(&self, region: &str, name: &str) -> Result<Option<Image>>;
    /// Returns this account's images with this tag.
    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>>;
    /// Returns the instances of the image, and who else may launch it; empty if the image does not exist.
    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>>;
    /// Returns all launch templates of this account.
    async fn launch_templates(&self, region: &str) -> Result<Vec<ListedTemplate>>;
    /// Returns what the versions of a launch template name as their image: ids of AMIs, and `resolve:ssm:` with a parameter.
    /// An Auto Scaling group may name a version by its number, so every version counts and not only the latest or the
    /// default one. Empty if the template does not exist.
    async fn images_of_template(&self, region: &str, id: &str) -> Result<BTreeSet<String>>;
    /// `CreateImage` without reboot. *Effect* without a token: if the name is taken, the error has kind `Duplicate`;
    /// SDK retries are off.
    async fn create(&self, region: &str, image: &NewImage) -> Result<String>;
    /// `CopyImage` into `region`. *Effect*, safe to repeat with the same token.
    async fn copy(&self, region: &str, copy: &ImageCopy) -> Result<String>;
    /// Marks the image so that instances launched from it accept IMDSv2 only, unless their launch says otherwise
    /// (`ImdsSupport`; EC2 never removes the mark). *Effect*, safe to repeat; undone by deregistering.
    async fn require_imdsv2(&self, region: &str, id: &str) -> Result<()>;
    /// Adds launch permissions. *Effect*, safe to repeat; undone by deregistering.
    async fn share(&self, region: &str, id: &str, with: &LaunchPermission) -> Result<()>;
    /// Lets the accounts and groups of a launch permission create volumes from these snapshots and copy them
    /// (`ModifySnapshotAttribute`). Snapshots cannot be shared with organizations. *Effect*, safe to repeat; undone by
    /// deleting the snapshots.
    async fn share_snapshots(&self, region: &str, ids: &[String], with: &LaunchPermission) -> Result<()>;
    /// Removes launch permissions of accounts. *Effect*, safe to repeat.
    async fn unshare(&self, region: &str, id: &str, users: &[String]) -> Result<()>;
    /// Removes the permissions of accounts for these snapshots. *Effect*, safe to repeat.
    async fn unshare_snapshots(&self, region: &str, ids: &[String], users: &[String]) -> Result<()>;
    /// Sets the time from which the image counts as deprecated, in the form of RFC 3339 (`EnableImageDeprecation`). EC2
    /// rounds it to the minute. *Effect*, safe to repeat; undone by deregistering.
    async fn deprecate(&self, region: &str, id: &str, at: &str) -> Result<()>;
    /// `EnableImageDeregistrationProtection`. *Effect*, safe to repeat; [`crate::ImageSwitches::unprotect`] undoes it.
    async fn protect(&self, region: &str, id: &str, cooldown: bool) -> Result<()>;
    /// `CreateTags` on images, snapshots, instances or volumes. *Effect*, safe to repeat.
    async fn tag(&self, region: &str, ids: &[String], tags: &Tags) -> Result<()>;
    /// Deregisters the image and deletes its snapshots. *Effect*; no error if it does not exist.
    async fn deregister(&self, region: &str, id: &str) -> Result<()>;
    /// Returns this account's snapshots with this tag.
    async fn snapshots_tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Snapshot>>;
    /// `DeleteSnapshot`. *Effect*; no error if it does not exist.
    async fn delete_snapshot(&self, region: &str, id: &str) -> Result<()>;
}
