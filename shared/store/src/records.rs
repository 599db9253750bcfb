//! Records of a build: the build itself, its ending, its image.

use std::collections::BTreeMap;
use std::fmt;

use goldsmith_model::{Cause, ImageRef, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{Approved, ImageLife, Plan, Revocation};

/// Formats a time for the table: RFC 3339 in UTC with milliseconds, so that text order is time order.
#[must_use]
pub fn stamp(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Whether a build may still act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStatus {
    /// Effects may be made.
    Open,
    /// `finish` has begun: no new effect is made, and what was made is undone.
    Closing,
    /// Everything is done.
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
    /// Why it started.
    pub cause: Cause,
    /// The reason that the user gave, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it may still act.
    pub status: BuildStatus,
    /// Fencing number of its lease.
    pub fence: u64,
    /// When Plan created it.
    pub created_at: String,
    /// Whether Publish has written the record. From then on the image stays.
    #[serde(default)]
    pub published: bool,
    /// How it ended, once it is closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What is still to be done for it after it was closed.
    #[serde(default, skip_serializing_if = "Aftermath::is_over")]
    pub after: Aftermath,
    /// Everything that Plan resolved.
    pub plan: Plan,
}

/// How a build ended. This is decided once, when the build is closed, so that a repeated `finish` undoes the same
/// things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// The image's final status.
    pub status: ImageStatus,
    /// What was kept.
    pub keep: Keep,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCause>,
    /// When that was decided (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// What remains to be done after a build has ended and its pipeline may build again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aftermath {
    /// Whether the event of its end still has to be sent.
    pub is_untold: bool,
    /// Whether what is kept still has to be tagged with its status and the time until which it is kept.
    pub is_untagged: bool,
    /// What could not be removed or restored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftBehind>,
    /// How many times this was looked at again.
    pub looks: u32,
}

impl Aftermath {
    /// Returns whether nothing remains to be done.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.is_untold && !self.is_untagged && self.left.is_empty()
    }
}

/// Something that an ended build could not remove or restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBehind {
    /// Its id or name; its kind, if it could not even be searched for.
    pub what: String,
    /// Its Region.
    pub region: String,
    /// The errors that AWS returns.
    pub reason: String,
}

/// What survives the end of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The build instance until this time (RFC 3339), because the pipeline asks for it.
    Instance {
        /// When the reaper may remove it.
        until: String,
    },
    /// The AMI in the home Region and the good copies until this time, unpublished, because a distribution failed.
    Images {
        /// When the reaper may remove them.
        until: String,
    },
    /// The published AMIs, for good.
    Published,
}

/// Status of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageStatus {
    /// Its build runs.
    Building,
    /// Built, tested, distributed.
    Available,
    /// Its build failed.
    Failed,
    /// Its build was stopped.
    Cancelled,
    /// There is no new image: the run has only tested an AMI, which has passed.
    Verified,
}

/// `IMAGE#name / V#version#build`
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecord {
    /// Which image.
    pub image: ImageRef,
    /// The build that made it.
    pub build: String,
    /// Its pipeline.
    pub pipeline: Name,
    /// Why it was built.
    pub cause: Cause,
    /// Its status.
    pub status: ImageStatus,
    /// The AMI that it was built from, or that was verified.
    pub source_image: String,
    /// Digest of everything that went in.
    pub input_digest: String,
    /// Whether it is never published, because its start overrode something.
    #[serde(default)]
    pub overridden: bool,
    /// AMI id per Region.
    #[serde(default)]
    pub amis: BTreeMap<String, String>,
    /// AMIs that other accounts own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<OwnedCopy>,
    /// Snapshot ids per Region.
    #[serde(default)]
    pub snapshots: BTreeMap<String, Vec<String>>,
    /// When its build began.
    pub created_at: String,
    /// When its build ended.
    pub ended_at: Option<String>,
    /// Why its build failed.
    pub failure: Option<FailureCause>,
    /// Whether it was disabled or deleted after its publication; `None` if neither.
    pub life: Option<ImageLife>,
    /// Whether this is no image, but a run that has only tested the AMI `source_image`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_verification: bool,
    /// Whether it was revoked, which disables it too; `None` if it was not.
    pub revoked: Option<Revocation>,
    /// The channel whose promotion approves it; `None` if its build has published it.
    pub approval: Option<Name>,
    /// Who has approved it; `None` if nobody has, or if it needs no approval.
    pub approved: Option<Approved>,
}

/// An AMI that another account owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnedCopy {
    /// Id of the account.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// AMI id.
    pub ami: String,
}

/// Why a build failed: in which state, and what AWS or the step said.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailureCause {
    /// State of the definition.
    pub state: String,
    /// Map item: test instance type or Region.
    pub item: Option<String>,
    /// Error name, such as `Goldsmith.CommandFailed`.
    pub error: String,
    /// One sentence for people.
    pub message: String,
    /// Component document, if a step failed.
    pub document: Option<String>,
    /// Its phase.
    pub phase: Option<String>,
    /// Its step.
    pub step: Option<String>,
    /// The step's action module.
    pub action: Option<String>,
    /// The step's exit code.
    pub exit_code: Option<i32>,
    /// The last lines of the step's output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
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
