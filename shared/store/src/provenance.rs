//! The signed provenance of an image, as it is stored with the state of a build and with the image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was signed, and by which key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenanceRecord {
    /// The AMI that was signed, which is the one in the home Region.
    pub ami: String,
    /// The content digest of the AMI: a SHA-256, in hex.
    pub digest: String,
    /// ARN of the KMS key that has signed.
    pub signing_key: String,
    /// SHA-256 of the key's public part in its DER form, in hex.
    pub fingerprint: String,
    /// Key of the bundle in the stack's bucket, which contains the statement and its signature.
    pub bundle: String,
    /// The list of the blocks of each volume in the stack's bucket, by device name.
    pub volumes: BTreeMap<String, String>,
}
