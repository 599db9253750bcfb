//! Names of AMIs: templates with placeholders. The resulting name is valid for EC2.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::placeholder::{self, OF_BUILD, Part, PlaceholderError, build_version, parts};
use crate::{ImageRef, Name};

/// Shortest and longest AMI name that EC2 allows.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// Characters that EC2 allows in an AMI name in addition to ASCII letters and digits.
const SIGNS: &str = "()[] ./'@_-";

/// Template of an AMI name: text with `{{ imagebuilder:buildDate }}` (`2026-11-24T03-00-12.345Z`) and `{{
/// imagebuilder:buildVersion }}` (`1.2.0-7`). At least one of them is required, because names are unique in an account
/// and Region. Every resulting name has only characters that EC2 allows, and at most 128 of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct AmiName(String);

/// Why a text is not an [`AmiName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmiNameError {
    /// A placeholder is unknown or has no end.
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    /// Nothing in the text differs between builds.
    #[error(
        "the AMI name `{template}` would be the same for every build: put `{{{{ imagebuilder:buildDate }}}}` or \
         `{{{{ imagebuilder:buildVersion }}}}` into it"
    )]
    Constant {
        /// The template.
        template: String,
    },
    /// EC2 does not allow a character of the text.
    #[error("`{character}` is not allowed in an AMI name: use letters, digits, spaces and ()[]./'@_-")]
    Character {
        /// The character.
        character: char,
    },
    /// The name can become longer than 128 characters.
    #[error("the AMI name can become {length} characters long: 128 are allowed")]
    Length {
        /// The largest possible length of the name.
        length: usize,
    },
}

impl AmiName {
    /// Returns the name of an image that was planned at `date`.
    #[must_use]
    pub fn render(&self, image: &ImageRef, date: Timestamp) -> String {
        placeholder::render(&self.0, image, date)
    }

    /// Returns the name for a distribution without one: `NAME VERSION-BUILD`, in which NAME is shortened to fit.
    #[must_use]
    pub fn default_for(image: &ImageRef) -> String {
        with_prefix("", image)
    }

    /// Returns the name of an image whose start has overridden something: `overridden NAME VERSION-BUILD`, in which
    /// NAME is shortened to fit. No pattern that begins with the image's own name matches it.
    #[must_use]
    pub fn overridden(image: &ImageRef) -> String {
        with_prefix("overridden ", image)
    }

    /// Returns the names that the template can produce, as the pattern of an EC2 filter. [`OF_BUILD`] stands for the
    /// text that differs between builds.
    #[must_use]
    pub(crate) fn pattern(&self) -> String {
        placeholder::pattern(&self.0)
    }

    /// Returns the same pattern for [`AmiName::default_for`].
    #[must_use]
    pub(crate) fn default_pattern(image: &Name) -> String {
        // How much of the name stays depends on the length of the version, so a long name is compared by its first half
        // only.
        let name: String = image.as_str().chars().take(LENGTH.end() / 2).collect();
        let cut = if name.len() < image.as_str().len() { "*" } else { "" };
        format!("{name}{cut} {OF_BUILD}")
    }

    /// Returns the template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn with_prefix(prefix: &str, image: &ImageRef) -> String {
    let version = build_version(image);
    let room = LENGTH.end() - prefix.len() - version.len() - 1;
    // The name is cut and not the version, because only the version distinguishes the builds.
    let name: String = image.name.as_str().chars().take(room).collect();
    format!("{prefix}{name} {version}")
}

impl FromStr for AmiName {
    type Err = AmiNameError;

    fn from_str(template: &str) -> Result<Self, AmiNameError> {
        let parts = parts(template)?;
        let texts = parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(*text) } else { None });
        let allowed = |c: &char| c.is_ascii_alphanumeric() || SIGNS.contains(*c);
        if let Some(character) = texts.flat_map(str::chars).find(|c| !allowed(c)) {
            return Err(AmiNameError::Character { character });
        }
        if !parts.iter().any(Part::is_of_build) {
            return Err(AmiNameError::Constant { template: template.to_owned() });
        }
        let length = placeholder::longest(template)?.chars().count();
        if length > *LENGTH.end() {
            return Err(AmiNameError::Length { length });
        }
        Ok(Self(template.to_owned()))
    }
}

impl fmt::Display for AmiName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::AmiName;

    #[test]
    fn templates_are_rendered() {
        let image = "web-server/1.2.0/7".parse().unwrap();
        let date = "2026-11-24T03:00:12.345678Z".parse().unwrap();
        for (template, name) in [
            ("web {{ imagebuilder:buildDate }}", "web 2026-11-24T03-00-12.345Z"),
            ("{{imagebuilder:buildVersion}}/a", "1.2.0-7/a"),
            ("{{ imagebuilder:buildVersion }}{{ imagebuilder:buildDate }}", "1.2.0-72026-11-24T03-00-12.345Z"),
        ] {
            assert_eq!(template.parse::<AmiName>().unwrap().render(&image, date), name);
        }
    }

    #[test]
    fn the_default_name_fits() {
        assert_eq!(AmiName::default_for(&"web-server/1.2.0/7".parse().unwrap()), "web-server 1.2.0-7");
        assert_eq!(AmiName::overridden(&"web-server/1.2.0/7".parse().unwrap()), "overridden web-server 1.2.0-7");
        let longest = AmiName::overridden(&format!("{}/1.2.0/7", "a".repeat(128)).parse().unwrap());
        assert_eq!((longest.len(), longest.ends_with("a 1.2.0-7")), (128, true));
        let long = AmiName::default_for(&format!("{}/1.2.0/7", "a".repeat(128)).parse().unwrap());
        assert_eq!((long.len(), long.ends_with("a 1.2.0-7")), (128, true));
    }

    #[test]
    fn mistakes_are_explained() {
        let long = format!("{}{{{{ imagebuilder:buildDate }}}}", "a".repeat(105));
        for (template, message) in [
            (
                "web {{ buildDate }}",
                "unknown placeholder `{{ buildDate }}`: use `imagebuilder:buildDate` or `imagebuilder:buildVersion`",
            ),
            ("web {{ imagebuilder:buildDate", "`{{` without `}}` in `web {{ imagebuilder:buildDate`"),
            (
                "web",
                "the AMI name `web` would be the same for every build: put `{{ imagebuilder:buildDate }}` or \
                 `{{ imagebuilder:buildVersion }}` into it",
            ),
            (
                "a:{{ imagebuilder:buildDate }}",
                "`:` is not allowed in an AMI name: use letters, digits, spaces and ()[]./'@_-",
            ),
            (&long, "the AMI name can become 129 characters long: 128 are allowed"),
        ] {
            assert_eq!(template.parse::<AmiName>().unwrap_err().to_string(), message);
        }
    }
}
