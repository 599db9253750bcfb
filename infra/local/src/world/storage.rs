//! An account's settings for its storage in a Region: keys, encryption by default, public access.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Snapshot, World};
use crate::api::Scope;
use crate::ids;

/// EBS's message for a copy whose key cannot be used.
pub(crate) const KEY_FAILURE: &str =
    "Client.InvalidKMSKey: Given key ID is not accessible. You must have DescribeKey permissions on the default CMK.";

/// Alias of the key that AWS manages for EBS.
const MANAGED_ALIAS: &str = "alias/aws/ebs";

/// A KMS key, with the properties that EBS checks. Nothing is encrypted here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KmsKey {
    pub(crate) arn: String,
    pub(crate) alias: Option<String>,
    /// Whether AWS manages it. Images and snapshots that such a key encrypts cannot be shared.
    pub(crate) managed: bool,
    /// Accounts that may use it.
    pub(crate) accounts: BTreeSet<String>,
    /// Accounts whose role of EC2 Spot has a grant.
    #[serde(default)]
    pub(crate) spot_accounts: BTreeSet<String>,
}

/// Whether snapshots may be made public, and whether public ones stay public.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SnapshotAccess {
    #[default]
    Unblocked,
    NoNewSharing,
    NoSharing,
}

impl SnapshotAccess {
    /// Returns EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SnapshotAccess::Unblocked => "unblocked",
            SnapshotAccess::NoNewSharing => "block-new-sharing",
            SnapshotAccess::NoSharing => "block-all-sharing",
        }
    }
}

/// The settings of one account in one Region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Storage {
    /// Keys that were handed over. If there are none, any name is a customer's key that everybody may use.
    pub(crate) keys: Vec<KmsKey>,
    pub(crate) encrypts_by_default: bool,
    /// ARN; `None` is the key that AWS manages.
    pub(crate) default_key: Option<String>,
    /// Whether images may not be made public.
    pub(crate) blocks_images: bool,
    pub(crate) snapshots: SnapshotAccess,
}

impl World {
    /// Returns the settings of an account in a Region.
    pub(crate) fn storage(&self, scope: &Scope) -> Storage {
        self.storage.get(&scope.to_string()).cloned().unwrap_or_default()
    }

    /// Does the same for a change.
    pub(crate) fn change_storage(&mut self, scope: &Scope) -> &mut Storage {
        self.storage.entry(scope.to_string(), Storage::default)
    }

    /// Returns whether an account sees a snapshot in a Region: its own, one that is shared with it, or a public one.
    /// While an account blocks all public sharing, its public snapshots are private, whatever their permissions are
    /// (EC2 API reference, EnableSnapshotBlockPublicAccess).
    pub(crate) fn shows_snapshot(&self, scope: &Scope, snapshot: &Snapshot) -> bool {
        let is_public =
            || snapshot.grants.public && self.storage(&snapshot.scope).snapshots != SnapshotAccess::NoSharing;
        let shared = || snapshot.grants.accounts.contains(&scope.account) || is_public();
        snapshot.scope.region == scope.region && (snapshot.scope.account == scope.account || shared())
    }

    /// Returns the ARN of the key that EBS uses if a call names none.
    pub(crate) fn default_key(&self, scope: &Scope) -> String {
        self.storage(scope).default_key.unwrap_or_else(|| managed_key(scope))
    }

    /// Returns the name of this key in EC2's answers: the alias of AWS's key until another key is chosen.
    pub(crate) fn default_key_name(&self, scope: &Scope) -> String {
        self.storage(scope).default_key.unwrap_or_else(|| MANAGED_ALIAS.to_owned())
    }

    /// Returns the ARN of the key that a call names by id, by alias or by the ARN of either. EBS looks for the key only
    /// later.
    pub(crate) fn key_named(&self, scope: &Scope, name: &str) -> String {
        let (owner, name) = split(scope, name);
        if name == MANAGED_ALIAS {
            return managed_key(&owner);
        }
        let found = self
            .storage(&owner)
            .keys
            .into_iter()
            .find(|key| key.alias.as_deref() == Some(name) || key.arn.rsplit('/').next() == Some(name));
        found.map_or_else(|| key_arn(&owner, name), |key| key.arn)
    }

    /// Returns whether an account may use a key in a Region. If an account's keys were not handed over, everybody may
    /// use any of them.
    pub(crate) fn may_use_key(&self, scope: &Scope, arn: &str) -> bool {
        let (owner, _) = split(scope, arn);
        if owner.region != scope.region {
            return false;
        }
        if arn == managed_key(&owner) {
            // The policy of a key that AWS manages allows its own account only, and cannot be changed. So what it
            // encrypts cannot be shared.
            return owner.account == scope.account;
        }
        let keys = self.storage(&owner).keys;
        keys.is_empty() || keys.iter().any(|key| key.arn == arn && key.accounts.contains(&scope.account))
    }

