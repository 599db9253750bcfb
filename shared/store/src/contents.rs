//! Where the contents of an image are, as it is stored with the state of a build and with the image.

use serde::{Deserialize, Serialize};

/// Where the contents of an image are in the stack's bucket. A failed collection has no digest, and says why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentsRecord {
    /// Key of the object.
    pub key: String,
    /// SHA-256 of the object, in hex. Empty if the contents could not be stored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// Number of packages.
    pub packages: u32,
    /// Number of listed files that no package owns.
    pub files: u32,
    /// Milliseconds that the collection took.
    pub millis: u64,
    /// Why the contents could not be stored. Empty if they were.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failure: String,
}

impl ContentsRecord {
    /// Returns the record of an agent's report in its JSON form, whose type belongs to the agent. Each field of the
    /// record except the key exists in that JSON under the same name.
    pub fn of(key: &str, report: &impl Serialize) -> serde_json::Result<Self> {
        let record: Self = serde_json::from_value(serde_json::to_value(report)?)?;
        Ok(Self { key: key.to_owned(), ..record })
    }

    /// Returns whether the contents are in the bucket.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        !self.sha256.is_empty()
    }
}
