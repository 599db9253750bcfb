//! The settings and networks of an account in a Region that decide whether a build can succeed.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::{Result, is_aws_key};

/// How EBS encrypts new volumes and snapshots in a Region.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultEncryption {
    /// Whether all of them are encrypted, regardless of the call.
    pub always: bool,
    /// The key that is used if a call names none: an id, an ARN or an alias.
    pub key: String,
}

impl DefaultEncryption {
    /// Returns whether the default key is the one that AWS manages. No other account can use what this key encrypts
    /// (EBS user guide, "Share the KMS key used to encrypt a shared Amazon EBS snapshot").
    #[must_use]
    pub fn is_managed_by_aws(&self) -> bool {
        is_aws_key(&self.key)
    }
}

/// A subnet into which instances are launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`
    pub id: String,
    /// The subnet's VPC, `vpc-…`.
    pub vpc: String,
    /// The subnet's Availability Zone, such as `eu-west-1a`.
    pub zone: String,
}

/// A Dedicated Host of the account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DedicatedHost {
    /// `h-…`
    pub id: String,
    /// Its state in EC2's words. Only a host that is `available` takes instances.
    pub state: String,
    /// Its Availability Zone, such as `eu-west-1a`.
    pub zone: String,
    /// The only instance type that it takes; `None` if it takes the types of its family.
    pub instance_type: Option<String>,
    /// The family of the instance types that it takes, such as `m5`; `None` if it takes one type only.
    pub family: Option<String>,
    /// Whether it takes instances that name no host.
    pub auto_placement: bool,
    /// How many more instances of each type fit on it.
    pub free: BTreeMap<String, u32>,
}

impl DedicatedHost {
    /// Returns whether instances of this type can run on the host if it has room.
    #[must_use]
    pub fn takes(&self, instance_type: &str) -> bool {
        let family = instance_type.split_once('.').map(|(family, _)| family);
        match &self.instance_type {
            Some(only) => only == instance_type,
            None => family.is_some() && family == self.family.as_deref(),
        }
    }
}

/// The account's own settings. Every method only reads.
#[async_trait]
pub trait Account: Send + Sync {
    /// Calls `DescribeRegions` in `home`. Returns every Region, and whether it is enabled in the account.
    async fn known_regions(&self, home: &str) -> Result<BTreeMap<String, bool>>;
    /// `GetImageBlockPublicAccessState`. Returns whether new public sharing of images is blocked.
    async fn public_images_are_blocked(&self, region: &str) -> Result<bool>;
    /// `GetSnapshotBlockPublicAccessState`. Returns whether new public sharing of snapshots is blocked.
    async fn public_snapshots_are_blocked(&self, region: &str) -> Result<bool>;
    /// Calls `GetEbsEncryptionByDefault` and `GetEbsDefaultKmsKeyId`.
    async fn default_encryption(&self, region: &str) -> Result<DefaultEncryption>;
    /// `DescribeSubnets`. Subnets that do not exist are left out. Without ids, no call is made.
    async fn subnets_of(&self, region: &str, ids: &[String]) -> Result<Vec<Subnet>>;
    /// `DescribeSecurityGroups`. Returns the VPC of each security group. Groups that do not exist are left out. Without
    /// ids, no call is made.
    async fn vpcs_of_groups(&self, region: &str, ids: &[String]) -> Result<BTreeMap<String, String>>;
    /// `DescribeInstanceTypeOfferings`. Returns the Availability Zones that offer each of these types. A type that no
    /// zone offers is left out. Without types, no call is made.
    async fn zones_of_types(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>>;
    /// `DescribeHosts`. Returns the Dedicated Host with this id, or all of them if `id` is `None`. A host that does not
    /// exist is left out.
    async fn hosts(&self, region: &str, id: Option<&str>) -> Result<Vec<DedicatedHost>>;
}
