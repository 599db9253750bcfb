//! Records of a build: the build itself, its states, its journal, its waits, its image.

use std::collections::BTreeMap;
use std::fmt;

use goldsmith_model::{Cause, ImageRef, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AuditRecord, Plan};

/// Times in the table: RFC 3339 in UTC with milliseconds, so that text order is time order.
#[must_use]
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Whether a build may still act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStatus {
    /// Effects may be made.
    Open,
    /// `finish` has begun: no new effect, what was made is undone.
    Closing,
    /// All done.
    Closed,
}

impl BuildStatus {
    /// As it stands in the table.
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
    /// The user's words, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it may still act.
    pub status: BuildStatus,
    /// Fencing number of its lease.
    pub fence: u64,
    /// When Plan made it.
    pub created_at: String,
    /// Whether Publish has written the record: from then on the image stays.
    #[serde(default)]
    pub published: bool,
    /// How it ended, once it is closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// What is still to be done for it, once it is closed.
    #[serde(default, skip_serializing_if = "Aftermath::is_over")]
    pub after: Aftermath,
    /// Everything that was resolved.
    pub plan: Plan,
}

/// How a build ended, decided once when it is closed, so that a repeated `finish` undoes the same things.
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

/// What a build still owes when it has ended and its pipeline may build again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aftermath {
    /// The event of its end is not on the bus.
    pub is_untold: bool,
    /// What is kept does not say how far it has come, or until when.
    pub is_untagged: bool,
    /// What could not be removed or put back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftBehind>,
    /// How often it was looked at again.
    pub looks: u32,
}

impl Aftermath {
    /// Whether nothing is owed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.is_untold && !self.is_untagged && self.left.is_empty()
    }
}

/// Something that an ended build could not remove or put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBehind {
    /// Its id or name; of what could not even be searched for, its kind.
    pub what: String,
    /// Its Region.
    pub region: String,
    /// What AWS says.
    pub reason: String,
}

/// What of a build survives its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The build instance until this time (RFC 3339), because the pipeline asks for it.
    Instance {
        /// When the reaper may take it.
        until: String,
    },
    /// The home AMI and the good copies, unpublished, until this time: a distribution failed.
    Images {
        /// When the reaper may take them.
        until: String,
    },
    /// The published AMIs, for good.
    Published,
}

/// Where an image is.
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
}

/// `IMAGE#name / V#version#build`
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
    /// Where it is.
    pub status: ImageStatus,
    /// The AMI that it was built from.
    pub source_image: String,
    /// Digest of all that went in.
    pub input_digest: String,
    /// Never published, because its start overrode something.
    #[serde(default)]
    pub overridden: bool,
    /// AMI id per Region.
    #[serde(default)]
    pub amis: BTreeMap<String, String>,
    /// Snapshot ids per Region.
    #[serde(default)]
    pub snapshots: BTreeMap<String, Vec<String>>,
    /// When its build began.
    pub created_at: String,
    /// When its build ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// Why its build failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCause>,
}

/// Why a build failed: where, and what AWS or the step said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailureCause {
    /// State of the definition.
    pub state: String,
    /// Map item: test instance type or Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Error name, such as `Goldsmith.CommandFailed`.
    pub error: String,
    /// One sentence for people.
    pub message: String,
    /// Component document, where a step failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The step's action module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The step's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Its last lines of output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// Region of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Id of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// AWS's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// Progress of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StateStatus {
    /// Begun.
    Running,
    /// Done.
    Succeeded,
    /// Failed.
    Failed,
    /// Not needed.
    Skipped,
}

/// Which state of a build, and for which Map item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Name in the definition.
    pub state: String,
    /// Map item.
    pub item: Option<String>,
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.item {
            Some(item) => write!(out, "{}#{item}", self.state),
            None => out.write_str(&self.state),
        }
    }
}

/// Where a command's output can be read while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPlace {
    /// CloudWatch Logs group.
    pub group: String,
    /// Stream.
    pub stream: String,
}

/// `BUILD#id / STATE#state[#item]`: a state's progress, as the CLI reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// Name in the definition.
    pub state: String,
    /// Map item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Where it stands.
    pub status: StateStatus,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// What it is doing, for people.
    #[serde(default)]
    pub detail: String,
    /// Output of its command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPlace>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<FailureCause>,
    /// What the audit of its instance came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditRecord>,
    /// Since when AWS has not known what this build made a moment before; none where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled_since: Option<String>,
    /// Resource of its open wait: the key of the wait's item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

/// The kinds of effects that a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectKind {
    /// An EC2 instance; undone by terminating it.
    Instance,
    /// An SSM command; undone by cancelling it.
    Command,
    /// An AMI; undone by deregistering it with its snapshots.
    Image,
    /// An SSM parameter's new value; undone by putting the previous one back.
    Parameter,
}

/// `BUILD#id / EFFECT#state[#item]#n`: written before an effect, completed after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// `state` or `state#item`.
    pub scope: String,
    /// Counts the effects of one state.
    pub n: u32,
    /// What it makes.
    pub kind: EffectKind,
    /// Region of the resource.
    pub region: String,
    /// Client token, comment or name: how a lost answer is found again.
    pub name: String,
    /// The candidate that was tried, such as `t3.small subnet-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// Id of the resource, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Volumes that an instance was launched with, once it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
    /// AWS's code, where the effect was refused for good (nothing was made).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// A parameter's value before; none: it did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousParameter>,
}

impl Effect {
    /// An effect that is about to be made.
    pub fn intended(
        scope: &Scope,
        n: u32,
        kind: EffectKind,
        region: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            scope: scope.to_string(),
            n,
            kind,
            region: region.into(),
            name: name.into(),
            candidate: None,
            id: None,
            volumes: Vec::new(),
            refused: None,
            previous: None,
        }
    }

    /// Whether the effect may have happened and is not known to have been refused.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        self.refused.is_none()
    }
}

/// A parameter as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousParameter {
    /// Value.
    pub value: String,
    /// `text` or `aws:ec2:image`.
    pub data_type: String,
}

/// `WAIT#resource / build#state[#item]`: a parked wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// Resource id that an event would name.
    pub resource: String,
    /// Its Region.
    pub region: String,
    /// The build.
    pub build: String,
    /// The waiting state.
    pub state: String,
    /// Its Map item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Step Functions task token of the attempt that has begun last.
    pub token: String,
    /// Those of the attempts before it. Step Functions waits for one of all of them, and an attempt that it has given up on may
    /// begin after the next one: which it is nobody here knows, so that each is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_tokens: Vec<String>,
    /// Handler name of the function that owns the wait.
    pub owner: String,
    /// When the wait fails.
    pub deadline: String,
    /// When the tick looks next; sort key of the index `open`.
    pub next_look: String,
}
