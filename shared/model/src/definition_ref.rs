//! References to stored definitions: `component/nginx/1.0.0`, `pipeline/web`.

use std::fmt;
use std::str::FromStr;

use serde_with::SerializeDisplay;

use crate::definitions::Kind;
use crate::{Name, NameError, Version, VersionError};

/// Every kind, with its word on the command line.
const WORDS: [(Kind, &str); 5] = [
    (Kind::Component, "component"),
    (Kind::ImageRecipe, "recipe"),
    (Kind::InfrastructureConfiguration, "infrastructure"),
    (Kind::DistributionConfiguration, "distribution"),
    (Kind::ImagePipeline, "pipeline"),
];

/// A definition, or all versions of one: `KIND/NAME`, or `KIND/NAME/VERSION` for a component or a recipe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, SerializeDisplay)]
pub struct DefinitionRef {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// Version of the definition, or `None` if its kind has no versions, or for all of them.
    pub version: Option<Version>,
}

/// Why a text does not name a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionRefError {
    /// The text does not begin with a kind and a name.
    #[error("`{0}` is not KIND/NAME or KIND/NAME/VERSION, where KIND is one of {kinds}", kinds = kinds())]
    Shape(String),
    /// The kind has no versions.
    #[error("{kind} `{name}` has no versions: name it as {}/{name}", word(*kind))]
    Unversioned {
        /// The kind.
        kind: Kind,
        /// The name.
        name: Name,
    },
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version is not valid.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl Kind {
    /// Returns whether definitions of this kind have versions, which never change once they are stored.
    #[must_use]
    pub fn has_versions(self) -> bool {
        matches!(self, Kind::Component | Kind::ImageRecipe)
    }

    /// Returns the kind that the command line names by this word.
    #[must_use]
    pub fn from_word(text: &str) -> Option<Self> {
        WORDS.iter().find(|(_, word)| *word == text).map(|(kind, _)| *kind)
    }
}

/// Returns the word of a kind on the command line.
fn word(kind: Kind) -> &'static str {
    WORDS.iter().find(|(other, _)| *other == kind).map_or("", |(_, word)| word)
}

fn kinds() -> String {
    WORDS.map(|(_, word)| word).join(", ")
}

impl FromStr for DefinitionRef {
    type Err = DefinitionRefError;

    fn from_str(text: &str) -> Result<Self, DefinitionRefError> {
        let shape = || DefinitionRefError::Shape(text.to_owned());
        let (kind, rest) = text.split_once('/').ok_or_else(shape)?;
        let kind = Kind::from_word(kind).ok_or_else(shape)?;
        let Some((name, version)) = rest.split_once('/') else {
            return Ok(Self { kind, name: rest.parse()?, version: None });
        };
        let name = name.parse()?;
        if !kind.has_versions() {
            return Err(DefinitionRefError::Unversioned { kind, name });
        }
        Ok(Self { kind, name, version: Some(version.parse()?) })
    }
}

impl fmt::Display for DefinitionRef {
    /// Writes the reference in the form of the command line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", word(self.kind), self.name)?;
        self.version.map_or(Ok(()), |version| write!(out, "/{version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::DefinitionRef;

    #[test]
    fn a_definition_is_named_by_its_kind_its_name_and_its_version() {
        for text in ["component/nginx", "component/nginx/1.0.0", "recipe/web server/1.0.0", "pipeline/web"] {
            assert_eq!(text.parse::<DefinitionRef>().unwrap().to_string(), text);
        }
        let kinds = "KIND/NAME/VERSION, where KIND is one of component, recipe, infrastructure, distribution, pipeline";
        for (text, message) in [
            ("nginx", format!("`nginx` is not KIND/NAME or {kinds}")),
            ("web/1.0.0/1", format!("`web/1.0.0/1` is not KIND/NAME or {kinds}")),
            ("pipeline/web/1.0.0", "image pipeline `web` has no versions: name it as pipeline/web".to_owned()),
            ("recipe/web/1", "`1` is not a version: expected three numbers, such as 1.4.2".to_owned()),
            ("recipe/x", "the name `x` has a length of 1: 3 to 128 characters are allowed".to_owned()),
        ] {
            assert_eq!(text.parse::<DefinitionRef>().unwrap_err().to_string(), message);
        }
    }
}
