//! Records of a build: the build itself, its ending and its image.

use std::collections::BTreeMap;
use std::fmt;

use goldsmith_model::{Cause, DiskImageFormat, ImageRef, Name};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{Approved, ContentsRecord, ImageLife, Plan, ProvenanceRecord, Revocation, Surplus};

/// Formats a time for the table: RFC 3339 in UTC with milliseconds, so that text order is time order.
#[must_use]
pub fn stamp(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Whether a build may still make effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStatus {
    /// The build may make effects.
    Open,
    /// `finish` has begun: no new effect is made, and the earlier effects are undone.
    Closing,
    /// The build has ended.
    Closed,
}

impl BuildStatus {
    /// Returns the status as it is stored in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }
}

/// `BUILD#id / META`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildRecord {
    /// Build id, which is the execution's name.
    pub build: String,
    /// ARN of the execution.
    pub execution: String,
    /// Pipeline name.
    pub pipeline: Name,
    /// `NAME/VERSION/BUILD`
    pub image: ImageRef,
    /// Why the build started.
    pub cause: Cause,
    /// The reason that the user gave for the build, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the build may still make effects.
    pub status: BuildStatus,
    /// Fencing number of the lease.
    pub fence: u64,
    /// When Plan created the build.
    pub created_at: String,
    /// Whether Publish has written the record. From then on the image stays.
    #[serde(default)]
    pub published: bool,
    /// How the build ended, once it is closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What work remains after the build was closed.
    #[serde(default, skip_serializing_if = "Aftermath::is_over")]
    pub after: Aftermath,
    /// Everything that Plan resolved.
    pub plan: Plan,
}

impl BuildRecord {
    /// How long after the build's beginning the spot request of its instance ends by itself: one day after the longest
    /// execution must have ended.
    const SPOT_REQUEST: SignedDuration = SignedDuration::from_hours(8 * 24);

    /// Returns when the spot request of the build instance ends by itself, in whole seconds, or `None` if the beginning
    /// of the build cannot be read. The time is the same at each call: the request with a client token must not change.
    #[must_use]
    pub fn spot_until(&self) -> Option<Timestamp> {
        let began: Timestamp = self.created_at.parse().ok()?;
        Timestamp::from_second((began + Self::SPOT_REQUEST).as_second()).ok()
    }
}

/// How a build ended. The ending is decided once, when the build is closed, so that a repeated `finish` undoes the same
/// effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// Final status of the image.
    pub status: ImageStatus,
    /// What the build has kept.
    pub keep: Keep,
    /// Why the build failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCause>,
    /// When the ending was decided (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The work that remains after a build has ended and its pipeline may build again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aftermath {
    /// Whether the event of the build's end still must be sent.
    pub is_untold: bool,
    /// Whether the topic of the build's plan still must get its message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_unnotified: bool,
    /// Whether the kept resources still must be tagged with their status and the time until which they are kept.
    pub is_untagged: bool,
    /// The resources that could not be removed or restored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftBehind>,
    /// How many times the build was looked at again.
    pub looks: u32,
}

impl Aftermath {
    /// Returns whether no work remains.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.is_untold && !self.is_unnotified && !self.is_untagged && self.left.is_empty()
    }
}

/// A resource that an ended build could not remove or restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBehind {
    /// Id or name of the resource, or only its kind if it could not even be searched for.
    pub what: String,
    /// Its Region.
    pub region: String,
    /// The errors that AWS has returned.
    pub reason: String,
}

/// What a build keeps after its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The build instance until this time (RFC 3339), because the pipeline keeps failed instances.
    Instance {
        /// When the reaper may remove the instance.
        until: String,
    },
    /// The AMIs in the home Region and in the Regions that succeeded, until this time. They are not published, because
    /// the distribution failed.
    Images {
        /// When the reaper may remove the AMIs.
        until: String,
    },
    /// The published AMIs, forever.
    Published,
}

/// Status of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageStatus {
    /// The build of the image is running.
    Building,
    /// The image was built, tested and distributed.
    Available,
    /// The build of the image failed.
    Failed,
    /// The build of the image was stopped.
    Cancelled,
    /// There is no new image: the run has only tested an AMI, and the AMI has passed.
    Verified,
    /// There is no new image: the run has distributed one that existed.
    Distributed,
}

