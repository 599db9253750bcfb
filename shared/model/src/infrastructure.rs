//! Infrastructure configurations: where a build runs.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::Name;

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
