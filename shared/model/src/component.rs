//! Components: versioned documents.

use serde::{Deserialize, Serialize};

use crate::{Name, Version};

/// The operating system of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Platform {
    /// Any Linux.
    Linux,
}

/// One version of a component. Immutable after it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// The platform on which the document can run.
    pub platform: Platform,
    /// Description for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The document in its original form, at most [`Component::MAX_DOCUMENT`] bytes.
    pub document: String,
    /// SHA-256 of the document; see [`goldsmith_document::digest`].
    pub digest: String,
    /// Whether `test` is the document's only phase.
    pub is_test: bool,
}

impl Component {
    /// Maximum length of a document in bytes, which is Image Builder's quota.
    pub const MAX_DOCUMENT: usize = 64 * 1024;
}
