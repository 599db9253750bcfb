//! AMIs and EBS snapshots.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{BlockDevice, Result, Tags};

/// Tag that says how far an image of Goldsmith's has come. What carries it with another value than [`PUBLISHED`] is not found
/// by a name: it may be untested, or made of something that a start has overridden.
pub const TAG_STATUS: &str = "goldsmith:status";
/// The one value of [`TAG_STATUS`] with which an image may be built on.
pub const PUBLISHED: &str = "published";

/// EC2's AMI states that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageState {
    /// `pending`
    Pending,
    /// `available`
    Available,
    /// `failed`, `error`, `invalid`, `deregistered`, `disabled`: it will not become available.
    Failed,
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
    /// EC2's reason for a failure; empty if none.
    pub state_reason: String,
    /// Owning account id.
    pub owner: String,
    /// RFC 3339 creation time as EC2 gives it.
    pub created: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Such as `/dev/xvda`.
    pub root_device: String,
    /// The EBS volumes that an instance of it gets, in EC2's order.
    pub block_devices: Vec<BlockDevice>,
    /// Ids of its EBS snapshots.
    pub snapshots: Vec<String>,
    /// The instance that it was made of; none: by another call than `CreateImage`.
    pub source_instance: Option<String>,
    /// The image that it is a copy of, or that its instance was launched from (EC2 user guide, "Use AMI ancestry to trace the
    /// origin of an AMI").
    pub source_image: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

impl Image {
    /// Whether it may be found by its name: it is somebody else's, or published.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.tags.get(TAG_STATUS).is_none_or(|status| status == PUBLISHED)
    }
}

/// A request to make an AMI of a stopped instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// AMI name, 3 to 128 characters.
    pub name: String,
    /// At most 255 characters.
    pub description: String,
    /// The instance.
    pub instance: String,
    /// Tags of the AMI and its snapshots, set in the creating call.
    pub tags: Tags,
    /// Changed block devices; empty: the instance's own. Of a volume that is there EC2 changes only whether it goes with
    /// its instance.
    pub block_devices: Vec<BlockDevice>,
}

/// A request to copy an AMI into another Region (or the same, to encrypt it anew).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCopy {
    /// `ClientToken`, at most 64 characters: the same token gives the same copy.
    pub token: String,
    /// Where the original is.
    pub source_region: String,
    /// The original's id.
    pub source_image: String,
    /// AMI name in the destination.
    pub name: String,
    /// At most 255 characters.
    pub description: String,
    /// KMS key in the destination Region; none: as the original, or the account's default.
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
    /// Whether nobody beyond the owner is named.
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
    /// What the call that made it has written: of an image's, the call and the image. Nobody can change it.
    pub description: String,
    /// When it was begun.
    pub started: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// Something that would miss an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageUse {
    /// An instance of it that is not terminated, by its id.
    Instance(String),
    /// A launch template whose latest or default version names it, by its id.
    LaunchTemplate(String),
    /// An account, an organization, or `all`, who may launch it.
    Permission(String),
}

impl fmt::Display for ImageUse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(id) => write!(out, "the instance {id}"),
            Self::LaunchTemplate(id) => write!(out, "the launch template {id}"),
            Self::Permission(whose) => write!(out, "the launch permission of {whose}"),
        }
    }
}

/// AMIs and their snapshots.
#[async_trait]
pub trait Images: Send + Sync {
    /// The image, or none where EC2 does not know the id (or not yet).
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>>;
    /// The newest available image of these owners (ids, `self`, `amazon`, `aws-marketplace`) whose name matches (`*` and `?`),
    /// without those that are not [`Image::is_offered`].
    async fn newest(&self, region: &str, owners: &[String], name: &str) -> Result<Option<Image>>;
    /// Our own image with exactly this name.
    async fn named(&self, region: &str, name: &str) -> Result<Option<Image>>;
    /// Our own images with this tag.
    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>>;
    /// What of this account and who else would miss the image; nothing where it is gone.
    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>>;
    /// `CreateImage` without reboot. *Effect*, has no token: a name that is taken is kind `Duplicate`; SDK retries are off.
    async fn create(&self, region: &str, image: &NewImage) -> Result<String>;
    /// `CopyImage` into `region`. *Effect*, safe to repeat with the same token.
    async fn copy(&self, region: &str, copy: &ImageCopy) -> Result<String>;
    /// Marks the image so that what is launched from it answers IMDSv2 only, unless its launch says otherwise
    /// (`ImdsSupport`; EC2 never takes the mark back). *Effect*, safe to repeat; undone by deregistering.
    async fn require_imdsv2(&self, region: &str, id: &str) -> Result<()>;
    /// Adds launch permissions. *Effect*, safe to repeat; undone by deregistering.
    async fn share(&self, region: &str, id: &str, with: &LaunchPermission) -> Result<()>;
    /// `CreateTags` on images, snapshots, instances or volumes. *Effect*, safe to repeat.
    async fn tag(&self, region: &str, ids: &[String], tags: &Tags) -> Result<()>;
    /// Deregisters the image and deletes its snapshots. *Effect*, no error when it is gone.
    async fn deregister(&self, region: &str, id: &str) -> Result<()>;
    /// Our own snapshots with this tag.
    async fn snapshots_tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Snapshot>>;
    /// `DeleteSnapshot`. *Effect*, no error when it is gone.
    async fn delete_snapshot(&self, region: &str, id: &str) -> Result<()>;
}
