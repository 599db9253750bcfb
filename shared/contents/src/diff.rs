//! What differs between the contents of two images.

mod text;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use goldsmith_versions::compare;
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::{
    ChangedConfiguration, Contents, Group, Kernel, OsRelease, Package, PackageType, Sizes, Socket, Unit, UnownedFile,
    User,
};

/// The longest time of a boot, in milliseconds. A longer one is no boot: in a container, it is how long its host has been
/// running.
const LONGEST_BOOT: u64 = 60 * 60 * 1000;

/// What differs between two images. Every list has what is only in the first image, only in the second one, or in both
/// with different values.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The operating system. `None` if both are the same.
    pub os: Option<Changed<OsRelease>>,
    /// The packages.
    pub packages: Packages,
    /// The installed kernels.
    pub kernels: Change<Kernel>,
    /// The units that are enabled or masked.
    pub units: Change<Unit>,
    /// The configuration files of packages that differ from what their packages ship.
    pub configuration: Change<ChangedConfiguration>,
    /// The files that no package owns.
    pub files: Change<UnownedFile>,
    /// The users.
    pub users: Change<User>,
    /// The groups.
    pub groups: Change<Group>,
    /// The sockets on which programs listen.
    pub sockets: Change<Socket>,
    /// How much there is in both.
    pub sizes: Changed<Sizes>,
    /// The time of the boot in milliseconds. `None` if it is not known of both.
    pub boot_millis: Option<Changed<u64>>,
    /// Whether the lists of files are incomplete, so that a difference may be missing or wrong.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
}

/// The differences of one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<T> {
    /// Only in the second image.
    pub added: Vec<T>,
    /// Only in the first image.
    pub removed: Vec<T>,
    /// In both, with different values.
    pub changed: Vec<Changed<T>>,
}

/// A value of the first image and of the second one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changed<T> {
    /// In the first image.
    pub from: T,
    /// In the second image.
    pub to: T,
}

/// The differences of the packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Packages {
    /// Only in the second image.
    pub added: Vec<Package>,
    /// Only in the first image.
    pub removed: Vec<Package>,
    /// In both, with different versions.
    pub changed: Vec<PackageChange>,
}

/// A package of which both images have one version, and not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// The package manager.
    #[serde(rename = "type")]
    pub kind: PackageType,
    /// The name.
    pub name: String,
    /// The architecture. Empty if the package manager records none.
    pub arch: String,
    /// The version in the first image.
    pub from: String,
    /// The version in the second image.
    pub to: String,
    /// The direction.
    pub direction: Direction,
}

/// Whether a package has become newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The second image has the newer version.
    Upgrade,
    /// The first image has the newer version.
    Downgrade,
    /// The versions are written differently, but none is newer.
    Same,
    /// One of the versions does not follow the rules of its package manager, so nobody can say which is newer.
    Unknown,
}

impl<T> Default for Change<T> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl Diff {
    /// Compares two images.
    #[must_use]
    pub fn of(from: &Contents, to: &Contents) -> Self {
        let boot = from.boot_millis.zip(to.boot_millis).filter(|(from, to)| from.max(to) <= &LONGEST_BOOT);
        Self {
            os: (from.os != to.os).then(|| Changed { from: from.os.clone(), to: to.os.clone() }),
            packages: packages(&from.packages, &to.packages),
            kernels: change(&from.kernels, &to.kernels, |kernel| kernel.release.clone()),
            units: change(&from.units, &to.units, |unit| unit.name.clone()),
            configuration: change(&from.configuration, &to.configuration, |file| file.path.clone()),
            files: change(&from.files, &to.files, |file| file.path.clone()),
            users: change(&from.users, &to.users, |user| user.name.clone()),
            groups: change(&from.groups, &to.groups, |group| group.name.clone()),
            sockets: change(&from.sockets, &to.sockets, Clone::clone),
            sizes: Changed { from: from.sizes, to: to.sizes },
            boot_millis: boot.map(|(from, to)| Changed { from, to }),
            is_incomplete: [from, to].iter().any(|contents| contents.files_left_out > 0 || !contents.notes.is_empty()),
        }
    }

    /// Returns whether nothing differs. The size and the time of the boot do not count, because they differ between any
    /// two builds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { os, packages, kernels, units, configuration, files, users, groups, sockets, .. } = self;
        os.is_none()
            && packages.added.is_empty()
            && packages.removed.is_empty()
            && packages.changed.is_empty()
            && kernels.is_empty()
            && units.is_empty()
            && configuration.is_empty()
            && files.is_empty()
            && users.is_empty()
            && groups.is_empty()
            && sockets.is_empty()
    }
}

