//! Exports of images to S3 as disk images.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Image, Tags, Timeline, World};
use crate::api::Scope;

/// States of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ExportState {
    Active,
    Completed,
    Deleting,
    Deleted,
}

impl ExportState {
    /// Returns EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExportState::Active => "active",
            ExportState::Completed => "completed",
            ExportState::Deleting => "deleting",
            ExportState::Deleted => "deleted",
        }
    }

    /// Returns whether the export has not ended.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, ExportState::Active | ExportState::Deleting)
    }
}

/// A disk image's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DiskFormat {
    Raw,
    Vhd,
    Vmdk,
}

impl DiskFormat {
    /// Reads EC2's name.
    pub(crate) fn read(name: &str) -> Option<Self> {
        [DiskFormat::Raw, DiskFormat::Vhd, DiskFormat::Vmdk].into_iter().find(|format| format.name() == name)
    }

    /// Returns EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DiskFormat::Raw => "RAW",
            DiskFormat::Vhd => "VHD",
            DiskFormat::Vmdk => "VMDK",
        }
    }
}

/// An export.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExportTask {
    /// `export-ami-…`
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) image: String,
    pub(crate) description: Option<String>,
    pub(crate) format: DiskFormat,
    pub(crate) bucket: String,
    pub(crate) prefix: Option<String>,
    /// Name of the role with which the object is written.
    pub(crate) role: String,
    pub(crate) tags: Tags,
    pub(crate) states: Timeline<ExportState>,
    /// What is done at the moment, or why the export has failed.
    pub(crate) message: Option<String>,
    /// In percent; `None` once the export has ended.
    pub(crate) progress: Option<u8>,
    /// The reason with which a fault ends it; `None` if there is none.
    pub(crate) fault: Option<String>,
    pub(crate) made_at: Timestamp,
}

impl ExportTask {
    pub(crate) fn state(&self) -> ExportState {
        self.states.now()
    }

    /// Returns the key of its object (VM Import/Export user guide, "Start an export image task").
    pub(crate) fn key(&self) -> String {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        format!("{prefix}{}.{}", self.id, self.format.name().to_lowercase())
    }
}

impl World {
    /// Returns the exports that have not ended in a Region of an account.
    pub(crate) fn open_exports(&self, scope: &Scope) -> impl Iterator<Item = &ExportTask> {
        self.exports.values().filter(move |task| task.scope == *scope && task.state().is_open())
    }

    /// Returns the size of an image's root volume in GiB.
    pub(crate) fn root_size(image: &Image) -> u32 {
        image.devices.iter().find(|device| device.name == image.root_device).map_or(0, |device| device.size)
    }
}
