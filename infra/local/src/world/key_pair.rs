//! Key pairs, of which only the public half is stored. The private half is only in the answer of the call that made it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Tags, World};
use crate::api::Scope;

/// A key pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyPair {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) name: String,
    /// `rsa` or `ed25519`.
    pub(crate) kind: String,
    pub(crate) fingerprint: String,
    /// One line, as in `authorized_keys`.
    pub(crate) public_key: String,
    /// The imported text if it differs from that line.
    #[serde(default)]
    pub(crate) imported: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
}

impl World {
    /// Returns the key pair of this name.
    pub(crate) fn key_pair(&self, scope: &Scope, name: &str) -> Option<&KeyPair> {
        self.key_pairs.values().find(|pair| pair.scope == *scope && pair.name == name)
    }
}