impl<T> Change<T> {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Compares two lists. If a key occurs several times in a list, such as the name of a user with two lines, the first
/// element with it is compared with the first, and so on.
fn change<T: Clone + PartialEq, K: Ord + Clone>(from: &[T], to: &[T], key: impl Fn(&T) -> K) -> Change<T> {
    let (mut before, after) = (numbered(from, &key), numbered(to, &key));
    let mut change = Change::default();
    for (key, to) in after {
        match before.remove(&key) {
            None => change.added.push(to.clone()),
            Some(from) if from != to => change.changed.push(Changed { from: from.clone(), to: to.clone() }),
            Some(_) => {}
        }
    }
    change.removed = before.into_values().cloned().collect();
    change
}

/// Returns the elements of a list by their key and its number among the elements with this key.
fn numbered<T, K: Ord + Clone>(list: &[T], key: impl Fn(&T) -> K) -> BTreeMap<(K, usize), &T> {
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    let mut elements = BTreeMap::new();
    for one in list {
        let key = key(one);
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        elements.insert((key, *count), one);
    }
    elements
}

/// Compares packages. Several versions of one package may be installed: kernels, and packages of languages in several
/// places. A package has changed only if one version was replaced by one other version.
fn packages(from: &[Package], to: &[Package]) -> Packages {
    type Key<'p> = (PackageType, &'p str, &'p str);
    type Versions<'p> = BTreeMap<&'p str, &'p Package>;
    fn index(packages: &[Package]) -> BTreeMap<Key<'_>, Versions<'_>> {
        let mut index: BTreeMap<Key<'_>, Versions<'_>> = BTreeMap::new();
        for package in packages {
            let key = (package.kind, package.name.as_str(), package.arch.as_str());
            index.entry(key).or_default().insert(&package.version, package);
        }
        index
    }
    let (before, after) = (index(from), index(to));
    let none = Versions::new();
    let mut found = Packages::default();
    let keys: std::collections::BTreeSet<&Key<'_>> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
        let only = |these: &Versions<'_>, others: &Versions<'_>| -> Vec<Package> {
            let only = these.iter().filter(|(version, _)| !others.contains_key(*version));
            only.map(|(_, package)| (*package).clone()).collect()
        };
        let (mut removed, mut added) = (only(old, new), only(new, old));
        if let ([from], [to]) = (&removed[..], &added[..]) {
            found.changed.push(PackageChange {
                kind: to.kind,
                name: to.name.clone(),
                arch: to.arch.clone(),
                direction: direction(to.kind, &from.version, &to.version),
                from: from.version.clone(),
                to: to.version.clone(),
            });
        } else {
            found.removed.append(&mut removed);
            found.added.append(&mut added);
        }
    }
    found
}

