//! The order of Debian's versions, by section 5.6.12 of Debian Policy.
//!
//! `debversion` orders a missing number before a zero, where dpkg says that both are equal: `tests/tools.rs` compares
//! this file with dpkg itself.

use std::cmp::Ordering;

/// A version in its three parts.
pub(super) struct Version<'a> {
    epoch: u32,
    upstream: &'a str,
    revision: &'a str,
}

/// Reads a version, or returns `None` if it has no upstream version, or an epoch that is no number.
pub(super) fn parse(text: &str) -> Option<Version<'_>> {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().ok()?, rest),
        None => (0, text),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    let valid = !upstream.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic());
    valid.then_some(Version { epoch, upstream, revision })
}

/// Compares two versions.
pub(super) fn compare(a: &Version<'_>, b: &Version<'_>) -> Ordering {
    a.epoch.cmp(&b.epoch).then_with(|| part(a.upstream, b.upstream)).then_with(|| part(a.revision, b.revision))
}

/// Compares two upstream versions or revisions: texts and numbers take turns, and a missing number is zero.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = split(a, |c| !c.is_ascii_digit());
        let (text_b, rest_b) = split(b, |c| !c.is_ascii_digit());
        let (number_a, rest_a) = split(rest_a, |c| c.is_ascii_digit());
        let (number_b, rest_b) = split(rest_b, |c| c.is_ascii_digit());
        let order = text(text_a, text_b).then_with(|| number(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

fn split(text: &[u8], pattern: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|&c| !pattern(c)).unwrap_or(text.len()))
}

/// Compares by characters: a tilde before the end, the end before letters, letters before everything else.
fn text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |text: &[u8], at: usize| match text.get(at) {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    };
    let longer = a.len().max(b.len());
    (0..longer).map(|at| weight(a, at).cmp(&weight(b, at))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares numbers of any length. An empty text is zero.
pub(super) fn number(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_zeros(a), without_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().position(|&c| c != b'0').unwrap_or(digits.len())..]
}

#[cfg(test)]
mod tests {
    use Ordering::{Equal, Greater, Less};

    use super::*;

    #[test]
    fn versions_are_ordered_as_policy_says() {
        for (a, order, b) in [
            ("1.0-1", Less, "1.0-2"),
            ("1:0.9-1", Greater, "2.0-1"),
            ("0:1.0", Equal, "1.0"),
            ("1.0~rc1-1", Less, "1.0-1"),
            ("1.0-1~deb12u1", Less, "1.0-1"),
            ("1.0-1+deb12u2", Greater, "1.0-1"),
            ("1.0-1+b1", Greater, "1.0-1"),
            ("1.0~~", Less, "1.0~~a"),
            ("1.0~~a", Less, "1.0~"),
            ("1.", Equal, "1.0"),
            ("1.0-0", Equal, "1.0"),
            ("1.01", Equal, "1.1"),
            ("1.2a", Less, "1.2+"),
            ("20250131123456789012345678901234567890", Greater, "20250131123456789012345678901234567889"),
        ] {
            let (left, right) = (parse(a).unwrap(), parse(b).unwrap());
            assert_eq!(compare(&left, &right), order, "{a} {b}");
            assert_eq!(compare(&right, &left), order.reverse(), "{b} {a}");
        }
    }
}
