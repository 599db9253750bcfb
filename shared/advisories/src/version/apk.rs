//! The order of Alpine's versions, by the rules of apk-package(5):
//! `NUMBER{.NUMBER}…{LETTER}{_SUFFIX{NUMBER}}…{~HASH}{-rNUMBER}`.

use std::cmp::Ordering;

use super::dpkg::number;

/// Suffixes before the release, in their order. No suffix follows the last one, and then the others.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
/// Suffixes after the release, in their order.
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// A version in its parts.
pub(super) struct Version<'a> {
    numbers: Vec<&'a str>,
    letter: Option<u8>,
    /// The place of each suffix, negative before the release, and its number.
    suffixes: Vec<(i8, &'a str)>,
    revision: Option<&'a str>,
}

/// Reads a version, or returns `None` if it does not follow the rules.
pub(super) fn parse(text: &str) -> Option<Version<'_>> {
    let (text, revision) = match text.rsplit_once("-r") {
        Some((text, revision)) if is_number(revision) => (text, Some(revision)),
        Some(_) => return None,
        None => (text, None),
    };
    let (text, hash) = text.split_once('~').map_or((text, None), |(t, h)| (t, Some(h)));
    if hash.is_some_and(|h| h.is_empty() || !h.bytes().all(|b| b.is_ascii_hexdigit())) {
        return None;
    }
    let mut parts = text.split('_');
    let release = parts.next()?;
    let letter = release.bytes().last().filter(u8::is_ascii_lowercase);
    let release = if letter.is_some() { &release[..release.len() - 1] } else { release };
    let numbers: Vec<_> = release.split('.').collect();
    let suffixes = parts.map(suffix).collect::<Option<Vec<_>>>()?;
    numbers.iter().all(|n| is_number(n)).then_some(Version { numbers, letter, suffixes, revision })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn suffix(text: &str) -> Option<(i8, &str)> {
    let at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (word, digits) = text.split_at(at);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let place = |words: &[&str]| words.iter().position(|w| *w == word).and_then(|at| i8::try_from(at).ok());
    place(&BEFORE).map(|at| at - 4).or_else(|| place(&AFTER).map(|at| at + 1)).map(|place| (place, digits))
}

/// Compares two versions. Where one ends, the other is later, unless it goes on with a suffix before the release.
pub(super) fn compare(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    numbers(&a.numbers, &b.numbers)
        .then_with(|| a.letter.cmp(&b.letter))
        .then_with(|| suffixes(&a.suffixes, &b.suffixes))
        .then_with(|| number(a.revision.unwrap_or("").as_bytes(), b.revision.unwrap_or("").as_bytes()))
        .then_with(|| a.revision.is_some().cmp(&b.revision.is_some()))
}

fn numbers(a: &[&str], b: &[&str]) -> Ordering {
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        let order = if at > 0 && (a.starts_with('0') || b.starts_with('0')) {
            fraction(a, b)
        } else {
            number(a.as_bytes(), b.as_bytes())
        };
        if order.is_ne() {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// Compares two numbers after a dot, of which one has leading zeros: digit by digit, as the places after a decimal
/// point, so that `1.05` is before `1.1`.
fn fraction(a: &str, b: &str) -> Ordering {
    a.cmp(b)
}

fn suffixes(a: &[(i8, &str)], b: &[(i8, &str)]) -> Ordering {
    for at in 0..a.len().max(b.len()) {
        let (left, right) = (a.get(at).copied().unwrap_or((0, "")), b.get(at).copied().unwrap_or((0, "")));
        let order = left.0.cmp(&right.0).then_with(|| number(left.1.as_bytes(), right.1.as_bytes()));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use Ordering::{Equal, Greater, Less};

    use super::*;

    #[test]
    fn versions_are_ordered_as_apk_does() {
        for (a, order, b) in [
            ("3.1.4-r2", Less, "3.1.4-r10"),
            ("1.2.3-r0", Greater, "1.2.3_rc1-r9"),
            ("1.2.3_rc1", Greater, "1.2.3_beta2"),
            ("1.2.3_alpha", Less, "1.2.3_beta"),
            ("1.2.3_p1-r0", Greater, "1.2.3-r5"),
            ("1.2.3_git20230101", Less, "1.2.3_p1"),
            ("0.1.0_alpha_pre2", Less, "0.1.0_alpha"),
            ("1.2.3a", Greater, "1.2.3"),
            ("1.2.3", Greater, "1.2"),
            ("1.1", Greater, "1.1_alpha1"),
            ("1.05", Less, "1.1"),
            ("1.0", Less, "1.0-r0"),
            ("1.2~abc123-r1", Equal, "1.2-r1"),
            ("20231208-r0", Greater, "20230506-r0"),
        ] {
            let (left, right) = (parse(a).unwrap(), parse(b).unwrap());
            assert_eq!(compare(&left, &right), order, "{a} {b}");
            assert_eq!(compare(&right, &left), order.reverse(), "{b} {a}");
        }
        for text in ["", "a", "1.", "1.0_x", "1.0-1", "1.0-r", "1.0bc", "1.0~xyz"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
