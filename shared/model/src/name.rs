//! Names of definitions.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

/// Shortest and longest name in characters, as in Image Builder.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// Name of a component, recipe, configuration or pipeline: 3 to 128 letters, digits, `-`, `_` and inner spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is too short or too long.
    #[error("the name `{name}` has a length of {length}: 3 to 128 characters are allowed")]
    Length {
        /// The text.
        name: String,
        /// Number of characters of the name.
        length: usize,
    },
    /// The name contains a character that is not allowed, or a space at its start or end.
    #[error("the name `{name}` has {found}: letters, digits, `-`, `_` and inner spaces are allowed")]
    Character {
        /// The text.
        name: String,
        /// What is wrong with the name.
        found: String,
    },
}

impl Name {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ');
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            return Err(NameError::Character { name: text.to_owned(), found: format!("a `{other}`") });
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(NameError::Character {
                name: text.to_owned(),
                found: "a space at the start or end".to_owned(),
            });
        }
        if !LENGTH.contains(&text.len()) {
            return Err(NameError::Length { name: text.to_owned(), length: text.len() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_checked() {
        for good in ["abc", "web server-1_x", &"a".repeat(128)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        let long = "a".repeat(129);
        for (bad, message) in [
            ("ab", "the name `ab` has a length of 2: 3 to 128 characters are allowed"),
            ("web/1", "the name `web/1` has a `/`: letters, digits, `-`, `_` and inner spaces are allowed"),
            ("äbc", "the name `äbc` has a `ä`: letters, digits, `-`, `_` and inner spaces are allowed"),
            (
                " abc",
                "the name ` abc` has a space at the start or end: letters, digits, `-`, `_` and inner spaces are allowed",
            ),
            (&long, &format!("the name `{long}` has a length of 129: 3 to 128 characters are allowed")),
        ] {
            assert_eq!(bad.parse::<Name>().unwrap_err().to_string(), message);
        }
    }
}
