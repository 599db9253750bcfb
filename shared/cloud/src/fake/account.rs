//! The account's own settings. Everything that a test does not set is as in a new account: all resources exist, and
//! they are in one VPC.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::{Account, DedicatedHost, DefaultEncryption, KeyUsers, Result, Subnet, Tags};

/// The Regions that are enabled in every account and that tests use.
const ENABLED: [&str; 8] =
    ["ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "us-east-1", "us-west-2"];
/// The VPC of every resource that a test has not put into another one.
const VPC: &str = "vpc-1";

/// Settings of the account that tests may change.
#[derive(Debug, Clone, Default)]
pub struct AccountSettings {
    /// Regions that exist and are not enabled. The Regions of other accounts have the names that [`super::place`]
    /// returns.
    pub disabled_regions: BTreeSet<String>,
    /// Regions in which images may not be made public.
    pub without_public_images: BTreeSet<String>,
    /// Regions in which snapshots may not be made public.
    pub without_public_snapshots: BTreeSet<String>,
    /// How new volumes are encrypted, by Region. By default, a volume is encrypted only if the call requests it, with
    /// the key that AWS manages.
    pub encryption: BTreeMap<String, DefaultEncryption>,
    /// Names of KMS keys that are disabled.
    pub disabled_keys: BTreeSet<String>,
    /// Names of KMS keys that sign with ECDSA over NIST P-256, with their tags.
    pub signing_keys: BTreeMap<String, Tags>,
    /// Who may use a key, by the end of its ARN. If a test sets nothing, every account may use it.
    pub key_users: BTreeMap<String, KeyUsers>,
    /// Subnets, security groups, KMS keys, license configurations, topics, roles of exports and buckets that do not exist.
    pub missing: BTreeSet<String>,
    /// The VPC of a subnet or a security group.
    pub vpcs: BTreeMap<String, String>,
    /// The letter of a subnet's zone, or `a` if a test sets none.
    pub zones: BTreeMap<String, char>,
    /// Accounts in which the stack's role does not exist.
    pub closed_accounts: BTreeSet<String>,
    /// Roles that do not trust VM Import/Export.
    pub closed_roles: BTreeSet<String>,
    /// Regions of buckets. A bucket that is not listed is in the Region in which it is looked for.
    pub buckets: BTreeMap<String, String>,
    /// Instance types with the letter of a zone that does not offer them.
    pub not_offered: BTreeSet<(String, char)>,
    /// Dedicated Hosts of the home Region.
    pub hosts: Vec<DedicatedHost>,
}

impl AccountSettings {
    fn vpc_of(&self, id: &str) -> String {
        self.vpcs.get(id).cloned().unwrap_or_else(|| VPC.to_owned())
    }

    fn there<'i>(&self, ids: &'i [String]) -> impl Iterator<Item = &'i String> {
        ids.iter().filter(|id| !self.missing.contains(*id))
    }
}

impl FakeCloud {
    /// Changes the settings of the account.
    pub fn set_up(&self, change: impl FnOnce(&mut AccountSettings)) {
        change(&mut self.world().account);
    }
}

#[async_trait]
impl Account for FakeCloud {
    async fn known_regions(&self, home: &str) -> Result<BTreeMap<String, bool>> {
        self.read(Call::new("DescribeRegions", home), |world| {
            let off = world.account.disabled_regions.iter().map(|name| (name.clone(), false));
            Ok(ENABLED.map(|name| (name.to_owned(), true)).into_iter().chain(off).collect())
        })
        .await
    }

    async fn public_images_are_blocked(&self, region: &str) -> Result<bool> {
        let call = Call::new("GetImageBlockPublicAccessState", region);
        self.read(call, |world| Ok(world.account.without_public_images.contains(region))).await
    }

    async fn public_snapshots_are_blocked(&self, region: &str) -> Result<bool> {
        let call = Call::new("GetSnapshotBlockPublicAccessState", region);
        self.read(call, |world| Ok(world.account.without_public_snapshots.contains(region))).await
    }

    async fn default_encryption(&self, region: &str) -> Result<DefaultEncryption> {
        let call = Call::new("GetEbsEncryptionByDefault", region);
        let always = self.read(call, |world| Ok(world.account.encryption.get(region).is_some_and(|one| one.always)));
        let always = always.await?;
        let call = Call::new("GetEbsDefaultKmsKeyId", region);
        let key = self.read(call, |world| Ok(world.account.encryption.get(region).map(|one| one.key.clone())));
        Ok(DefaultEncryption { always, key: key.await?.unwrap_or_else(|| "alias/aws/ebs".to_owned()) })
    }

    async fn subnets_of(&self, region: &str, ids: &[String]) -> Result<Vec<Subnet>> {
        if ids.is_empty() {
            return Ok(Vec::new()); // EC2 is not called
        }
        self.read(Call::new("DescribeSubnets", region), |world| {
            let account = &world.account;
            let subnet = |id: &String| Subnet {
                id: id.clone(),
                vpc: account.vpc_of(id),
                zone: format!("{region}{}", account.zones.get(id).unwrap_or(&'a')),
            };
            Ok(account.there(ids).map(subnet).collect())
        })
        .await
    }

    async fn vpcs_of_groups(&self, region: &str, ids: &[String]) -> Result<BTreeMap<String, String>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new()); // EC2 is not called
        }
        self.read(Call::new("DescribeSecurityGroups", region), |world| {
            let account = &world.account;
            Ok(account.there(ids).map(|id| (id.clone(), account.vpc_of(id))).collect())
        })
        .await
    }

    async fn zones_of_types(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>> {
        if types.is_empty() {
            return Ok(BTreeMap::new()); // EC2 is not called
        }
        self.read(Call::new("DescribeInstanceTypeOfferings", region), |world| {
            let not_offered = &world.account.not_offered;
            let zones = |name: &String| {
                let there = ['a', 'b', 'c'].into_iter().filter(|zone| !not_offered.contains(&(name.clone(), *zone)));
                there.map(|zone| format!("{region}{zone}")).collect::<BTreeSet<String>>()
            };
            let all = types.iter().map(|name| (name.clone(), zones(name)));
            Ok(all.filter(|(_, zones)| !zones.is_empty()).collect())
        })
        .await
    }

    async fn hosts(&self, region: &str, id: Option<&str>) -> Result<Vec<DedicatedHost>> {
        self.read(Call::new("DescribeHosts", region), |world| {
            let wanted = |host: &&DedicatedHost| id.is_none_or(|id| host.id == id);
            Ok(world.account.hosts.iter().filter(wanted).cloned().collect())
        })
        .await
    }
}
