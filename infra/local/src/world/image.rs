//! Images and the snapshots behind them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Tags, Timeline};
use crate::api::Scope;

/// States of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageState {
    Pending,
    Available,
    Failed,
    Deregistered,
}

impl ImageState {
    /// EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ImageState::Pending => "pending",
            ImageState::Available => "available",
            ImageState::Failed => "failed",
            ImageState::Deregistered => "deregistered",
        }
    }
}

/// A block device of an image or an instance.
#[derive(Debug, Clone)]
pub(crate) struct BlockDevice {
    pub(crate) name: String,
    /// GiB.
    pub(crate) size: u32,
    pub(crate) volume_type: String,
    pub(crate) encrypted: bool,
    pub(crate) delete_on_termination: bool,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) volume_id: Option<String>,
}

/// Who may launch an image beside its owner. There are no organizations here: permissions for them are only kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grants {
    pub(crate) public: bool,
    pub(crate) accounts: BTreeSet<String>,
    /// ARNs.
    pub(crate) organizations: BTreeSet<String>,
    /// ARNs of organizational units.
    pub(crate) units: BTreeSet<String>,
}

/// An image.
#[derive(Debug, Clone)]
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
    pub(crate) architecture: String,
    pub(crate) root_device: String,
    pub(crate) from_instance: Option<String>,
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

/// A snapshot. Its content is the image's.
#[derive(Debug, Clone)]
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
    /// Whether all of it is stored.
    pub(crate) completed: bool,
    pub(crate) made_by: String,
}