fn direction(kind: PackageType, from: &str, to: &str) -> Direction {
    match compare(kind.scheme(), from, to) {
        Ok(Ordering::Less) => Direction::Upgrade,
        Ok(Ordering::Greater) => Direction::Downgrade,
        Ok(Ordering::Equal) => Direction::Same,
        Err(_) => Direction::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Diff, Direction, direction};
    use crate::{Contents, OsRelease, Package, PackageType, Unit, UnitState, UnownedFile, User};

    fn deb(name: &str, version: &str) -> Package {
        Package::new(PackageType::Deb, name, version, "/var/lib/dpkg/status").with_purl(&OsRelease::default())
    }

    fn file(path: &str, sha256: &str) -> UnownedFile {
        UnownedFile { path: path.to_owned(), size: 1, mode: "0644".to_owned(), sha256: Some(sha256.to_owned()) }
    }

    fn contents(packages: &[(&str, &str)]) -> Contents {
        let packages = packages.iter().map(|(name, version)| deb(name, version)).collect();
        Contents { packages, ..Contents::default() }
    }

    #[test]
    fn packages_are_added_removed_upgraded_and_downgraded() {
        let before = contents(&[("a", "1.0-1"), ("b", "1:1.0-1"), ("gone", "1"), ("linux", "6.1-1"), ("same", "1")]);
        let after = contents(&[
            ("a", "1.0-2"),
            ("b", "2.0-1"),
            ("linux", "6.1-1"),
            ("linux", "6.1-2"),
            ("new", "1"),
            ("same", "1"),
        ]);
        let diff = Diff::of(&before, &after);
        let changed: Vec<_> = diff.packages.changed.iter().map(|one| (one.name.as_str(), one.direction)).collect();
        assert_eq!(changed, [("a", Direction::Upgrade), ("b", Direction::Downgrade)]);
        let names = |packages: &[Package]| {
            packages.iter().map(|one| format!("{} {}", one.name, one.version)).collect::<Vec<_>>()
        };
        assert_eq!(names(&diff.packages.added), ["linux 6.1-2", "new 1"]);
        assert_eq!(names(&diff.packages.removed), ["gone 1"]);
        assert!(!diff.is_empty() && Diff::of(&after, &after).is_empty());
    }

    #[test]
    fn versions_are_compared_by_the_rules_of_their_package_manager() {
        for (kind, from, to, expected) in [
            (PackageType::Deb, "0:1.0-1", "1.0-1", Direction::Same),
            (PackageType::Rpm, "1.0~rc1-1", "1.0-1", Direction::Upgrade),
            (PackageType::Apk, "1.2.3-r10", "1.2.3-r9", Direction::Downgrade),
            (PackageType::Npm, "1.0.0-rc.1", "1.0.0", Direction::Upgrade),
            (PackageType::Pypi, "1.0.post1", "1.0", Direction::Downgrade),
            (PackageType::Gem, "1.9", "1.10", Direction::Upgrade),
            (PackageType::Golang, "v1.2.0", "v1.2", Direction::Same),
            (PackageType::Golang, "(devel)", "v1.2.0", Direction::Unknown),
        ] {
            assert_eq!(direction(kind, from, to), expected, "{kind} {from} {to}");
        }
    }

    #[test]
    fn the_text_says_each_difference_once_and_nothing_else() {
        let unit = |name: &str, state| Unit { name: name.to_owned(), state };
        let before = Contents {
            files: vec![file("/srv/a", "1"), file("/srv/b", "1")],
            units: vec![unit("ssh.service", UnitState::Enabled)],
            boot_millis: Some(9_000),
            ..contents(&[("a", "1.0-1"), ("old", "1")])
        };
        let after = Contents {
            files: vec![file("/srv/b", "2"), file("/srv/c", "1")],
            units: vec![unit("ssh.service", UnitState::Masked), unit("x.timer", UnitState::Enabled)],
            boot_millis: Some(8_500),
            ..contents(&[("a", "1.0-2"), ("new", "2")])
        };
        let expected = "\
packages: 1 added, 1 removed, 1 changed
  + deb new 2
  - deb old 1
  ~ deb a 1.0-1 → 1.0-2
units: 1 added, 1 changed
  + x.timer (enabled)
  ~ ssh.service (enabled → masked)
files that no package owns: 1 added, 1 removed, 1 changed
  + /srv/c (1 B)
  - /srv/a (1 B)
  ~ /srv/b (content)
boot: 9.0 s → 8.5 s";
        assert_eq!(Diff::of(&before, &after).lines().join("\n"), expected);
        assert_eq!(Diff::of(&after, &after).lines(), ["Nothing differs."]);
        let of_host = Contents { boot_millis: Some(64_485_500), ..after.clone() };
        assert_eq!(Diff::of(&after, &of_host).boot_millis, None);
    }

    #[test]
    fn no_name_of_a_file_looks_like_another_difference() {
        let after = Contents { files: vec![file("/srv/a\n  - deb openssl 3\u{1b}[2J", "1")], ..Contents::default() };
        let expected = ["files that no package owns: 1 added", "  + /srv/a\\n  - deb openssl 3\\u{1b}[2J (1 B)"];
        assert_eq!(Diff::of(&Contents::default(), &after).lines(), expected);
    }

    #[test]
    fn a_second_line_of_a_user_is_a_difference() {
        let user = |uid| User {
            name: "root".to_owned(),
            uid,
            gid: 0,
            home: "/root".to_owned(),
            shell: "/bin/sh".to_owned(),
            has_login_shell: true,
        };
        let with = |users: Vec<User>| Contents { users, ..Contents::default() };
        let diff = Diff::of(&with(vec![user(0)]), &with(vec![user(0), user(7)]));
        assert_eq!(diff.users.added, [user(7)]);
        assert!(diff.users.changed.is_empty());
    }
}
