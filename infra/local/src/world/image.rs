//! Images and the snapshots behind them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Tags, Timeline, iso};
use crate::api::Scope;

/// States of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ImageState {
    Pending,
    Available,
    Failed,
    Deregistered,
    /// Kept, but it cannot be launched (`DisableImage`).
    Disabled,
}

impl ImageState {
    /// Returns EC2's name.
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
    /// In GiB.
    pub(crate) size: u32,
    pub(crate) volume_type: String,
    pub(crate) iops: Option<u32>,
    /// In MiB a second. `None` is the throughput of the volume's type.
    pub(crate) throughput: Option<u32>,
    pub(crate) encrypted: bool,
    /// ARN of the key that encrypts it.
    pub(crate) kms_key: Option<String>,
    pub(crate) delete_on_termination: bool,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) volume_id: Option<String>,
}

/// The accounts that may launch an image, in addition to its owner. There are no organizations here: permissions for
/// them are only stored.
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
    /// Protected. With the cooldown, it stays protected for 24 hours after the protection was removed.
    On { cooldown: bool },
    /// The protection was removed, but the cooldown lasts until this time.
    Until(Timestamp),
}

impl Protection {
    /// Returns whether the image may not be deregistered now.
    pub(crate) fn holds(self) -> bool {
        match self {
            Protection::Off => false,
            Protection::On { .. } => true,
            // The cooldown ends by itself: AWS sends no event and needs no call.
            Protection::Until(end) => Timestamp::now() < end,
        }
    }

    /// Returns EC2's text for `deregistrationProtection`.
    pub(crate) fn name(self) -> String {
        match self {
            Protection::On { cooldown: true } => "enabled-with-cooldown".to_owned(),
            Protection::On { cooldown: false } => "enabled-without-cooldown".to_owned(),
            Protection::Until(end) if self.holds() => format!("disabled after {}", iso(end)),
            Protection::Off | Protection::Until(_) => "disabled".to_owned(),
        }
    }
}

/// The launches from an image that its last launch time depends on, the earliest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launches(Vec<Timestamp>);

impl Launches {
    /// How long it takes until EC2 reports a launch (EC2 API reference, `lastLaunchedTime`).
    const DELAY: SignedDuration = SignedDuration::from_hours(24);

    /// Adds a launch.
    pub(crate) fn add(&mut self, at: Timestamp) {
        let reported = self.last_reported();
        self.0.retain(|one| reported.is_none_or(|reported| *one >= reported));
        self.0.push(at);
        self.0.sort();
    }

    /// Returns the last launch that EC2 reports now; `None` if it reports none.
    pub(crate) fn last_reported(&self) -> Option<Timestamp> {
        let now = Timestamp::now();
        self.0.iter().rev().find(|at| now.duration_since(**at) >= Self::DELAY).copied()
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
    /// Content of the image: layers over the base, lowest first.
    pub(crate) layers: Vec<String>,
    pub(crate) devices: Vec<BlockDevice>,
    pub(crate) grants: Grants,
    /// Whether this is a release of the source image that comes with the endpoint.
    pub(crate) source: bool,
    /// Whether the image contains a Systems Manager agent.
    pub(crate) has_agent: bool,
    /// Size of its content in bytes, as far as it is known: the amount that a copy must move.
    pub(crate) content: u64,
    /// Whether its instances must use version 2 of the metadata service (`imdsSupport`).
    pub(crate) imds_v2: bool,
    /// Its boot mode as EC2 names it; `None` if the instance type decides.
    #[serde(default)]
    pub(crate) boot_mode: Option<String>,
    /// The version of the TPM of its instances; `None` for no TPM.
    #[serde(default)]
    pub(crate) tpm_support: Option<String>,
    /// The UEFI variables of its instances, in Base64.
    #[serde(default)]
    pub(crate) uefi_data: Option<String>,
    /// Time from which the image counts as deprecated (`EnableImageDeprecation`).
    pub(crate) deprecated_at: Option<Timestamp>,
    pub(crate) protection: Protection,
    pub(crate) architecture: String,
    pub(crate) root_device: String,
    pub(crate) from_instance: Option<String>,
    /// The image that `from_instance` was launched from.
    pub(crate) launched_from: Option<String>,
    /// Launches from the image.
    #[serde(default)]
    pub(crate) launches: Launches,
    /// Region and id of the image that this one was copied from.
    pub(crate) copied_from: Option<(String, String)>,
    /// Why it failed or will fail.
    pub(crate) failure: Option<String>,
    /// The call that made it.
    pub(crate) made_by: String,
}

impl Image {
    pub(crate) fn state(&self) -> ImageState {
        self.states.now()
    }

