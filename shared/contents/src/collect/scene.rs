//! What the readers of packages work with, and the limits on what they may keep.

use std::path::Path;
use std::time::Instant;

use super::os_release;
use super::owners::Owners;
use super::tree::Tree;
use crate::{OsRelease, Package};

/// The largest number of packages. A desktop with everything has some thousands, and a large application of Node.js too.
const MOST_PACKAGES: usize = 50_000;
/// The longest name, version or other field of a package in bytes, except the license.
const LONGEST: usize = 512;
/// The longest license in bytes. Some packages state the whole text.
const LONGEST_LICENSE: usize = 1_000;
/// The largest number of notes, and the longest note in characters.
const MOST_NOTES: usize = 50;
const LONGEST_NOTE: usize = 300;

/// What the readers of packages work with.
pub(super) struct Scene<'s> {
    pub(super) tree: Tree<'s>,
    pub(super) os: OsRelease,
    pub(super) owners: Owners,
    until: Instant,
    packages: Vec<Package>,
    notes: Vec<String>,
    /// The numbers of packages for which there was no room, of packages that are none, and of notes.
    crowded: u64,
    odd: u64,
    unsaid: usize,
    is_late: bool,
    lacks_packages: bool,
}

/// What the readers have found.
pub(super) struct Found {
    pub(super) os: OsRelease,
    pub(super) packages: Vec<Package>,
    pub(super) notes: Vec<String>,
    /// Whether there may be packages that were not listed.
    pub(super) lacks_packages: bool,
}

impl<'s> Scene<'s> {
    pub(super) fn new(root: &'s Path, until: Instant) -> Self {
        let tree = Tree::new(root);
        Self {
            tree,
            os: os_release::read(tree),
            owners: Owners::default(),
            until,
            packages: Vec::new(),
            notes: Vec::new(),
            crowded: 0,
            odd: 0,
            unsaid: 0,
            is_late: false,
            lacks_packages: false,
        }
    }

    /// Returns the time at which the collection ends.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Returns whether there is time to read more. If not, a note of the result says so.
    pub(super) fn has_time(&mut self) -> bool {
        self.is_late |= Instant::now() > self.until;
        !self.is_late
    }

    /// Reads a text file. Returns `None` if it does not exist, and after a note if it cannot be read.
    pub(super) fn text(&mut self, path: &str, most: u64) -> Option<String> {
        match self.tree.text(path, most) {
            Ok(text) => Some(text),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    self.note(format!("/{path} was not read: {error}"));
                }
                None
            }
        }
    }

    /// Reads the database of a package manager. If it cannot be read, packages are lacking.
    pub(super) fn database(&mut self, path: &str, most: u64) -> Option<String> {
        let notes = (self.notes.len(), self.unsaid);
        let text = self.text(path, most);
        self.lacks_packages |= notes != (self.notes.len(), self.unsaid);
        text
    }

    /// Adds a package if its fields are such as a package manager writes.
    pub(super) fn add(&mut self, mut package: Package) {
        let is_plain = |text: &str| text.len() <= LONGEST && !text.contains(char::is_control);
        let Package { name, version, arch, source, module, license, .. } = &mut package;
        if name.is_empty() || ![&*name, &*version, &*arch].into_iter().all(|text| is_plain(text)) {
            self.odd += 1;
            return;
        }
        if self.packages.len() == MOST_PACKAGES {
            self.crowded += 1;
            return;
        }
        *source = source.take().filter(|source| is_plain(&source.name) && is_plain(&source.version));
        *module = module.take().filter(|module| is_plain(module));
        *license = license.take().map(|license| in_one_line(&license, LONGEST_LICENSE));
        self.packages.push(package.with_purl(&self.os));
    }

    /// Adds a sentence about what could not be read.
    pub(super) fn note(&mut self, note: impl AsRef<str>) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(in_one_line(note.as_ref(), LONGEST_NOTE));
        } else {
            self.unsaid += 1;
        }
    }

    /// Adds a sentence about packages that are not listed.
    pub(super) fn lack(&mut self, note: impl AsRef<str>) {
        self.note(note);
        self.lacks_packages = true;
    }

    /// Returns what was found, with the notes about all limits.
    pub(super) fn found(mut self) -> Found {
        self.has_time();
        let crowded = format!("{} more packages are not listed: {MOST_PACKAGES} is the limit", self.crowded);
        let odd = format!("{} packages were left out, because no package has such a name or version", self.odd);
        let late = "the collection took too long, so not everything is listed".to_owned();
        let owners = "not all files of packages are known, so files may be listed that belong to one".to_owned();
        let unsaid = format!("and {} more notes", self.unsaid);
        for (holds, note) in [
            (self.crowded > 0, crowded),
            (self.odd > 0, odd),
            (self.is_late, late),
            (self.owners.is_full(), owners),
            (self.unsaid > 0, unsaid),
        ] {
            self.notes.extend(holds.then_some(note));
        }
        let lacks_packages = self.lacks_packages || self.crowded > 0 || self.odd > 0 || self.is_late;
        Found { os: self.os, packages: self.packages, notes: self.notes, lacks_packages }
    }
}

/// Returns a text in one line, and at most so many characters of it.
fn in_one_line(text: &str, most: usize) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::{LONGEST, MOST_NOTES, MOST_PACKAGES, Scene};
    use crate::{Package, PackageType};

    #[test]
    fn what_no_package_manager_writes_is_left_out_and_what_is_too_much_too() {
        let mut scene = Scene::new(Path::new("/nonexistent"), Instant::now() + Duration::from_secs(3600));
        let package = |name: &str, version: &str| Package::new(PackageType::Npm, name, version, "/x");
        for (name, version) in [("", "1"), ("a\nb", "1"), ("a", "1\u{1b}[2J"), (&*"a".repeat(LONGEST + 1), "1")] {
            scene.add(package(name, version));
        }
        scene.add(Package { license: Some("MIT\nand more".to_owned() + &"x".repeat(2_000)), ..package("a", "1") });
        for number in 0..MOST_PACKAGES + 2 {
            scene.add(package("many", &number.to_string()));
        }
        for number in 0..MOST_NOTES + 3 {
            scene.note(format!("note {number}\nforged"));
        }
        let found = scene.found();
        assert_eq!(found.packages.len(), MOST_PACKAGES);
        let license = found.packages[0].license.as_ref().unwrap();
        assert!(license.starts_with("MIT and more") && license.len() == 1_000, "{license}");
        assert_eq!(found.notes[0], "note 0 forged");
        let expected = [
            "3 more packages are not listed: 50000 is the limit",
            "4 packages were left out, because no package has such a name or version",
            "and 3 more notes",
        ];
        assert_eq!(found.notes[MOST_NOTES..], expected);
    }
}