/// `IMAGE#name / V#version#build`
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// Which image.
    pub image: ImageRef,
    /// The build that made the image.
    pub build: String,
    /// Its pipeline.
    pub pipeline: Name,
    /// Why the image was built.
    pub cause: Cause,
    /// Its status.
    pub status: ImageStatus,
    /// The AMI from which the image was built, or that was verified.
    pub source_image: String,
    /// Digest of everything that went into the image.
    pub input_digest: String,
    /// Whether the image is never published, because its start overrode something.
    #[serde(default)]
    pub overridden: bool,
    /// AMI id for each Region.
    #[serde(default)]
    pub amis: BTreeMap<String, String>,
    /// AMIs that other accounts own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<OwnedCopy>,
    /// Disk images in S3 to which AMIs were exported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<ExportedObject>,
    /// Snapshot ids for each Region.
    #[serde(default)]
    pub snapshots: BTreeMap<String, Vec<String>>,
    /// Time at which the build of the image began.
    pub created_at: String,
    /// When the build of the image ended.
    pub ended_at: Option<String>,
    /// Why the build of the image failed.
    pub failure: Option<FailureCause>,
    /// Whether the image was disabled or deleted after its publication, or `None` if it is neither.
    pub life: Option<ImageLife>,
    /// What the retention of its pipeline has done with it; `None` if it has done nothing, or if somebody has enabled the
    /// image again since.
    pub surplus: Option<Surplus>,
    /// The last of these changes that an event has reported.
    pub told: Option<ImageLife>,
    /// Whether this is no image, but a run that has only tested the AMI `source_image`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_verification: bool,
    /// The revocation of the image, which also disables the image, or `None` if the image is not revoked.
    pub revoked: Option<Revocation>,
    /// The channel whose promotion approves the image, or `None` if the build has published the image.
    pub approval: Option<Name>,
    /// The approval of the image, or `None` if nobody has approved it or it needs no approval.
    pub approved: Option<Approved>,
    /// The image that was distributed, if this is no image, but a run that has distributed one. `amis`, `copies` and
    /// `snapshots` are then those that the run has made.
    #[serde(default)]
    pub distributes: Option<ImageRef>,
    /// Where the contents of the image are, or `None` if they were not collected.
    #[serde(default)]
    pub contents: Option<ContentsRecord>,
    /// The signed provenance of the image, or `None` if nothing was signed.
    #[serde(default)]
    pub provenance: Option<ProvenanceRecord>,
    /// The runs that have distributed the image after its build, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributed_by: Vec<LaterDistribution>,
}

impl ImageRecord {
    /// Returns whether this is an image, and not a run that has made none.
    #[must_use]
    pub fn is_image(&self) -> bool {
        !self.is_verification && self.distributes.is_none()
    }
}

/// A run that has distributed an image after its build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaterDistribution {
    /// The run's build id.
    pub build: String,
    /// The Regions in which it has succeeded.
    pub regions: Vec<String>,
}

/// A disk image in S3 to which an AMI was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportedObject {
    /// Region of the AMI and of the bucket.
    pub region: String,
    /// Format of the disk image.
    pub format: DiskImageFormat,
    /// The object, such as `s3://bucket/images/export-ami-0123456789abcdef0.vmdk`.
    pub location: String,
}

/// An AMI that another account owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedCopy {
    /// Id of the account that owns the AMI.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// AMI id.
    pub ami: String,
}

/// Why a build failed: in which state, and with which message of AWS or of the step.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailureCause {
    /// The state of the definition that failed.
    pub state: String,
    /// The Map item: a test instance type or a Region.
    pub item: Option<String>,
    /// Error name, such as `Goldsmith.CommandFailed`.
    pub error: String,
    /// One sentence for people.
    pub message: String,
    /// The component document, if a step failed.
    pub document: Option<String>,
    /// Its phase.
    pub phase: Option<String>,
    /// Its step.
    pub step: Option<String>,
    /// Action module of the step.
    pub action: Option<String>,
    /// Exit code of the step.
    pub exit_code: Option<i32>,
    /// The last lines of the step's output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// Facts about the instance that explain why the step failed, each as one sentence. The agent looked at them when
    /// the step failed. Agents of earlier versions send none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Region of the resource.
    pub region: Option<String>,
    /// Id of the resource.
    pub resource: Option<String>,
    /// AWS's error code.
    pub code: Option<String>,
}

impl fmt::Display for FailureCause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.state)?;
        if let Some(item) = &self.item {
            write!(out, " ({item})")?;
        }
        write!(out, ": {}", self.message)
    }
}
