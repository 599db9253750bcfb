//! Image recipes: what goes into an image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{Name, SourceImage, Version, VersionPattern};

/// One version of a recipe. It is immutable after it was applied, but every build resolves its wildcards again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecipe {
    /// Name of the recipe, which is also the image's name.
    pub name: Name,
    /// Version of the recipe, which is also the image's version.
    pub version: Version,
    /// Description for people. It is also the AMI's description if the distribution has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The image from which a build starts.
    pub parent_image: SourceImage,
    /// Owners whose AMI an `ssm:` source may name. If the list is empty, the account itself and Amazon are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_image_owners: Vec<String>,
    /// Components that a build runs, in this order, at most [`ImageRecipe::MAX_COMPONENTS`].
    pub components: Vec<ComponentRef>,
    /// Absolute path of the directory in which steps start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// The boot mode of the image; `None` for that of the source image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
    /// The TPM that instances of the image have; `None` for that of the source image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm_support: Option<TpmSupport>,
    /// The non-volatile UEFI variables with which instances of the image start, such as the keys of Secure Boot, in the
    /// Base64 form of EC2's RegisterImage: at most [`ImageRecipe::MAX_UEFI_DATA`] characters. `None` for those of the
    /// source image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uefi_data: Option<String>,
    /// Changes to the source image's block devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub block_device_mappings: Vec<BlockDeviceMapping>,
    /// Tags of every AMI that is built.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl ImageRecipe {
    /// Maximum number of components in a recipe, which is Image Builder's quota.
    pub const MAX_COMPONENTS: usize = 20;
    /// Maximum length of UEFI data in characters of Base64 (EC2 API model, `ImageUefiDataRequest`).
    pub const MAX_UEFI_DATA: usize = 64_000;

    /// Returns how many of the first components the recipe's checkpoint contains, or `None` if it has no checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Option<usize> {
        self.components.iter().position(|component| component.checkpoint).map(|at| at + 1)
    }
}

/// The boot mode of an image (EC2 user guide, "Instance launch behavior with Amazon EC2 boot modes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// The BIOS only.
    LegacyBios,
    /// UEFI only: its instances never fall back to the BIOS.
    Uefi,
    /// UEFI on every instance type that supports it, and the BIOS on every other type.
    UefiPreferred,
}

impl BootMode {
    /// Returns EC2's name of the mode.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LegacyBios => "legacy-bios",
            Self::Uefi => "uefi",
            Self::UefiPreferred => "uefi-preferred",
        }
    }
}

/// The version of the TPM that an instance has (EC2 user guide, "NitroTPM for Amazon EC2 instances").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TpmSupport {
    /// TPM 2.0, which is the only one that EC2 has.
    #[serde(rename = "v2.0")]
    V2,
}

impl TpmSupport {
    /// Returns EC2's name of the version.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2.0",
        }
    }
}

/// A component in a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRef {
    /// The component's name.
    pub name: Name,
    /// Pattern of the component's version.
    pub version: VersionPattern,
    /// Values for the document's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Whether a build keeps the disk as it is after this component, for the next build. At most one component of a
    /// recipe may ask for this, and not the last one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checkpoint: bool,
}

/// A block device and its volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDeviceMapping {
    /// Device name, such as `/dev/xvda`.
    pub device_name: String,
    /// The volume.
    #[serde(default)]
    pub ebs: Ebs,
}

/// An EBS volume. If a setting is absent, the source image decides it, or EC2's default applies.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ebs {
    /// Size in GiB.
    pub volume_size: Option<u32>,
    /// `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`.
    pub volume_type: Option<String>,
    /// IOPS, for the types that have this setting.
    pub iops: Option<u32>,
    /// Throughput in MiB/s, for `gp3` only.
    pub throughput: Option<u32>,
    /// EBS encryption.
    pub encrypted: Option<bool>,
    /// KMS key id, ARN or alias.
    pub kms_key_id: Option<String>,
}
