//! Distribution configurations: the Regions of an image, its name, and who may use it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{AmiName, Name, S3Export};

/// The Regions of an image. An image is always built in the home Region, even if that Region is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionConfiguration {
    /// Its name.
    pub name: Name,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The condition under which the image counts as distributed.
    #[serde(default)]
    pub must_succeed: MustSucceed,
    /// When the copies to other Regions begin.
    #[serde(default, skip_serializing_if = "CopyStart::is_default")]
    pub start: CopyStart,
    /// The approval that each image needs before it is published, or `None` if its build publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// One entry for each Region. No Region occurs twice.
    pub distributions: Vec<Distribution>,
}

impl DistributionConfiguration {
    /// Returns the channel that a parameter follows, or `None` if each build writes the parameter. If images need an
    /// approval, a parameter that names no channel follows the channel of the approval.
    #[must_use]
    pub fn channel_of<'a>(&'a self, parameter: &'a SsmParameter) -> Option<&'a Name> {
        parameter.channel.as_ref().or(self.approval.as_ref().map(|approval| &approval.channel))
    }
}

/// A person's approval, without which an image is not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The channel: an image is approved by its promotion to this channel.
    pub channel: Name,
}

/// How many Regions must have their copy before an image is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MustSucceed {
    /// Every Region.
    #[default]
    All,
    /// At least one Region. The home Region counts.
    Some,
}

/// When the copies of an image to other Regions begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyStart {
    /// Once the image has passed its tests.
    #[default]
    AfterTests,
    /// Together with the tests. If a test fails, the copies are removed.
    WithTests,
}

impl CopyStart {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An image in one Region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// Name of the Region, such as `eu-west-1`.
    pub region: String,
    /// The AMI in that Region.
    #[serde(default)]
    pub ami_distribution_configuration: AmiDistribution,
    /// Parameters that contain the AMI's id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssm_parameter_configurations: Vec<SsmParameter>,
    /// Launch templates that get a version with the AMI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub launch_template_configurations: Vec<PublishedTemplate>,
    /// ARNs of the license configurations of License Manager that the AMI gets, of the same Region. None occurs twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub license_configuration_arns: Vec<String>,
    /// Where the AMI is exported to, or `None` if it is not exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_export_configuration: Option<S3Export>,
}

/// The AMI of one Region.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AmiDistribution {
    /// Name of the AMI, or `None` for `NAME VERSION-BUILD`.
    pub name: Option<AmiName>,
    /// Description of the AMI, at most 255 characters, or `None` for the description of the recipe.
    pub description: Option<String>,
    /// Tags of the AMI, in addition to the recipe's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ami_tags: BTreeMap<String, String>,
    /// Who may launch the AMI, in addition to the account itself.
    #[serde(default, skip_serializing_if = "LaunchPermission::is_empty")]
    pub launch_permission: LaunchPermission,
    /// Whether the accounts that may launch the AMI may also copy it: they then get its snapshots too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub share_snapshots: bool,
    /// Accounts that get their own copy in this Region. No account occurs twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_accounts: Vec<TargetAccount>,
    /// How many days after its build the AMI becomes deprecated, from 1 to [`AmiDistribution::MAX_DAYS`], or `None` if
    /// it never does.
    pub deprecate_after_days: Option<u32>,
    /// Whether the published AMI is protected from deregistration, or `None` if it is not.
    pub deregistration_protection: Option<DeregistrationProtection>,
    /// KMS key id, ARN or alias in that Region, or `None` to encrypt the AMI as the source is.
    pub kms_key_id: Option<String>,
}

/// How an AMI is protected from deregistration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeregistrationProtection {
    /// The AMI is protected until the protection is switched off.
    UntilOff,
    /// The AMI is also protected for 24 hours after that.
    WithCooldown,
}

impl AmiDistribution {
    /// Longest time until an AMI is deprecated, in days: EC2 allows ten years (EC2 API reference,
    /// EnableImageDeprecation).
    pub const MAX_DAYS: u32 = 3_650;
    /// The same limit for a public AMI: two years.
    pub const MAX_PUBLIC_DAYS: u32 = 730;
}

/// An account that gets its own copy.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetAccount {
    /// Account id.
    pub account: String,
    /// KMS key of that account in this Region: an id, an ARN or an alias. `None` to encrypt the copy as the original
    /// is, with that account's default key.
    pub kms_key: Option<String>,
}

/// Who may launch an AMI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchPermission {
    /// Account ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_ids: Vec<String>,
    /// `all`, or no entry: `all` makes the AMI public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_groups: Vec<String>,
    /// ARNs of organizations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organization_arns: Vec<String>,
    /// ARNs of organizational units.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub organizational_unit_arns: Vec<String>,
}

impl LaunchPermission {
    /// Returns whether only the owner may launch the image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user_ids.is_empty()
            && self.user_groups.is_empty()
            && self.organization_arns.is_empty()
            && self.organizational_unit_arns.is_empty()
    }
}

/// An SSM parameter that contains the id of the newest AMI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SsmParameter {
    /// Name of the parameter, such as `/images/web-server`.
    pub parameter_name: String,
    /// Data type of the parameter, which decides how SSM checks its value.
    #[serde(default)]
    pub data_type: ParameterDataType,
    /// The channel that the parameter follows, or `None` if each published image is written to the parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Name>,
}

impl SsmParameter {
    /// Returns whether a build writes the parameter, if the pipeline assigns new images to this channel.
    #[must_use]
    pub fn is_written_for(&self, channel: Option<&Name>) -> bool {
        self.channel.is_none() || self.channel.as_ref() == channel
    }
}

/// Data type of an SSM parameter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterDataType {
    /// SSM checks that the value is the id of an existing AMI.
    #[default]
    #[serde(rename = "aws:ec2:image")]
    Image,
    /// Any text.
    #[serde(rename = "text")]
    Text,
}

impl ParameterDataType {
    /// Returns AWS's word for the data type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "aws:ec2:image",
            Self::Text => "text",
        }
    }
}

/// A launch template that gets a version with the newest AMI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedTemplate {
    /// Id of the template, which begins with `lt-`, or its name.
    pub template: String,
    /// Whether the new version becomes the default version.
    pub set_default_version: bool,
}
