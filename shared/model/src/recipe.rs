//! Image recipes: what goes into an image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Name, SourceImage, Version, VersionPattern};

/// One version of a recipe. Immutable once it is applied; its wildcards are resolved anew by every build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRecipe {
    /// Its name, which is the image's name too.
    pub name: Name,
    /// Its version, which is the image's version too.
    pub version: Version,
    /// Words for people; the AMI's description where the distribution has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What a build starts from.
    pub parent_image: SourceImage,
    /// Whose AMI an `ssm:` source may stand for; empty: the account's own and Amazon's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent_image_owners: Vec<String>,
    /// What a build runs, in this order; at most [`ImageRecipe::MAX_COMPONENTS`].
    pub components: Vec<ComponentRef>,
    /// Absolute path of the directory that steps start in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Changes to the source image's block devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub block_device_mappings: Vec<BlockDeviceMapping>,
    /// Tags of every AMI that is built.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl ImageRecipe {
    /// Most components of a recipe, Image Builder's quota.
    pub const MAX_COMPONENTS: usize = 20;
}

/// A component in a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentRef {
    /// The component's name.
    pub name: Name,
    /// Which of its versions.
    pub version: VersionPattern,
    /// Values for the document's parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// A block device and its volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDeviceMapping {
    /// Such as `/dev/xvda`.
    pub device_name: String,
    /// The volume.
    #[serde(default)]
    pub ebs: Ebs,
}

/// An EBS volume; what is absent is as in the source image, or else EC2's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ebs {
    /// GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_size: Option<u32>,
    /// `gp3`, `gp2`, `io1`, `io2`, `st1`, `sc1` or `standard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    /// IOPS, for the types that take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// MiB/s, `gp3` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<u32>,
    /// EBS encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// KMS key id, ARN or alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
}
