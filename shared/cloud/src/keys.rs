//! KMS keys: the facts that decide whether a build can encrypt its volumes and copies, and signatures.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::{Result, Tags};

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
    /// Whether the key signs with ECDSA over the curve NIST P-256 (usage `SIGN_VERIFY`, spec `ECC_NIST_P256`).
    pub signs_p256: bool,
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

/// KMS.
#[async_trait]
pub trait Keys: Send + Sync {
    /// `DescribeKey`. Returns a key by id, ARN or alias, or `None` if the Region has no such key.
    async fn key(&self, region: &str, name: &str) -> Result<Option<Key>>;
    /// Calls `GetKeyPolicy` and `ListGrants`. Returns who may use the key with this ARN.
    async fn key_users(&self, region: &str, arn: &str) -> Result<KeyUsers>;
    /// `ListResourceTags`. Returns the tags of the key with this ARN.
    async fn key_tags(&self, region: &str, arn: &str) -> Result<Tags>;
    /// `GetPublicKey`. Returns the public key of the signing key with this ARN, as a DER `SubjectPublicKeyInfo`.
    async fn public_key(&self, region: &str, arn: &str) -> Result<Vec<u8>>;
    /// `Sign`. Returns the signature of a SHA-256 digest by the key with this ARN: ECDSA over NIST P-256, as DER.
    /// *Effect*, safe to repeat: each signature is another one, and each is valid.
    async fn sign(&self, region: &str, arn: &str, digest: [u8; 32]) -> Result<Vec<u8>>;
}
