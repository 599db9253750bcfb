//! Components: versioned documents.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Name, Version};

/// Operating system that a component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Platform {
    /// Any Linux.
    Linux,
}

/// One version of a component. Immutable once it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// Where its document can run.
    pub platform: Platform,
    /// Words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The document as it was written, at most [`Component::MAX_DOCUMENT`] bytes.
    pub document: String,
    /// [`Component::digest_of`] the document.
    pub digest: String,
    /// Whether `test` is the document's only phase.
    pub is_test: bool,
}

impl Component {
    /// Longest document in bytes, Image Builder's quota.
    pub const MAX_DOCUMENT: usize = 64 * 1024;

    /// SHA-256 of a document, in 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn digest_of(document: &str) -> String {
        hex(&Sha256::digest(document.as_bytes()))
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Component;

    #[test]
    fn digests_are_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Component::digest_of("abc"), abc);
    }
}
