//! The facts about KMS keys that decide whether a build can encrypt its volumes and copies.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::Result;

/// A KMS key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `arn:aws:kms:…:key/…`
    pub arn: String,
    /// Whether the key can be used.
    pub enabled: bool,
    /// Whether AWS manages the key. Other accounts cannot use a key that AWS manages.
    pub managed_by_aws: bool,
    /// Whether the key is a symmetric encryption key. EBS supports no other keys (EBS user guide, "How Amazon EBS
    /// encryption works").
    pub symmetric: bool,
    /// State of the key, in AWS's words.
    pub state: String,
}

/// Returns whether a name refers to the key that AWS manages for EBS in each account and Region.
#[must_use]
pub fn is_aws_key(name: &str) -> bool {
    name.ends_with("alias/aws/ebs")
}

/// Who may use a key: the accounts that its policy and its grants name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyUsers {
    /// Accounts to which the policy allows at least one action, and accounts of the principals of grants.
    pub accounts: BTreeSet<String>,
    /// Whether the policy allows an action to every principal, perhaps under conditions. In that case, it may allow
    /// every account.
    pub everyone: bool,
}

/// KMS. Every method only reads.
#[async_trait]
pub trait Keys: Send + Sync {
    /// `DescribeKey`. Returns a key by id, ARN or alias, or `None` if the Region has no such key.
    async fn key(&self, region: &str, name: &str) -> Result<Option<Key>>;
    /// Calls `GetKeyPolicy` and `ListGrants`. Returns who may use the key with this ARN.
    async fn key_users(&self, region: &str, arn: &str) -> Result<KeyUsers>;
}
