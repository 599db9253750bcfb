//! References by name and version: to an image, and from a pipeline to its recipe.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::{Name, NameError, Version, VersionError, VersionPattern};

/// The result of one build: `NAME/VERSION/BUILD`, such as `web-server/1.2.0/7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct ImageRef {
    /// The recipe's name.
    pub name: Name,
    /// The recipe's version.
    pub version: Version,
    /// Number of the build. It counts the builds of each name and version from 1.
    pub build: u32,
}

/// A recipe as a pipeline names it: `NAME` (its highest version) or `NAME/PATTERN`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct RecipeRef {
    /// The recipe's name.
    pub name: Name,
    /// Pattern of the component's version.
    pub version: VersionPattern,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text does not have the right number of parts.
    #[error("`{text}` is not {wanted}")]
    Shape {
        /// The text.
        text: String,
        /// The expected form.
        wanted: &'static str,
    },
    /// The build number is not a positive number.
    #[error("`{build}` is not a build number")]
    Build {
        /// The part.
        build: String,
    },
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version is not valid.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl FromStr for ImageRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [name, version, build] = parts[..] else {
            let wanted = "NAME/VERSION/BUILD, such as web-server/1.2.0/7";
            return Err(ReferenceError::Shape { text: text.to_owned(), wanted });
        };
        let number = build.parse().ok().filter(|number| *number > 0 && build.bytes().all(|b| b.is_ascii_digit()));
        let build = number.ok_or_else(|| ReferenceError::Build { build: build.to_owned() })?;
        Ok(Self { name: name.parse()?, version: version.parse()?, build })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.name, self.version, self.build)
    }
}

impl FromStr for RecipeRef {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, version) = match text.split_once('/') {
            Some((name, version)) => (name, version.parse()?),
            None => (text, VersionPattern::ANY),
        };
        Ok(Self { name: name.parse()?, version })
    }
}

impl fmt::Display for RecipeRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageRef, RecipeRef};

    #[test]
    fn references_read_back_as_written() {
        assert_eq!("web-server/1.2.0/7".parse::<ImageRef>().unwrap().to_string(), "web-server/1.2.0/7");
        assert_eq!("web-server".parse::<RecipeRef>().unwrap().to_string(), "web-server/x.x.x");
        assert_eq!("web-server/1.x.x".parse::<RecipeRef>().unwrap().to_string(), "web-server/1.x.x");
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, message) in [
            ("web-server", "`web-server` is not NAME/VERSION/BUILD, such as web-server/1.2.0/7"),
            ("web-server/1.2.0/0", "`0` is not a build number"),
            ("web-server/1.2.0/+7", "`+7` is not a build number"),
            ("web-server/1.2/7", "`1.2` is not a version: expected three numbers, such as 1.4.2"),
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap_err().to_string(), message);
        }
        assert!("web-server/1.x.2".parse::<RecipeRef>().is_err());
    }
}
