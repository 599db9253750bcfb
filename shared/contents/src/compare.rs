//! The order of two versions, by the rules of the package manager that prints them.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::Bytes;

use crate::PackageType;

/// Returns the order of two versions of one package. Versions that are written differently may be equal, such as `1.0`
/// and `0:1.0` of dpkg.
#[must_use]
pub fn compare(kind: PackageType, left: &str, right: &str) -> Ordering {
    match kind {
        PackageType::Deb => by_parts(left, right, deb),
        PackageType::Rpm => by_parts(left, right, rpm),
        PackageType::Apk
        | PackageType::Cargo
        | PackageType::Gem
        | PackageType::Golang
        | PackageType::Npm
        | PackageType::Pypi => numbered(left, right),
    }
}

/// Compares the epochs, then the versions, then the releases.
fn by_parts(left: &str, right: &str, part: fn(&str, &str) -> Ordering) -> Ordering {
    let split = |text: &str| -> (u64, String, String) {
        let (epoch, rest) = text.split_once(':').map_or((0, text), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest));
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, version.to_owned(), release.to_owned())
    };
    let (left, right) = (split(left), split(right));
    left.0.cmp(&right.0).then_with(|| part(&left.1, &right.1)).then_with(|| part(&left.2, &right.2))
}

/// Compares as deb-version(7) says: texts and numbers take turns, `~` sorts before everything, even before the end, and
/// letters sort before other characters.
fn deb(left: &str, right: &str) -> Ordering {
    let weight = |byte: Option<u8>| match byte {
        Some(b'~') => -1,
        None | Some(b'0'..=b'9') => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(letter),
        Some(other) => i32::from(other) + 256,
    };
    let (mut left, mut right) = (left.bytes().peekable(), right.bytes().peekable());
    while left.peek().is_some() || right.peek().is_some() {
        let is_text = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_digit());
        while is_text(left.peek()) || is_text(right.peek()) {
            let (one, other) = (weight(left.peek().copied()), weight(right.peek().copied()));
            if one != other {
                return one.cmp(&other);
            }
            // Equal weights are equal characters, or both at a number or at the end, which the loop excludes.
            left.next();
            right.next();
        }
        match number(&mut left).cmp(&number(&mut right)) {
            Ordering::Equal => {}
            different => return different,
        }
    }
    Ordering::Equal
}

/// Takes a number. Numbers may have any length, so the result is the length without leading zeros, and the digits.
fn number(bytes: &mut Peekable<Bytes<'_>>) -> (usize, Vec<u8>) {
    let mut digits = Vec::new();
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        if digit != b'0' || !digits.is_empty() {
            digits.push(digit);
        }
    }
    (digits.len(), digits)
}

/// Compares as rpm does: runs of digits or letters count, other characters only separate them. A number is newer than
/// letters, `~` sorts before everything, and `^` after the end but before anything else.
fn rpm(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    loop {
        let skip = |bytes: &'_ [u8]| {
            bytes.iter().take_while(|byte| !byte.is_ascii_alphanumeric() && !b"~^".contains(byte)).count()
        };
        left = &left[skip(left)..];
        right = &right[skip(right)..];
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), Some(_)) => return Ordering::Less,
            (Some(_), Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) if one.is_ascii_digit() != other.is_ascii_digit() => {
                return if one.is_ascii_digit() { Ordering::Greater } else { Ordering::Less };
            }
            (Some(_), Some(_)) => {}
        }
        let run = |bytes: &[u8]| {
            let is_number = bytes[0].is_ascii_digit();
            bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() && byte.is_ascii_digit() == is_number).count()
        };
        let (one, other) = (&left[..run(left)], &right[..run(right)]);
        (left, right) = (&left[one.len()..], &right[other.len()..]);
        let order = if one[0].is_ascii_digit() {
            let trimmed = |digits: &[u8]| digits.iter().copied().skip_while(|digit| *digit == b'0').collect::<Vec<_>>();
            let (one, other) = (trimmed(one), trimmed(other));
            one.len().cmp(&other.len()).then(one.cmp(&other))
        } else {
            one.cmp(other)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Compares versions that begin with numbers, as semantic versions and those of Python do: what begins like a
/// prerelease sorts before the release. The build metadata after `+` counts last.
fn numbered(left: &str, right: &str) -> Ordering {
    fn numbers(text: &str) -> (Vec<u64>, &str) {
        let text = text.trim_start_matches('v');
        let end = text.find(|one: char| !one.is_ascii_digit() && one != '.').unwrap_or(text.len());
        let mut numbers: Vec<u64> = text[..end].split('.').filter_map(|part| part.parse().ok()).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        (numbers, &text[end..])
    }
    fn rank(suffix: &str) -> u8 {
        let word = suffix.trim_start_matches(['-', '_', '.']).to_ascii_lowercase();
        let begins = |words: &[&str]| words.iter().any(|one| word.starts_with(one));
        let is_revision = || word.strip_prefix('r').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        match suffix {
            _ if begins(&["dev"]) => 0,
            "" => 2,
            // apk's revision of the packaging, and build metadata.
            _ if suffix.starts_with('+') || is_revision() => 3,
            _ if begins(&["post", "p"]) && !begins(&["pre"]) => 4,
            _ if suffix.starts_with('-') || begins(&["a", "b", "c", "pre", "rc"]) => 1,
            _ => 3,
        }
    }
    let ((one, left), (other, right)) = (numbers(left), numbers(right));
    one.cmp(&other).then_with(|| rank(left).cmp(&rank(right))).then_with(|| deb(left, right))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::compare;
    use crate::PackageType;

    /// Checks that the versions ascend, in both directions.
    fn ascend(kind: PackageType, versions: &[&str]) {
        for (index, one) in versions.iter().enumerate() {
            for (later, other) in versions.iter().enumerate() {
                assert_eq!(compare(kind, one, other), index.cmp(&later), "{one} {other}");
            }
        }
    }

    #[test]
    fn versions_ascend_by_the_rules_of_their_manager() {
        let deb =
            ["1.0~~", "1.0~rc1", "1.0", "1.0-1", "1.0-1+deb12u1", "1.0-1.1", "1.0a", "1.0+b", "1.2", "1.10", "1:0.9"];
        ascend(PackageType::Deb, &deb);
        let rpm = [
            "1.0~rc1-1",
            "1.0-1",
            "1.0-1.el9",
            "1.0-2",
            "1.0-10",
            "1.0^git1-1",
            "1.0.a-1",
            "1.0.1-1",
            "1.010.1-1",
            "1:0.1-1",
        ];
        ascend(PackageType::Rpm, &rpm);
        ascend(PackageType::Npm, &["1.0.0-alpha.1", "1.0.0-alpha.2", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0"]);
        ascend(PackageType::Pypi, &["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.0.1"]);
        ascend(PackageType::Apk, &["1.2.3-r0", "1.2.3-r1", "1.2.3-r10", "1.2.4-r0"]);
        assert_eq!(compare(PackageType::Deb, "0:1.0-1", "1.0-1"), Ordering::Equal);
        assert_eq!(compare(PackageType::Golang, "v1.2.0", "v1.2"), Ordering::Equal);
    }
}
