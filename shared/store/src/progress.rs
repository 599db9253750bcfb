//! Records of a build's progress: its states, its journal and its waits.

use std::collections::BTreeMap;
use std::fmt;

use goldsmith_model::{S3Export, State};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{AuditRecord, ContentsRecord, ExportedObject, FailureCause, ProvenanceRecord};

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

/// A state of a build, and its Map item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The state.
    pub state: State,
    /// Map item.
    pub item: Option<String>,
}

impl From<State> for Scope {
    /// Returns the scope of a state that is not in a Map.
    fn from(state: State) -> Self {
        Self { state, item: None }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.item {
            Some(item) => write!(out, "{}#{item}", self.state),
            None => out.write_str(self.state.name()),
        }
    }
}

/// Where the output of a command can be read while the command runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogPlace {
    /// The CloudWatch Logs group.
    pub group: String,
    /// Stream.
    pub stream: String,
    /// The nonce of the order that the command carries out. An event line comes from the agent only if it is sealed
    /// with the nonce. Commands of earlier versions have no nonce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// `BUILD#id / STATE#state[#item]`: a state's progress, as the CLI reads it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// The state.
    pub state: State,
    /// Map item.
    pub item: Option<String>,
    /// Its status.
    pub status: StateStatus,
    /// When the state began.
    pub started_at: String,
    /// When the state ended.
    pub ended_at: Option<String>,
    /// What the state is doing now, in words for people.
    #[serde(default)]
    pub detail: String,
    /// Where the output of the state's command can be read.
    pub log: Option<LogPlace>,
    /// Why the state failed.
    pub cause: Option<FailureCause>,
    /// Result of the audit of the state's instance.
    pub audit: Option<AuditRecord>,
    /// Where the contents of the image are that the state's instance has collected.
    pub contents: Option<ContentsRecord>,
    /// The signed provenance of the image, as the state Attest has recorded it.
    pub provenance: Option<ProvenanceRecord>,
    /// SHA-256 of each stored reading of a snapshot, by the snapshot, while the state Attest reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub readings: BTreeMap<String, String>,
    /// Time since which AWS has not found a resource that this build had just made, or `None` if AWS finds it.
    pub unsettled_since: Option<String>,
    /// Resource of the state's open wait: the key of the wait's item.
    pub waits_for: Option<String>,
    /// Seconds for which the launch has waited for room, before EC2 launched its instance or the launch failed.
    pub waited_for_room: Option<u64>,
}

impl StateRecord {
    /// Returns the state and the item.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { state: self.state, item: self.item.clone() }
    }
}

/// What an effect makes, with the data for its retry and its undoing.
///
/// In the table, the data are attributes of the effect's item. The candidate, the instance and the value are each
/// stored as `candidate`, as in all earlier versions. If an entry lacks this attribute, the attribute is read as an
/// empty text, so that a build with such an entry in its journal can still be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum EffectKind {
    /// An EC2 instance. Undo terminates it.
    Instance {
        /// The type and subnet of the attempt, such as `t3.small in subnet-1`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        candidate: String,
        /// Volumes with which the instance was launched, recorded once the instance is running.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        volumes: Vec<String>,
        /// Whether the instance is a spot instance of a persistent request, which must be cancelled before the instance
        /// is terminated.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        has_request: bool,
        /// Id of that request, recorded with the id of the instance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spot_request: Option<String>,
    },
    /// An SSM command. Undo cancels it.
    Command {
        /// Id of the instance on which the command runs.
        #[serde(default, rename = "candidate", skip_serializing_if = "String::is_empty")]
        instance: String,
        /// The nonce of the command's order. Commands of earlier versions have no nonce.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    },
    /// An AMI. Undo deregisters it and deletes its snapshots.
    Image,
    /// An AMI from whose snapshots the build registers its image. Undo deregisters it, and leaves its snapshots to the
    /// image.
    Draft,
    /// An AMI of the build instance between two components, with which later builds of the pipeline may begin. It is
    /// never published. Undo deregisters it and deletes its snapshots.
    Checkpoint,
    /// An AMI that is registered from the snapshots of the draft. Undo deregisters it and deletes the snapshots.
    RegisteredImage {
        /// Ids of the snapshots. EC2 names no origin of a registered image, so they show to which build it belongs.
        snapshots: Vec<String>,
    },
    /// An AMI that another account owns. Undo deregisters it there and deletes its snapshots.
    TargetImage {
        /// Id of the other account.
        account: String,
    },
    /// An export of an AMI to S3. Undo cancels it while it is in progress. The object of a completed export stays.
    Export {
        /// The AMI.
        image: String,
        /// Where it is exported to.
        to: S3Export,
    },
    /// An SSM parameter's new value. Undo restores the previous value.
    Parameter {
        /// The new value. Undo restores the parameter only if it still holds this value.
        #[serde(default, rename = "candidate", skip_serializing_if = "String::is_empty")]
        value: String,
        /// The previous value, or `None` if the parameter did not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<PreviousParameter>,
    },
    /// A version of a launch template. It is undone by making `source` the default version again and deleting the new
    /// version.
    TemplateVersion {
        /// The AMI that the version names.
        image: String,
        /// The default version before the build, on which the new version is based.
        source: String,
        /// Description of the version, by which it is found if the answer was lost.
        description: String,
    },
}

