//! The order of RubyGems' versions, as `Gem::Version` defines it.
//!
//! The crate `gem_version` reads numbers of up to 32 bits only, and orders a date with a time as a text.
//! `tests/tools.rs` compares this file with Ruby.

use std::cmp::Ordering;

/// A number or a word of a version. A word is before every number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// A word, such as `beta`.
    Word(&'a str),
    /// The digits of a number.
    Number(&'a str),
}

/// Reads a version into its segments, or returns `None` if it is none. A hyphen means `.pre.`.
pub(super) fn parse(text: &str) -> Option<Vec<Segment<'_>>> {
    let mut segments = Vec::new();
    for (hyphens, part) in text.split('-').enumerate() {
        if hyphens > 0 {
            segments.push(Segment::Word("pre"));
        }
        for dotted in part.split('.') {
            if dotted.is_empty() || !dotted.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return None;
            }
            push(&mut segments, dotted);
        }
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(without_zeros(segments))
}

/// Splits `1beta2` into `1`, `beta` and `2`.
fn push<'a>(segments: &mut Vec<Segment<'a>>, mut text: &'a str) {
    while let Some(first) = text.bytes().next() {
        let digits = first.is_ascii_digit();
        let end = text.bytes().position(|b| b.is_ascii_digit() != digits).unwrap_or(text.len());
        let (segment, rest) = text.split_at(end);
        segments.push(if digits { Segment::Number(segment) } else { Segment::Word(segment) });
        text = rest;
    }
}

/// Removes zeros before the first word and at the end: `1.0` equals `1`, and `1.0.a` equals `1.a`.
fn without_zeros(mut segments: Vec<Segment<'_>>) -> Vec<Segment<'_>> {
    let zero = |s: &Segment<'_>| matches!(s, Segment::Number(n) if n.bytes().all(|b| b == b'0'));
    let at = segments.iter().position(|s| matches!(s, Segment::Word(_))).unwrap_or(segments.len());
    let mut tail = segments.split_off(at);
    for part in [&mut segments, &mut tail] {
        while part.last().is_some_and(zero) {
            part.pop();
        }
    }
    segments.extend(tail);
    segments
}

/// Compares two versions. A missing segment is zero.
pub(super) fn compare(a: &[Segment<'_>], b: &[Segment<'_>]) -> Ordering {
    let zero = Segment::Number("0");
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at).unwrap_or(&zero), b.get(at).unwrap_or(&zero)) {
            (Segment::Word(a), Segment::Word(b)) => a.cmp(b),
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
            (Segment::Number(a), Segment::Number(b)) => super::dpkg::number(a.as_bytes(), b.as_bytes()),
        };
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
    fn versions_are_ordered_as_rubygems_does() {
        for (a, order, b) in [
            ("1.0", Equal, "1"),
            ("1.0.0.a", Equal, "1.a"),
            ("1.0.0-alpha1", Equal, "1.0.0.pre.alpha1"),
            ("1.0.pre1", Less, "1.0"),
            ("1.0.a.2", Less, "1.0.b1"),
            ("1.10", Greater, "1.9"),
            ("0.0.20250131123456", Greater, "0.0.20250131123455"),
            ("7.0.4.1", Greater, "7.0.4"),
        ] {
            assert_eq!(compare(&parse(a).unwrap(), &parse(b).unwrap()), order, "{a} {b}");
        }
        assert!(parse("a.1").is_none() && parse("1..2").is_none() && parse("").is_none());
    }
}
