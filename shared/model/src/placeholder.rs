//! Placeholders of a build in texts of definitions: `{{ imagebuilder:buildDate }}` (`2026-11-24T03-00-12.345Z`) and
//! `{{ imagebuilder:buildVersion }}` (`1.2.0-7`). Names, descriptions and tags of AMIs, and names of parameters, may
//! contain the same placeholders.

use jiff::Timestamp;

use crate::ImageRef;

/// Format of the date of a build.
// The name of an AMI must not contain a colon, so the time has hyphens.
const DATE_FORMAT: &str = "%Y-%m-%dT%H-%M-%S.%3fZ";
/// The longest date and the longest version.
const LONGEST_DATE: &str = "2026-11-24T03-00-12.345Z";
const LONGEST_VERSION: &str = "1073741823.1073741823.1073741823-4294967295";

/// The character that stands in a pattern for the text that differs between builds: digits and [`SIGNS_OF_BUILDS`].
pub(crate) const OF_BUILD: char = '\u{1a}';
/// The characters in a date and a version that are not digits.
const SIGNS_OF_BUILDS: &str = ".-TZ";

/// Returns whether a date or a version may contain this character.
pub(crate) fn is_of_build(c: char) -> bool {
    c.is_ascii_digit() || SIGNS_OF_BUILDS.contains(c)
}

/// Why the placeholders of a text cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// The text contains an unknown placeholder.
    #[error(
        "unknown placeholder `{{{{ {placeholder} }}}}`: use `imagebuilder:buildDate` or `imagebuilder:buildVersion`"
    )]
    Unknown {
        /// The text between the braces.
        placeholder: String,
    },
    /// `{{` without `}}`.
    #[error("`{{{{` without `}}}}` in `{text}`")]
    Open {
        /// The text.
        text: String,
    },
}

/// A part of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'t> {
    /// This part is the same for every build.
    Text(&'t str),
    /// The date of the build.
    Date,
    /// The version of the image, and the number of the build.
    Version,
}

impl Part<'_> {
    /// Returns whether the part differs between builds.
    pub(crate) fn is_of_build(&self) -> bool {
        matches!(self, Self::Date | Self::Version)
    }
}

/// Returns the parts of a text, in order.
pub(crate) fn parts(text: &str) -> Result<Vec<Part<'_>>, PlaceholderError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((placeholder, after)) = after.split_once("}}") else {
            return Err(PlaceholderError::Open { text: text.to_owned() });
        };
        parts.push(Part::Text(before));
        parts.push(match placeholder.trim() {
            "imagebuilder:buildDate" => Part::Date,
            "imagebuilder:buildVersion" => Part::Version,
            other => return Err(PlaceholderError::Unknown { placeholder: other.to_owned() }),
        });
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Returns the text for an image that was planned at `date`. A text with unknown placeholders stays as it is: releases
/// without placeholders have stored such texts.
#[must_use]
pub fn render(text: &str, image: &ImageRef, date: Timestamp) -> String {
    let Ok(parts) = parts(text) else { return text.to_owned() };
    let render = |part: &Part<'_>| match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Date => date.strftime(DATE_FORMAT).to_string(),
        Part::Version => build_version(image),
    };
    parts.iter().map(render).collect()
}

/// Returns `VERSION-BUILD` of an image.
pub(crate) fn build_version(image: &ImageRef) -> String {
    format!("{}-{}", image.version, image.build)
}

/// Returns the text as a pattern: [`OF_BUILD`] stands for the text that differs between builds. A text with unknown
/// placeholders stays as it is, as in [`render`].
pub(crate) fn pattern(text: &str) -> String {
    let Ok(parts) = parts(text) else { return text.to_owned() };
    let shown = |part: &Part<'_>| match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Date | Part::Version => OF_BUILD.to_string(),
    };
    parts.iter().map(shown).collect()
}

/// Returns whether the text differs between builds.
#[must_use]
pub fn differs(text: &str) -> bool {
    parts(text).is_ok_and(|parts| parts.iter().any(Part::is_of_build))
}

/// Returns the longest text that can result. A limit on the length must allow this text. Otherwise a pipeline would
/// fail one day because the number of its builds has grown.
///
/// # Errors
/// Fails if a placeholder is unknown or has no end.
pub(crate) fn longest(text: &str) -> Result<String, PlaceholderError> {
    let longest = |part: &Part<'_>| match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Date => LONGEST_DATE.to_owned(),
        Part::Version => LONGEST_VERSION.to_owned(),
    };
    Ok(parts(text)?.iter().map(longest).collect())
}

#[cfg(test)]
mod tests {
    use super::{differs, longest, pattern, render};

    #[test]
    fn texts_are_rendered_and_unknown_placeholders_stay() {
        let image = "web-server/1.2.0/7".parse().unwrap();
        let date = "2026-11-24T03:00:12.345678Z".parse().unwrap();
        for (text, rendered, is_different) in [
            ("/images/web/{{ imagebuilder:buildVersion }}", "/images/web/1.2.0-7", true),
            ("of {{imagebuilder:buildDate}}", "of 2026-11-24T03-00-12.345Z", true),
            ("as it is", "as it is", false),
            ("{{ team }} {{ imagebuilder:buildDate }}", "{{ team }} {{ imagebuilder:buildDate }}", false),
            ("{{ open", "{{ open", false),
        ] {
            assert_eq!((render(text, &image, date).as_str(), differs(text)), (rendered, is_different), "{text}");
        }
        assert_eq!(pattern("a {{ imagebuilder:buildVersion }}"), "a \u{1a}");
        assert_eq!(longest("{{ imagebuilder:buildDate }}").unwrap().len(), 24);
    }

    #[test]
    fn mistakes_are_explained() {
        let known = "use `imagebuilder:buildDate` or `imagebuilder:buildVersion`";
        assert_eq!(
            longest("{{ date }}").unwrap_err().to_string(),
            format!("unknown placeholder `{{{{ date }}}}`: {known}")
        );
        assert_eq!(longest("a {{ b").unwrap_err().to_string(), "`{{` without `}}` in `a {{ b`");
    }
}
