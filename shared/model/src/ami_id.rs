//! The id of an AMI.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of an AMI, `ami-` and 8 or 17 hexadecimal digits. Since 2018, EC2 creates ids of the longer form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AmiId(String);

/// The text is not the id of an AMI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an AMI id: expected `ami-` and 8 or 17 hexadecimal digits")]
pub struct AmiIdError {
    /// The text.
    pub text: String,
}

impl AmiId {
    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AmiId {
    type Err = AmiIdError;

    fn from_str(text: &str) -> Result<Self, AmiIdError> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_id = text
            .strip_prefix("ami-")
            .is_some_and(|digits| matches!(digits.len(), 8 | 17) && digits.bytes().all(lower_hex));
        is_id.then(|| Self(text.to_owned())).ok_or_else(|| AmiIdError { text: text.to_owned() })
    }
}

impl fmt::Display for AmiId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for AmiId {
    type Error = AmiIdError;

    fn try_from(text: String) -> Result<Self, AmiIdError> {
        text.parse()
    }
}

impl From<AmiId> for String {
    fn from(id: AmiId) -> Self {
        id.0
    }
}