impl EffectKind {
    /// Returns the launch of an instance, of which nothing more is known yet.
    pub fn instance(candidate: impl Into<String>, has_request: bool) -> Self {
        Self::Instance { candidate: candidate.into(), volumes: Vec::new(), has_request, spot_request: None }
    }
    /// Records the spot request of an instance. Does nothing if the instance has no persistent one.
    pub fn note_spot_request(&mut self, request: Option<String>) {
        if let Self::Instance { has_request: true, spot_request, .. } = self
            && request.is_some()
        {
            *spot_request = request;
        }
    }
    /// Returns the spot request of an instance, as far as it is known.
    #[must_use]
    pub fn spot_request(&self) -> Option<&str> {
        match self {
            Self::Instance { spot_request, .. } => spot_request.as_deref(),
            _ => None,
        }
    }
    /// Records the volumes of an instance.
    pub fn note_volumes(&mut self, attached: Vec<String>) {
        if let Self::Instance { volumes, .. } = self {
            *volumes = attached;
        }
    }
    /// Returns whether the effect is an EC2 instance.
    #[must_use]
    pub fn is_instance(&self) -> bool {
        matches!(self, Self::Instance { .. })
    }
    /// Returns whether the effect is an SSM command.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self, Self::Command { .. })
    }
    /// Returns whether the effect is an AMI of the stack's own account.
    #[must_use]
    pub fn is_image(&self) -> bool {
        matches!(self, Self::Image | Self::RegisteredImage { .. })
    }
    /// Returns whether the effect is an AMI of the stack's own account: the image, or a draft or checkpoint of it.
    #[must_use]
    pub fn is_any_image(&self) -> bool {
        self.is_image() || matches!(self, Self::Draft | Self::Checkpoint)
    }
    /// Returns whether the effect is an AMI that exists only until the build has registered its image.
    #[must_use]
    pub fn is_draft(&self) -> bool {
        matches!(self, Self::Draft)
    }
    /// Returns the account that owns the AMI, if it is an AMI of another account.
    #[must_use]
    pub fn target_account(&self) -> Option<&str> {
        match self {
            Self::TargetImage { account } => Some(account),
            _ => None,
        }
    }
    /// Returns whether the effect is an export of an AMI.
    #[must_use]
    pub fn is_export(&self) -> bool {
        matches!(self, Self::Export { .. })
    }
    /// Returns whether the effect is a value of an SSM parameter.
    #[must_use]
    pub fn is_parameter(&self) -> bool {
        matches!(self, Self::Parameter { .. })
    }
    /// Returns the AMI that this effect makes a parameter or a launch template name, or `None` for every other effect.
    #[must_use]
    pub fn named_image(&self) -> Option<&str> {
        match self {
            Self::Parameter { value: image, .. } | Self::TemplateVersion { image, .. } => Some(image),
            Self::Instance { .. }
            | Self::Command { .. }
            | Self::Image
            | Self::Draft
            | Self::Checkpoint
            | Self::RegisteredImage { .. }
            | Self::TargetImage { .. }
            | Self::Export { .. } => None,
        }
    }
}

