//! Compares the versions of the stack and of this program, and says what to do if they differ.

use std::cmp::Ordering;

/// This program's version.
pub(crate) const OWN: &str = env!("CARGO_PKG_VERSION");

/// Returns a note if the stack and this program have different versions.
pub(crate) fn differs(stack: &str, deployed: Option<&str>, again: &str) -> Option<String> {
    let Some(deployed) = deployed else {
        return Some(format!(
            "note: the stack {stack} is older than this program ({OWN}): `{again} deploy` updates it"
        ));
    };
    match compare(deployed, OWN) {
        Ordering::Equal => None,
        Ordering::Less => Some(format!(
            "note: the stack {stack} has version {deployed}, which is older than this program ({OWN}): `{again} deploy` updates it"
        )),
        Ordering::Greater => Some(format!(
            "note: the stack {stack} has version {deployed}, which is newer than this program ({OWN}): install the release {deployed}"
        )),
    }
}

/// Returns the version of a stack, as the end of a sentence about it.
pub(crate) fn told(deployed: Option<&str>) -> String {
    deployed.map_or_else(|| ", from before stacks had versions".to_owned(), |version| format!(", version {version}"))
}

/// Returns a note if a deployment would return the stack to an older version.
pub(crate) fn back(deployed: Option<&str>, release: Option<&str>) -> Option<String> {
    let (deployed, release) = (deployed?, release.unwrap_or("0.0.0"));
    let note = || format!("note: this returns the stack from version {deployed} to {release}");
    (compare(release, deployed) == Ordering::Less).then(note)
}

/// Compares two versions. A version that this program cannot read counts as equal.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    parts(one).zip(parts(other)).map_or(Ordering::Equal, |(one, other)| one.cmp(&other))
}

/// Returns the major, minor and patch numbers. The text after a hyphen does not count: no release has such a version.
fn parts(version: &str) -> Option<[u64; 3]> {
    let mut numbers = version.split('-').next()?.split('.').map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_of_program_and_stack_must_be_updated() {
        assert_eq!(differs("s", Some(OWN), "goldsmith"), None);
        let older = differs("s", Some("0.0.9"), "goldsmith --stack s").unwrap();
        assert!(
            older.contains("older than this program") && older.ends_with("`goldsmith --stack s deploy` updates it"),
            "{older}"
        );
        assert!(differs("s", None, "goldsmith").unwrap().contains("is older than this program"));
        assert!(differs("s", Some("99.10.0"), "goldsmith").unwrap().ends_with("install the release 99.10.0"));
        // A version that this program cannot read tells nothing.
        assert_eq!(differs("s", Some("next"), "goldsmith"), None);
    }

    #[test]
    fn a_stack_without_a_version_has_none() {
        assert_eq!(told(Some("0.1.0")), ", version 0.1.0");
        assert_eq!(told(None), ", from before stacks had versions");
    }

    #[test]
    fn a_downgrade_is_reported() {
        assert_eq!(
            back(Some("0.10.0"), Some("0.9.1")).unwrap(),
            "note: this returns the stack from version 0.10.0 to 0.9.1"
        );
        assert_eq!(back(Some("0.9.0"), Some("0.10.0")), None);
        assert_eq!(back(None, Some("0.1.0")), None);
    }
}
