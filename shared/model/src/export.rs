//! Exports of images to S3 as disk images.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// Where a Region's image is exported to, and in which format.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Export {
    /// Name of the role with which VM Import/Export writes the object.
    pub role_name: String,
    /// Format of the disk image.
    pub disk_image_format: DiskImageFormat,
    /// Bucket in the same Region.
    pub s3_bucket: String,
    /// Beginning of the object's key, or `None` for no prefix.
    pub s3_prefix: Option<String>,
}

impl S3Export {
    /// Returns the place of the object that an export task writes: its key is the prefix, the id of the task, and the format
    /// as its extension (VM Import/Export user guide, "Start an export image task").
    #[must_use]
    pub fn object(&self, task: &str) -> String {
        format!("{self}{task}.{}", self.disk_image_format.as_str().to_lowercase())
    }

    /// Returns whether an export task to this place may have written the object at this location, in whichever format.
    #[must_use]
    pub fn may_have_written(&self, location: &str) -> bool {
        location.strip_prefix(&self.to_string()).is_some_and(|key| key.starts_with("export-ami-"))
    }
}

/// The bucket with the prefix, such as `s3://bucket/images/`.
impl fmt::Display for S3Export {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "s3://{}/{}", self.s3_bucket, self.s3_prefix.as_deref().unwrap_or_default())
    }
}

/// Format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DiskImageFormat {
    /// Stream-optimized VMDK.
    Vmdk,
    /// The disk itself.
    Raw,
    /// Virtual Hard Disk.
    Vhd,
}

impl DiskImageFormat {
    /// Returns AWS's word for the format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vmdk => "VMDK",
            Self::Raw => "RAW",
            Self::Vhd => "VHD",
        }
    }
}