/// `BUILD#id / EFFECT#state[#item]#n`: an effect, which is recorded before it is made and completed afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The state and its Map item: `state` or `state#item`.
    pub scope: String,
    /// Number of the effect among those of its state.
    pub n: u32,
    /// What the effect makes.
    #[serde(flatten)]
    pub kind: EffectKind,
    /// Region of the resource.
    pub region: String,
    /// Client token, comment or name, by which the resource is found if the answer was lost.
    pub name: String,
    /// Id of the resource, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// AWS's error code, if AWS permanently rejected the effect. In that case, nothing was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// EC2's last answer to a launch for which it had no room, if it has ever had none. The entry keeps it when the
    /// launch is asked for again. Journals of earlier versions have only the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_room: Option<NoRoom>,
    /// Why the build does not use the resource any longer and has made another one: EC2's reason, if EC2 has ended it
    /// or has not started it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// EC2's answer to a launch for which it had no room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoRoom {
    /// EC2's message, which names the limit of the account if the limit is the reason.
    pub message: String,
    /// Time of the first such answer.
    pub since: String,
}

impl Effect {
    /// Creates an effect that is about to be made.
    pub fn intended(
        scope: &Scope,
        n: u32,
        kind: EffectKind,
        region: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        let (region, name) = (region.into(), name.into());
        Self { scope: scope.to_string(), n, kind, region, name, id: None, refused: None, no_room: None, lost: None }
    }

    /// Returns the nonce of a command's order, or `None` for every other effect and for commands of earlier versions.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        match &self.kind {
            EffectKind::Command { nonce, .. } => nonce.as_deref(),
            _ => None,
        }
    }

    /// Returns the object that an export writes, or `None` for every other effect and for an export whose task is not
    /// known.
    #[must_use]
    pub fn exported(&self) -> Option<ExportedObject> {
        match (&self.kind, &self.id) {
            (EffectKind::Export { to, .. }, Some(task)) => Some(ExportedObject {
                region: self.region.clone(),
                format: to.disk_image_format,
                location: to.object(task),
            }),
            _ => None,
        }
    }

    /// Returns whether the effect may have happened: it may have, unless AWS is known to have rejected it.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        self.refused.is_none()
    }
}

/// A parameter's previous value and type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviousParameter {
    /// Value.
    pub value: String,
    /// Data type of the parameter: `text` or `aws:ec2:image`.
    pub data_type: String,
}

/// `WAIT#resource / build#state[#item]`: a parked wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// Id of the resource that the awaited event would name.
    pub resource: String,
    /// Its Region.
    pub region: String,
    /// The build.
    pub build: String,
    /// The state that waits.
    pub state: State,
    /// Map item of the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Step Functions task token of the latest attempt.
    pub token: String,
    /// Tokens of the earlier attempts. Step Functions waits for one of all these tokens. An attempt that it has given
    /// up on may begin after the next attempt. Goldsmith does not know which token that is, so it answers each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_tokens: Vec<String>,
    /// Handler name of the function that handles the wait.
    pub owner: String,
    /// The time at which the wait fails.
    pub deadline: String,
    /// Time at which the tick checks the wait next. This is the sort key of the index `open`.
    pub next_look: String,
    /// Whether the launch lets another one ask first, in its own line or, when it was new, in one with a lower rank. It
    /// asks within a minute after it has become the first of its line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub behind: bool,
    /// When EC2 has last refused a launch that waits for room after an instance had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_room_at: Option<String>,
    /// Whether a launch that waits for room may have it now: an instance has ended, and EC2 has refused its room to the
    /// launches of the lines before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_room: bool,
}