    /// Returns whether EC2 may use a key for an account's spot instances. Its service-linked role needs a grant for each
    /// key of a customer (EC2 user guide, "Grant access to customer managed keys for use with encrypted AMIs and EBS
    /// snapshots"). Of keys that were not handed over, any may be used.
    pub(crate) fn may_use_key_for_spot(&self, scope: &Scope, arn: &str) -> bool {
        let (owner, _) = split(scope, arn);
        let keys = self.storage(&owner).keys;
        let is_granted = |key: &KmsKey| key.managed || key.spot_accounts.contains(&scope.account);
        keys.iter().find(|key| key.arn == arn).is_none_or(is_granted)
    }

    /// Returns the ARNs of the keys that were handed over and that AWS does not manage, for all accounts.
    pub(crate) fn customer_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.storage.values().flat_map(|storage| &storage.keys);
        keys.filter(|key| !key.managed).map(|key| key.arn.as_str())
    }

    /// Returns whether AWS manages a key.
    pub(crate) fn is_managed_key(&self, scope: &Scope, arn: &str) -> bool {
        let (owner, _) = split(scope, arn);
        arn == managed_key(&owner) || self.storage(&owner).keys.iter().any(|key| key.arn == arn && key.managed)
    }
}

/// Returns the ARN of the key that AWS manages for EBS in an account and Region.
fn managed_key(scope: &Scope) -> String {
    key_arn(scope, &ids::derived_uuid(&format!("{scope} {MANAGED_ALIAS}")))
}

/// Returns the ARN of a key by its id. A key that is named by an unknown alias has an id that is derived from the
/// alias.
pub(crate) fn key_arn(owner: &Scope, name: &str) -> String {
    let id = if name.starts_with("alias/") { ids::derived_uuid(&format!("{owner} {name}")) } else { name.to_owned() };
    format!("arn:aws:kms:{}:{}:key/{id}", owner.region, owner.account)
}

/// Returns the scope of a key, and its id or alias. For an ARN, the scope is the one in the ARN, otherwise the
/// caller's.
pub(crate) fn split<'n>(scope: &Scope, name: &'n str) -> (Scope, &'n str) {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "kms", region, account, rest] => {
            let owner = Scope { account: (*account).to_owned(), region: (*region).to_owned() };
            (owner, rest.strip_prefix("key/").unwrap_or(rest))
        }
        _ => (scope.clone(), name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k1";

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: account.to_owned(), region: region.to_owned() }
    }

    fn world() -> (World, Scope) {
        let (mut world, own) = (World::default(), scope("111122223333", "eu-west-1"));
        let accounts = ["111122223333", "999999999999"].map(str::to_owned).into();
        let key = KmsKey {
            arn: KEY.to_owned(),
            alias: Some("alias/golden".to_owned()),
            managed: false,
            accounts,
            spot_accounts: BTreeSet::new(),
        };
        world.change_storage(&own).keys.push(key);
        (world, own)
    }

    #[test]
    fn a_key_is_named_in_four_ways() {
        let (world, own) = world();
        for name in ["k1", "alias/golden", KEY, "arn:aws:kms:eu-west-1:111122223333:alias/golden"] {
            assert_eq!(world.key_named(&own, name), KEY, "{name}");
        }
        let managed = world.key_named(&own, "alias/aws/ebs");
        assert_eq!(managed, world.default_key(&own));
        assert!(world.is_managed_key(&own, &managed) && !world.is_managed_key(&own, KEY));
    }

    #[test]
    fn only_accounts_that_a_key_allows_may_use_it() {
        let (world, own) = world();
        let may = |account: &str, region: &str, key: &str| world.may_use_key(&scope(account, region), key);
        assert!(may("111122223333", "eu-west-1", KEY) && may("999999999999", "eu-west-1", KEY));
        assert!(!may("123456789012", "eu-west-1", KEY), "another account");
        assert!(!may("111122223333", "us-east-1", KEY), "another Region");
        assert!(!may("111122223333", "eu-west-1", &world.key_named(&own, "unknown")));
        let managed = world.default_key(&own);
        assert!(may("111122223333", "eu-west-1", &managed) && !may("999999999999", "eu-west-1", &managed));
        let elsewhere = scope("123456789012", "eu-west-1");
        assert!(world.may_use_key(&elsewhere, &world.key_named(&elsewhere, "any")), "none was handed over");
    }
}
