//! Semantic versions of components and recipes, and patterns for them.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

/// Each number of a version is below this limit, as in Image Builder.
const LIMIT: u32 = 1 << 30;

/// `major.minor.patch`, with each number from 0 to 2^30 - 1. Dates such as `2026.01.31` are versions too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct Version([u32; 3]);

/// A version with `x` for any number, such as `1.x.x`. Every part to the right of an `x` must be an `x` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct VersionPattern([Option<u32>; 3]);

/// The version that a definition declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredVersion {
    /// This version.
    Fixed(Version),
    /// `1.4.x`: the stored version with the same content, or the next free patch version.
    NextPatch(VersionPattern),
}

/// Why a text is neither a version nor a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The text does not have three parts with dots between them.
    #[error("`{text}` is not a version: expected three numbers, such as 1.4.2")]
    Shape {
        /// The text.
        text: String,
    },
    /// A part is not a number in range.
    #[error("`{part}` in the version `{text}` is not a whole number from 0 to 1073741823")]
    Number {
        /// The text.
        text: String,
        /// The part.
        part: String,
    },
    /// A definition has an `x` in a part other than its patch version.
    #[error("`{text}` does not say which version this is: only the last number may be an `x`, as in 1.4.x")]
    Open {
        /// The text.
        text: String,
    },
    /// A number is to the right of an `x`.
    #[error("`{text}` has a number to the right of an `x`: write 1.x.x, not 1.x.2")]
    Wildcard {
        /// The text.
        text: String,
    },
}

impl Version {
    /// Creates a version from its three numbers, or returns `None` if one of them is 2^30 or more.
    #[must_use]
    pub fn new(major: u32, minor: u32, patch: u32) -> Option<Self> {
        [major, minor, patch].iter().all(|part| *part < LIMIT).then_some(Self([major, minor, patch]))
    }

    /// Returns the version with ten digits per number, so that texts sort as versions do:
    /// `0000000001.0000000004.0000000002`.
    #[must_use]
    pub fn padded(&self) -> String {
        let [major, minor, patch] = self.0;
        format!("{major:010}.{minor:010}.{patch:010}")
    }

    /// Returns the version with the next patch number, or `None` above the limit.
    #[must_use]
    pub fn next_patch(&self) -> Option<Self> {
        // Every number is below 2^30, so the sum cannot overflow.
        Self::new(self.0[0], self.0[1], self.0[2] + 1)
    }
}

impl VersionPattern {
    /// `x.x.x`, which matches every version.
    pub const ANY: Self = Self([None; 3]);

    /// Returns whether the pattern matches this version.
    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        self.0.iter().zip(version.0).all(|(wanted, found)| wanted.is_none_or(|wanted| wanted == found))
    }

    /// Returns the highest version that the pattern matches.
    pub fn best(&self, versions: impl IntoIterator<Item = Version>) -> Option<Version> {
        versions.into_iter().filter(|version| self.matches(version)).max()
    }

    /// Returns the only version that the pattern matches, or `None` if it contains an `x`.
    #[must_use]
    pub fn exact(&self) -> Option<Version> {
        match self.0 {
            [Some(major), Some(minor), Some(patch)] => Some(Version([major, minor, patch])),
            _ => None,
        }
    }

    /// Returns the beginning of [`Version::padded`] that is common to all versions that the pattern matches.
    #[must_use]
    pub fn padded_prefix(&self) -> String {
        let known: Vec<String> = self.0.iter().flatten().map(|part| format!("{part:010}")).collect();
        if known.is_empty() || known.len() == 3 { known.join(".") } else { format!("{}.", known.join(".")) }
    }
}

impl DeclaredVersion {
    /// Returns the version itself, or the lowest version that it may become.
    #[must_use]
    pub fn lowest(self) -> Version {
        match self {
            Self::Fixed(version) => version,
            Self::NextPatch(VersionPattern(parts)) => Version(parts.map(Option::unwrap_or_default)),
        }
    }

    /// Returns the pattern of the versions that it may become, or `None` if the version is fixed.
    #[must_use]
    pub fn pattern(self) -> Option<VersionPattern> {
        match self {
            Self::Fixed(_) => None,
            Self::NextPatch(pattern) => Some(pattern),
        }
    }
}

impl From<Version> for VersionPattern {
    fn from(version: Version) -> Self {
        Self(version.0.map(Some))
    }
}

/// Returns the three parts of a text, with `None` for an `x`.
fn parts(text: &str) -> Result<[Option<u32>; 3], VersionError> {
    let parts: Vec<&str> = text.split('.').collect();
    let [major, minor, patch] = parts[..] else { return Err(VersionError::Shape { text: text.to_owned() }) };
    let number = |part: &str| {
        // `parse` alone would accept a plus sign.
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let value = part.parse::<u32>().ok().filter(|value| digits && *value < LIMIT);
        value.ok_or_else(|| VersionError::Number { text: text.to_owned(), part: part.to_owned() })
    };
    let part = |part: &str| if part == "x" { Ok(None) } else { number(part).map(Some) };
    Ok([part(major)?, part(minor)?, part(patch)?])
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        match parts(text)? {
            [Some(major), Some(minor), Some(patch)] => Ok(Self([major, minor, patch])),
            _ => Err(VersionError::Number { text: text.to_owned(), part: "x".to_owned() }),
        }
    }
}

