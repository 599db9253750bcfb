//! Images and the snapshots behind them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Tags, Timeline};
use crate::api::Scope;

/// States of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ImageState {
    Pending,
    Available,
    Failed,
    Deregistered,
    /// Kept, but nobody may launch it (`DisableImage`).
    Disabled,
}

impl ImageState {
    /// EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ImageState::Pending => "pending",
            ImageState::Available => "available",
            ImageState::Failed => "failed",
            ImageState::Deregistered => "deregistered",
            ImageState::Disabled => "disabled",
        }
    }
}

/// A block device of an image or an instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BlockDevice {
    pub(crate) name: String,
    /// GiB.
    pub(crate) size: u32,
    pub(crate) volume_type: String,
    pub(crate) iops: Option<u32>,
    /// MiB a second; none: that of its type.
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    /// ARN of the key that it is encrypted with.
    pub(crate) kms_key: Option<String>,
    pub(crate) delete_on_termination: bool,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) volume_id: Option<String>,
}

/// Who may launch an image beside its owner. There are no organizations here: permissions for them are only kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    pub(crate) public: bool,
    pub(crate) accounts: BTreeSet<String>,
    /// ARNs.
    pub(crate) organizations: BTreeSet<String>,
    /// ARNs of organizational units.
    pub(crate) units: BTreeSet<String>,
}

/// Whether an image may be deregistered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protection {
    #[default]
    Off,
    /// Protected; with the cooldown it stays so for 24 hours after the protection is taken away.
    On { cooldown: bool },
    /// Taken away, but the cooldown lasts until then.
    Until(Timestamp),
}

impl Protection {
    /// Whether it may not be deregistered at this moment.
    pub(crate) fn holds(self) -> bool {
        match self {
            Protection::Off => false,
            Protection::On { .. } => true,
            Protection::Until(end) => Timestamp::now() < end,
        }
    }

    /// EC2's word for it in `deregistrationProtection`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protection::On { cooldown: true } => "enabled-with-cooldown",
            Protection::On { cooldown: false } => "enabled-without-cooldown",
            Protection::Until(_) if self.holds() => "cooldown",
            Protection::Off | Protection::Until(_) => "disabled",
        }
    }
}

/// An image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) states: Timeline<ImageState>,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
    /// Layers over the base, lowest first: the content.
    pub(crate) layers: Vec<String>,
    pub(crate) devices: Vec<BlockDevice>,
    pub(crate) grants: Grants,
    /// Whether this is a release of the source image that comes with the endpoint.
    pub(crate) source: bool,
    /// Whether a Systems Manager agent is in it.
    pub(crate) has_agent: bool,
    /// Bytes of its content, as far as they are known: what a copy has to move.
    pub(crate) content: u64,
    /// Whether instances of it must use version 2 of the metadata service (`imdsSupport`).
    pub(crate) imds_v2: bool,
    /// From when on it counts as deprecated (`EnableImageDeprecation`).
    pub(crate) deprecated_at: Option<Timestamp>,
    pub(crate) protection: Protection,
    pub(crate) architecture: String,
    pub(crate) root_device: String,
    pub(crate) from_instance: Option<String>,
    /// The image that this instance was launched from.
    pub(crate) launched_from: Option<String>,
    /// Region and id of the image that this one was copied from.
    pub(crate) copied_from: Option<(String, String)>,
    /// Why it failed, or will.
    pub(crate) failure: Option<String>,
    /// The call that made it.
    pub(crate) made_by: String,
}

impl Image {
    pub(crate) fn state(&self) -> ImageState {
        self.states.now()
    }

    /// Ids of the snapshots behind it.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        self.devices.iter().filter_map(|device| device.snapshot_id.clone()).collect()
    }

    /// Id of the snapshot that is its root file system.
    pub(crate) fn root_snapshot(&self) -> Option<&str> {
        self.devices.iter().find(|device| device.name == self.root_device)?.snapshot_id.as_deref()
    }

    /// Whether it still is: a deregistered image is only remembered by instances.
    pub(crate) fn exists(&self) -> bool {
        self.state() != ImageState::Deregistered
    }

    /// Whether this account sees it in this Region: its own, a public one, or one shared with the account.
    pub(crate) fn is_visible_to(&self, scope: &Scope) -> bool {
        let shared = self.grants.public || self.grants.accounts.contains(&scope.account);
        self.exists() && self.scope.region == scope.region && (self.scope.account == scope.account || shared)
    }

    /// ARN of the image.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:ec2:{}::image/{}", self.scope.region, self.id)
    }
}

/// A snapshot: the content of a volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) description: String,
    pub(crate) size: u32,
    pub(crate) volume_id: String,
    pub(crate) encrypted: bool,
    pub(crate) kms_key: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) started_at: Timestamp,
    /// Layers over the base, lowest first; of a root volume only: other volumes have no content here.
    pub(crate) layers: Vec<String>,
    /// Bytes of the content, as far as they are known.
    pub(crate) content: u64,
    /// Whether all of it is stored.
    pub(crate) completed: bool,
    /// Why it could not be made.
    pub(crate) failure: Option<String>,
    /// Who may make volumes of it beside its owner.
    pub(crate) grants: Grants,
    pub(crate) made_by: String,
}

/// What EC2 names as the volume of a snapshot that is of none.
const NO_VOLUME: &str = "vol-ffffffff";

impl Snapshot {
    /// A snapshot that begins now, of no volume and with nothing in it.
    pub(crate) fn begun(id: &str, scope: &Scope, made_by: &str) -> Self {
        Snapshot {
            id: id.to_owned(),
            scope: scope.clone(),
            description: String::new(),
            size: 0,
            volume_id: NO_VOLUME.to_owned(),
            encrypted: false,
            kms_key: None,
            tags: Tags::new(),
            started_at: Timestamp::now(),
            layers: Vec::new(),
            content: 0,
            completed: false,
            failure: None,
            grants: Grants::default(),
            made_by: made_by.to_owned(),
        }
    }

    /// EC2's word for its state.
    pub(crate) fn status(&self) -> &'static str {
        match (&self.failure, self.completed) {
            (Some(_), _) => "error",
            (None, true) => "completed",
            (None, false) => "pending",
        }
    }
}
