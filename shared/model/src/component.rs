//! Components: versioned documents.

use serde::{Deserialize, Serialize};

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
    /// SHA-256 of the document, see [`goldsmith_document::digest`].
    pub digest: String,
    /// Whether `test` is the document's only phase.
    pub is_test: bool,
}

impl Component {
    /// Longest document in bytes, Image Builder's quota.
    pub const MAX_DOCUMENT: usize = 64 * 1024;
}