impl FromStr for DeclaredVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        match parts(text)? {
            [Some(_), Some(_), None] => Ok(Self::NextPatch(text.parse()?)),
            [Some(_), Some(_), Some(_)] => Ok(Self::Fixed(text.parse()?)),
            _ => Err(VersionError::Open { text: text.to_owned() }),
        }
    }
}

impl FromStr for VersionPattern {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let parts = parts(text)?;
        let wild = parts.iter().position(Option::is_none).unwrap_or(parts.len());
        if parts[wild..].iter().any(Option::is_some) {
            return Err(VersionError::Wildcard { text: text.to_owned() });
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(out, "{major}.{minor}.{patch}")
    }
}

impl fmt::Display for DeclaredVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(version) => version.fmt(out),
            Self::NextPatch(pattern) => pattern.fmt(out),
        }
    }
}

impl fmt::Display for VersionPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match part {
                Some(number) => write!(out, "{dot}{number}")?,
                None => write!(out, "{dot}x")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{DeclaredVersion, Version, VersionPattern};

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn padded_texts_sort_as_versions_do() {
        assert_eq!(version("1.4.2").padded(), "0000000001.0000000004.0000000002");
        let mut versions: Vec<Version> = ["1.10.0", "1.9.9", "2.0.0", "2021.01.01"].map(version).into();
        versions.sort_by_key(Version::padded);
        let sorted: Vec<String> = versions.iter().map(Version::to_string).collect();
        assert_eq!(sorted, ["1.9.9", "1.10.0", "2.0.0", "2021.1.1"]);
        versions.sort();
        assert_eq!(versions.iter().map(Version::to_string).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn patterns_choose_the_highest_match() {
        let present = ["2.2.4", "1.7.8", "1.6.8"].map(version);
        for (pattern, best) in [
            ("x.x.x", Some("2.2.4")),
            ("1.x.x", Some("1.7.8")),
            ("1.6.x", Some("1.6.8")),
            ("1.6.8", Some("1.6.8")),
            ("1.6.7", None),
            ("3.x.x", None),
        ] {
            let found = pattern.parse::<VersionPattern>().unwrap().best(present);
            assert_eq!(found, best.map(version), "{pattern}");
        }
    }

    #[test]
    fn a_padded_prefix_covers_what_the_pattern_covers() {
        for (pattern, prefix) in [
            ("x.x.x", ""),
            ("1.x.x", "0000000001."),
            ("1.6.x", "0000000001.0000000006."),
            ("1.6.8", "0000000001.0000000006.0000000008"),
        ] {
            assert_eq!(pattern.parse::<VersionPattern>().unwrap().padded_prefix(), prefix);
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, message) in [
            ("1.2", "`1.2` is not a version: expected three numbers, such as 1.4.2"),
            ("1.2.3.4", "`1.2.3.4` is not a version: expected three numbers, such as 1.4.2"),
            ("1.2.", "`` in the version `1.2.` is not a whole number from 0 to 1073741823"),
            ("1.+2.3", "`+2` in the version `1.+2.3` is not a whole number from 0 to 1073741823"),
            (
                "1.2.1073741824",
                "`1073741824` in the version `1.2.1073741824` is not a whole number from 0 to 1073741823",
            ),
            ("1.2.x", "`x` in the version `1.2.x` is not a whole number from 0 to 1073741823"),
        ] {
            assert_eq!(text.parse::<Version>().unwrap_err().to_string(), message);
        }
        for text in ["x.2.x", "1.x.8", "x.x.1"] {
            let message = format!("`{text}` has a number to the right of an `x`: write 1.x.x, not 1.x.2");
            assert_eq!(text.parse::<VersionPattern>().unwrap_err().to_string(), message);
        }
        assert_eq!(version("1.2.1073741823").next_patch(), None);
        assert_eq!(version("1.2.3").next_patch(), Some(version("1.2.4")));
    }

    #[test]
    fn a_definition_leaves_at_most_its_patch_version_open() {
        let declared = |text: &str| text.parse::<DeclaredVersion>().map(|one| (one.lowest(), one.pattern()));
        assert_eq!(declared("1.4.2"), Ok((version("1.4.2"), None)));
        assert_eq!(declared("1.4.x"), Ok((version("1.4.0"), Some("1.4.x".parse().unwrap()))));
        for text in ["1.x.x", "x.x.x", "1.x.2", "x.4.2"] {
            let message =
                format!("`{text}` does not say which version this is: only the last number may be an `x`, as in 1.4.x");
            assert_eq!(declared(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn stored_as_text() {
        let json = serde_json::to_string(&(version("1.2.3"), VersionPattern::ANY)).unwrap();
        assert_eq!(json, r#"["1.2.3","x.x.x"]"#);
        assert!(serde_json::from_str::<Version>(r#""1.x.x""#).is_err());
    }
}
