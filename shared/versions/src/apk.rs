//! The order of Alpine's versions, by the rules of apk-package(5):
//! `NUMBER{.NUMBER}…{LETTER}{_SUFFIX{NUMBER}}…{~HASH}{-rNUMBER}`.

use std::cmp::Ordering;

use super::dpkg::number;

/// Suffixes before the release, in their order. No suffix follows the last one, and then the others.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
/// Suffixes after the release, in their order.
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// A part of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// The first number.
    First(&'a str),
    /// A number after a dot.
    Number(&'a str),
    /// A letter after the numbers.
    Letter(u8),
    /// The place of a suffix, which is negative before the release.
    Suffix(i8),
    /// The number of a suffix.
    SuffixNumber(&'a str),
    /// The hash of a commit.
    Hash(&'a str),
    /// The revision of the package.
    Revision(&'a str),
}

/// Reads a version into its parts, or returns `None` if it does not follow the rules.
pub(super) fn parse(text: &str) -> Option<Vec<Part<'_>>> {
    let (text, revision) = match text.rsplit_once("-r") {
        Some((text, revision)) => (text, Some(digits(revision)?)),
        None => (text, None),
    };
    let (text, hash) = text.split_once('~').map_or((text, None), |(text, hash)| (text, Some(hash)));
    if hash.is_some_and(|hash| hash.is_empty() || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
        return None;
    }
    let mut suffixes = text.split('_');
    let release = suffixes.next()?;
    let letter = release.bytes().last().filter(u8::is_ascii_lowercase);
    let mut numbers = release[..release.len() - usize::from(letter.is_some())].split('.');
    let mut parts = vec![Part::First(digits(numbers.next()?)?)];
    for number in numbers {
        parts.push(Part::Number(digits(number)?));
    }
    parts.extend(letter.map(Part::Letter));
    for text in suffixes {
        let (word, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()));
        parts.push(Part::Suffix(place(word)?));
        if !number.is_empty() {
            parts.push(Part::SuffixNumber(digits(number)?));
        }
    }
    parts.extend(hash.map(Part::Hash));
    parts.extend(revision.map(Part::Revision));
    Some(parts)
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

fn place(word: &str) -> Option<i8> {
    let at = |words: &[&str]| words.iter().position(|w| *w == word).and_then(|at| i8::try_from(at).ok());
    at(&BEFORE).map(|at| at - 4).or_else(|| at(&AFTER).map(|at| at + 1))
}

/// Compares two versions. Where they have different kinds of parts, the one whose part comes earlier in the rules is
/// later, and the one that ends is before it, unless the part is a suffix before the release.
pub(super) fn compare(a: &[Part<'_>], b: &[Part<'_>]) -> Ordering {
    for at in 0..a.len().max(b.len()) {
        let (left, right) = (a.get(at), b.get(at));
        let order = if rank(left) == rank(right) { same_kind(left, right) } else { parted(left, right) };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn rank(part: Option<&Part<'_>>) -> u8 {
    match part {
        Some(Part::First(_)) => 0,
        Some(Part::Number(_)) => 1,
        Some(Part::Letter(_)) => 2,
        Some(Part::Suffix(_)) => 3,
        Some(Part::SuffixNumber(_)) => 4,
        Some(Part::Hash(_)) => 5,
        Some(Part::Revision(_)) => 6,
        None => 7,
    }
}

fn same_kind(a: Option<&Part<'_>>, b: Option<&Part<'_>>) -> Ordering {
    match (a, b) {
        // With a leading zero, the digits are the places after a decimal point: `1.05` is before `1.1`.
        (Some(Part::Number(a)), Some(Part::Number(b))) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
        (Some(Part::First(a)), Some(Part::First(b)))
        | (Some(Part::Number(a)), Some(Part::Number(b)))
        | (Some(Part::SuffixNumber(a)), Some(Part::SuffixNumber(b)))
        | (Some(Part::Revision(a)), Some(Part::Revision(b))) => number(a.as_bytes(), b.as_bytes()),
        (Some(Part::Letter(a)), Some(Part::Letter(b))) => a.cmp(b),
        (Some(Part::Suffix(a)), Some(Part::Suffix(b))) => a.cmp(b),
        (Some(Part::Hash(a)), Some(Part::Hash(b))) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn parted(a: Option<&Part<'_>>, b: Option<&Part<'_>>) -> Ordering {
    let before = |part: Option<&Part<'_>>| matches!(part, Some(Part::Suffix(place)) if *place < 0);
    if before(a) {
        Ordering::Less
    } else if before(b) {
        Ordering::Greater
    } else {
        rank(b).cmp(&rank(a))
    }
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
            ("1.2.3_alpha", Less, "1.2.3_alpha0"),
            ("1.2.3_alpha1", Less, "1.2.3_alpha_p"),
            ("1.2.3_p1-r0", Greater, "1.2.3-r5"),
            ("1.2.3_git20230101", Less, "1.2.3_p1"),
            ("0.1.0_alpha_pre2", Less, "0.1.0_alpha"),
            ("1.2.3a", Greater, "1.2.3"),
            ("1.2.3a", Less, "1.2.3.1"),
            ("1.2.3", Greater, "1.2"),
            ("1.1", Greater, "1.1_alpha1"),
            ("1.05", Less, "1.1"),
            ("006", Equal, "6"),
            ("1.0", Less, "1.0-r0"),
            ("1.2~abc123-r1", Greater, "1.2-r1"),
            ("20231208-r0", Greater, "20230506-r0"),
        ] {
            let (left, right) = (parse(a).unwrap(), parse(b).unwrap());
            assert_eq!(compare(&left, &right), order, "{a} {b}");
            assert_eq!(compare(&right, &left), order.reverse(), "{b} {a}");
        }
        for text in ["", "a", "1.", "1.0_x", "1.0-1", "1.0-r", "1.0bc", "1.0~xyz", "1.0_p1a"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
