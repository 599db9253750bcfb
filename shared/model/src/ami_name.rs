//! Names of AMIs: templates with placeholders, which are rendered so that EC2 accepts the result.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::{ImageRef, Name};

/// Shortest and longest AMI name that EC2 allows.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// Characters that EC2 allows in an AMI name in addition to ASCII letters and digits.
const SIGNS: &str = "()[] ./'@_-";

/// Format of a build's date. EC2 allows no colon in a name.
// The name of an AMI must not contain a colon, so the time has hyphens.
const DATE_FORMAT: &str = "%Y-%m-%dT%H-%M-%S.%3fZ";

/// Template of an AMI name: text with `{{ imagebuilder:buildDate }}` (`2026-11-24T03-00-12.345Z`) and `{{
/// imagebuilder:buildVersion }}` (`1.2.0-7`). At least one of them is required, because names are unique per account
/// and Region. Every rendered name has only EC2's characters and at most 128 of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct AmiName(String);

/// Why a text is not an [`AmiName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmiNameError {
    /// An unknown placeholder.
    #[error(
        "unknown placeholder `{{{{ {placeholder} }}}}`: use `imagebuilder:buildDate` or `imagebuilder:buildVersion`"
    )]
    Placeholder {
        /// The text between the braces.
        placeholder: String,
    },
    /// `{{` without `}}`.
    #[error("`{{{{` without `}}}}` in the AMI name `{template}`")]
    Open {
        /// The template.
        template: String,
    },
    /// Nothing in it differs from build to build.
    #[error(
        "the AMI name `{template}` would be the same for every build: put `{{{{ imagebuilder:buildDate }}}}` or \
         `{{{{ imagebuilder:buildVersion }}}}` into it"
    )]
    Constant {
        /// The template.
        template: String,
    },
    /// A character that EC2 does not allow.
    #[error("`{character}` is not allowed in an AMI name: use letters, digits, spaces and ()[]./'@_-")]
    Character {
        /// The character.
        character: char,
    },
    /// It can become longer than 128 characters.
    #[error("the AMI name can become {length} characters long: 128 are allowed")]
    Length {
        /// Its greatest possible length.
        length: usize,
    },
}

/// The character that stands, in a pattern, for what differs from build to build: digits and [`SIGNS_OF_BUILDS`].
pub(crate) const OF_BUILD: char = '\u{1a}';
/// The characters of a date and of a version that are not digits.
const SIGNS_OF_BUILDS: &str = ".-TZ";

/// Returns whether a date or a version may have this character.
pub(crate) fn is_of_build(c: char) -> bool {
    c.is_ascii_digit() || SIGNS_OF_BUILDS.contains(c)
}

#[derive(Clone, Copy)]
enum Part<'t> {
    Text(&'t str),
    Date,
    Version,
}

impl AmiName {
    /// Returns the name of an image that was planned at `date`.
    #[must_use]
    pub fn render(&self, image: &ImageRef, date: Timestamp) -> String {
        let parts = parts(&self.0).unwrap_or_default(); // cannot fail: it was checked when it was made
        let render = |part: &Part<'_>| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Date => date.strftime(DATE_FORMAT).to_string(),
            Part::Version => build_version(image),
        };
        parts.iter().map(render).collect()
    }

    /// Returns the name that is used if the distribution has none: `NAME VERSION-BUILD`, with NAME cut to fit.
    #[must_use]
    pub fn default_for(image: &ImageRef) -> String {
        with_prefix("", image)
    }

    /// Returns the name of an image whose start has overridden something: `overridden NAME VERSION-BUILD`, with NAME
    /// cut to fit. No pattern that begins with the image's own name matches it.
    #[must_use]
    pub fn overridden(image: &ImageRef) -> String {
        with_prefix("overridden ", image)
    }

    /// Returns the names that it can become, as the pattern of an EC2 filter. [`OF_BUILD`] stands for what differs from
    /// build to build.
    #[must_use]
    pub(crate) fn pattern(&self) -> String {
        let parts = parts(&self.0).unwrap_or_default(); // cannot fail: it was checked when it was made
        let text = |part: &Part<'_>| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Date | Part::Version => OF_BUILD.to_string(),
        };
        parts.iter().map(text).collect()
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

fn build_version(image: &ImageRef) -> String {
    format!("{}-{}", image.version, image.build)
}

/// Returns a template's parts in order.
fn parts(template: &str) -> Result<Vec<Part<'_>>, AmiNameError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        let Some((placeholder, after)) = after.split_once("}}") else {
            return Err(AmiNameError::Open { template: template.to_owned() });
        };
        parts.push(Part::Text(text));
        parts.push(match placeholder.trim() {
            "imagebuilder:buildDate" => Part::Date,
            "imagebuilder:buildVersion" => Part::Version,
            other => return Err(AmiNameError::Placeholder { placeholder: other.to_owned() }),
        });
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Returns the greatest length that a part can have.
fn longest(part: &Part<'_>) -> usize {
    match part {
        Part::Text(text) => text.chars().count(),
        Part::Date => "2026-11-24T03-00-12.345Z".len(),
        Part::Version => "1073741823.1073741823.1073741823-4294967295".len(),
    }
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
        if !parts.iter().any(|part| matches!(part, Part::Date | Part::Version)) {
            return Err(AmiNameError::Constant { template: template.to_owned() });
        }
        // The longest version counts. Otherwise a pipeline would fail one day because the number of its builds has
        // grown.
        let length = parts.iter().map(longest).sum();
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
            ("web {{ imagebuilder:buildDate", "`{{` without `}}` in the AMI name `web {{ imagebuilder:buildDate`"),
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
