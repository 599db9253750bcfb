//! Infrastructure configurations: where a build runs.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::account::is_account_id;
use crate::{Name, check_region};

/// Where build and test instances run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfrastructureConfiguration {
    /// Its name.
    pub name: Name,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Instance types, which are tried in this order until one launches. There is at least one.
    pub instance_types: Vec<String>,
    /// Subnets, which are tried in this order with each type. The list is empty for the subnets of the default VPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnet_ids: Vec<String>,
    /// Security groups. The list is empty for the stack's own group, which allows no inbound traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_group_ids: Vec<String>,
    /// Instance profile of build and test instances, or `None` for the stack's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_profile_name: Option<String>,
    /// Options of the instance metadata service.
    #[serde(default)]
    pub instance_metadata_options: InstanceMetadataOptions,
    /// Where EC2 puts the instances.
    #[serde(default, skip_serializing_if = "Placement::is_default")]
    pub placement: Placement,
    /// Name of the key pair whose public key EC2 gives to the build instance, or `None` for no key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair: Option<String>,
    /// ARN of the SNS topic that is told how each build ends, or `None` for no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sns_topic_arn: Option<String>,
    /// Whether the build instance is a spot instance if EC2 has capacity for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
    /// Tags of the instances and their volumes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resource_tags: BTreeMap<String, String>,
    /// How long the instance of a failed build is kept, or zero if it is not kept. The duration is stored as ISO 8601,
    /// such as `PT4H`.
    #[serde(default)]
    pub keep_on_failure: SignedDuration,
}

/// Where EC2 puts an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Availability Zone, such as `eu-west-1a`, or `None` if the subnet or EC2 decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// The tenancy: on whose hardware the instance runs.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// The Dedicated Host on which the instances run, `h-…`. Only with the tenancy `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// ARN of the host resource group on whose hosts the instances run. Only with the tenancy `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_resource_group_arn: Option<String>,
}

impl Placement {
    /// Returns whether the definition left the placement to EC2.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The tenancy of an instance: on whose hardware it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tenancy {
    /// The tenancy of the VPC: for almost every VPC, this is hardware that accounts share.
    #[default]
    Default,
    /// Hardware that only this account uses (a Dedicated Instance).
    Dedicated,
    /// A Dedicated Host of the account.
    Host,
}

/// Options of the instance metadata service. Tokens (IMDSv2) are always required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceMetadataOptions {
    /// `HttpPutResponseHopLimit`, 1 to 64; 2 is needed if containers request tokens.
    pub http_put_response_hop_limit: u8,
}

impl Default for InstanceMetadataOptions {
    fn default() -> Self {
        Self { http_put_response_hop_limit: 1 }
    }
}

/// Returns whether a text has the form of the ARN of an SNS topic: `arn:aws:sns:REGION:ACCOUNT:NAME`. The name has at most
/// 256 letters, digits, `-` and `_`, and that of a FIFO topic ends with `.fifo` (SNS API reference, CreateTopic, `Name`).
#[must_use]
pub fn is_topic_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "sns", region, account, name] = parts.as_slice() else { return false };
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    partition.starts_with("aws")
        && check_region(region).is_ok()
        && is_account_id(account)
        && name.len() <= 256
        && !stem.is_empty()
        && stem.bytes().all(fits)
}