    /// Returns whether its snapshots have begun: what its instance writes from then on is not in the image.
    pub(crate) fn has_begun(&self) -> bool {
        self.from_instance.is_none() || !self.layers.is_empty() || self.state() != ImageState::Pending
    }

    /// Returns the ids of the snapshots behind the image.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        self.devices.iter().filter_map(|device| device.snapshot_id.clone()).collect()
    }

    /// Returns the id of the snapshot that is the image's root file system.
    pub(crate) fn root_snapshot(&self) -> Option<&str> {
        self.devices.iter().find(|device| device.name == self.root_device)?.snapshot_id.as_deref()
    }

    /// Returns whether the image still exists: a deregistered image is kept only for its instances.
    pub(crate) fn exists(&self) -> bool {
        self.state() != ImageState::Deregistered
    }

    /// Returns whether this account sees the image in this Region: its own image, a public one, or one that is shared
    /// with the account.
    pub(crate) fn is_visible_to(&self, scope: &Scope) -> bool {
        let shared = self.grants.public || self.grants.accounts.contains(&scope.account);
        // A permission shares an image only in its own Region: a copy has its own permissions.
        self.exists() && self.scope.region == scope.region && (self.scope.account == scope.account || shared)
    }

    /// Returns the ARN of the image.
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
    /// Layers over the base, lowest first. Only root volumes have them: other volumes have no content here.
    pub(crate) layers: Vec<String>,
    /// Size of the content in bytes, as far as it is known.
    pub(crate) content: u64,
    /// Whether all of the content is stored.
    pub(crate) completed: bool,
    /// Why it could not be made.
    pub(crate) failure: Option<String>,
    /// The accounts that may create volumes from it, in addition to its owner.
    pub(crate) grants: Grants,
    pub(crate) made_by: String,
    /// Whether it is a copy of a snapshot that consists of files.
    #[serde(default)]
    pub(crate) copies_files: bool,
    /// Bits of the volume that were flipped on request.
    #[serde(default)]
    pub(crate) flipped: BTreeSet<u64>,
}

/// EC2's volume id for a snapshot that was made from no volume.
const NO_VOLUME: &str = "vol-ffffffff";

impl Snapshot {
    /// Returns a snapshot that begins now, made from no volume and without content.
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
            copies_files: false,
            flipped: BTreeSet::new(),
        }
    }

    /// Returns whether the snapshot consists of files. The base image itself has no layers, and neither has an empty
    /// volume.
    pub(crate) fn has_files(&self) -> bool {
        self.copies_files || !self.layers.is_empty() || self.made_by == super::source::MADE_BY
    }

    /// Returns the name of the disk with the snapshot's files; `None` if it has none. Snapshots with the same content
    /// have the same disk: a layer never changes, and is the newest one of one content only.
    pub(crate) fn disk_name(&self) -> Option<String> {
        let newest = self.layers.last().map_or("base", String::as_str);
        self.has_files().then(|| format!("{newest}-{}", self.size))
    }

    /// Returns EC2's name of its state.
    pub(crate) fn status(&self) -> &'static str {
        match (&self.failure, self.completed) {
            (Some(_), _) => "error",
            (None, true) => "completed",
            (None, false) => "pending",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_is_reported_a_day_later_and_the_last_one_counts() {
        let ago = |hours| Timestamp::now() - SignedDuration::from_hours(hours);
        let mut launches = Launches::default();
        launches.add(ago(1));
        assert_eq!(launches.last_reported(), None);
        let (first, second) = (ago(50), ago(25));
        for at in [second, first, ago(2)] {
            launches.add(at);
        }
        assert_eq!(launches.last_reported(), Some(second));
    }
}
