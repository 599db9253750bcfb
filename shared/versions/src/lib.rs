//! The order of versions, by the rules of whoever numbers them: the package managers of distributions and of languages.

mod apk;
mod dpkg;
mod gem;

use std::cmp::Ordering;
use std::str::FromStr;

/// The rules by which versions are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Debian's: an epoch, a version and a revision, with `~` before the end.
    Dpkg,
    /// RPM's: an epoch, a version and a release, with `~` before and `^` after the end.
    Rpm,
    /// Alpine's.
    Apk,
    /// Python's, PEP 440.
    Pep440,
    /// Semantic Versioning, as npm, Go and crates.io use it.
    Semver,
    /// RubyGems'.
    Gem,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Dpkg => "Debian package",
            Scheme::Rpm => "RPM package",
            Scheme::Apk => "Alpine package",
            Scheme::Pep440 => "Python distribution (PEP 440)",
            Scheme::Semver => "package with Semantic Versioning",
            Scheme::Gem => "Ruby gem",
        }
    }
}

/// A text that is not a version by its scheme, so that nothing can be said about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a version of a {}", scheme.name())]
pub struct NotAVersion {
    /// The text.
    pub text: String,
    /// The scheme.
    pub scheme: Scheme,
}

/// Compares two versions.
///
/// # Errors
///
/// One of the texts is not a version by the scheme. The error names the first that is not.
pub fn compare(scheme: Scheme, a: &str, b: &str) -> Result<Ordering, NotAVersion> {
    let (a, b) = (a.trim(), b.trim());
    let order = match scheme {
        Scheme::Dpkg => ordered(a, b, dpkg::parse, dpkg::compare),
        Scheme::Rpm => ordered(a, b, rpm, |a, b| rpm_version::rpm_evr_compare(a, b)),
        Scheme::Apk => ordered(a, b, apk::parse, |a, b| apk::compare(a, b)),
        Scheme::Pep440 => ordered(a, b, |text| pep440_rs::Version::from_str(text).ok(), Ord::cmp),
        Scheme::Semver => ordered(a, b, semantic, semver::Version::cmp_precedence),
        Scheme::Gem => ordered(a, b, gem::parse, |a, b| gem::compare(a, b)),
    };
    order.map_err(|text| NotAVersion { text: text.to_owned(), scheme })
}

/// Reads two versions and returns their order, or the first text that cannot be read.
fn ordered<'t, V>(
    a: &'t str,
    b: &'t str,
    read: impl Fn(&'t str) -> Option<V>,
    order: impl Fn(&V, &V) -> Ordering,
) -> Result<Ordering, &'t str> {
    let (left, right) = (read(a).ok_or(a)?, read(b).ok_or(b)?);
    Ok(order(&left, &right))
}

/// Returns a text if it is printable and not empty: RPM itself orders any such text.
fn rpm(text: &str) -> Option<&str> {
    (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then_some(text)
}

/// Reads a semantic version with what Go and old npm packages write: a leading `v` or `go`, and fewer than three
/// numbers. `+incompatible` of Go is build metadata, which has no weight.
fn semantic(text: &str) -> Option<semver::Version> {
    let text = text.strip_prefix("go").unwrap_or(text);
    let text = text.strip_prefix(['v', '=']).unwrap_or(text);
    if let Ok(version) = semver::Version::parse(text) {
        return Some(version);
    }
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    // The toolchain of Go writes a release candidate as `1.22rc1`.
    let (numbers, rest) = match numbers.find(|c: char| c.is_ascii_lowercase()) {
        Some(at) => (&numbers[..at], format!("-{}{rest}", go_candidate(&numbers[at..])?)),
        None => (numbers, rest.to_owned()),
    };
    let padded = match numbers.matches('.').count() {
        0 => format!("{numbers}.0.0{rest}"),
        1 => format!("{numbers}.0{rest}"),
        _ => format!("{numbers}{rest}"),
    };
    semver::Version::parse(&padded).ok()
}

/// The pre-release of `rc1` or `beta2`: `rc.1`, so that the number counts as a number.
fn go_candidate(text: &str) -> Option<String> {
    let at = text.find(|c: char| c.is_ascii_digit())?;
    let (word, number) = text.split_at(at);
    matches!(word, "rc" | "beta").then(|| format!("{word}.{number}"))
}

#[cfg(test)]
mod tests {
    use Ordering::{Equal, Greater, Less};

    use super::*;

    #[test]
    fn rpm_orders_epochs_tildes_and_carets() {
        for (a, order, b) in [
            ("1:1.0-1", Greater, "2.0-1"),
            ("0:1.0-1", Equal, "1.0-1"),
            ("1.0~rc1-1", Less, "1.0-1"),
            ("1.0^git1-1", Greater, "1.0-1"),
            ("1.0^git1-1", Less, "1.0.1-1"),
            ("1.10-1", Greater, "1.9-1"),
            ("8.7p1-34.el9", Less, "8.7p1-38.el9"),
            ("3.0.7-27.el9", Greater, "3.0.7-6.el9_2"),
        ] {
            assert_eq!(compare(Scheme::Rpm, a, b), Ok(order), "{a} {b}");
        }
    }

    #[test]
    fn go_and_npm_write_versions_loosely() {
        for (a, order, b) in [
            ("v1.2.3", Equal, "1.2.3"),
            ("go1.21.3", Greater, "1.21.2"),
            ("go1.22", Equal, "1.22.0"),
            ("go1.22rc1", Less, "1.22.0"),
            ("1.22rc2", Less, "1.22.0-rc.10"),
            ("v0.0.0-20200101000000-aaaaaaaaaaaa", Less, "0.0.0-20220315160706-3147a52a75dd"),
            ("v2.0.0+incompatible", Equal, "2.0.0"),
            ("1.0.0-alpha.1", Less, "1.0.0-alpha.beta"),
        ] {
            assert_eq!(compare(Scheme::Semver, a, b), Ok(order), "{a} {b}");
        }
    }

    #[test]
    fn a_text_that_is_no_version_is_an_error_and_not_a_guess() {
        for (scheme, text) in [
            (Scheme::Semver, "(devel)"),
            (Scheme::Semver, "latest"),
            (Scheme::Pep440, "1.0-unknown-x"),
            (Scheme::Dpkg, ""),
            (Scheme::Dpkg, "x:1"),
            (Scheme::Rpm, ""),
            (Scheme::Apk, "1.0.0-beta"),
            (Scheme::Gem, "one"),
        ] {
            let error = compare(scheme, text, "1.0.0").unwrap_err();
            assert_eq!(error.text, text);
            assert!(error.to_string().contains("is not a version of a "), "{error}");
        }
    }
}
