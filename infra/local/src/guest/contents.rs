//! The content of an image at a path: the newest layer that has an entry decides, as in an overlay of the layers.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::Guest;
use super::isolation::{Disk, HOST};

/// Overlay's marks of a folder that hides the content of lower layers at its path, as root and as a user namespace
/// store them.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];

/// A file or folder in an image.
#[derive(Debug)]
pub(super) struct Found {
    /// The layer that contains it.
    pub(super) tree: PathBuf,
    pub(super) facts: Metadata,
}

impl Guest {
    /// Returns what the instance's image has at a path; an empty path is the image's root. A link is returned as
    /// itself, and nothing is found behind it.
    pub(super) fn in_image(&self, path: &str) -> Option<Found> {
        find(&self.image_trees(), Path::new(path))
    }

    /// Does the same for the disk, which includes what was written since.
    pub(super) fn in_disk(&self, path: &str) -> Option<Found> {
        let written = if self.way.disk == Disk::Copy { self.tree() } else { self.dir().join("upper") };
        let mut trees = self.image_trees();
        match self.way.disk {
            // A copied tree contains everything.
            Disk::Copy if written.is_dir() => trees = vec![written],
            _ => trees.insert(0, written),
        }
        find(&trees, Path::new(path))
    }

    /// Returns the trees of the instance's image, the newest first.
    fn image_trees(&self) -> Vec<PathBuf> {
        let mut layers = self.layers.iter().rev().map(|layer| self.state_dir.join("layers").join(layer));
        let base = self.state_dir.join("base");
        match self.way.disk {
            Disk::Overlay => layers.chain([base]).collect(),
            Disk::Copy => vec![layers.next().unwrap_or(base)],
            Disk::Host => layers.chain([HOST.into()]).collect(),
        }
    }
}

fn find(trees: &[PathBuf], path: &Path) -> Option<Found> {
    let mut parts: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    parts.reverse();
    for tree in trees {
        let (mut found, mut hides) = (tree.metadata().ok().filter(|_| parts.is_empty()), false);
        for part in &parts {
            found = match tree.join(part).symlink_metadata() {
                Ok(facts) => Some(facts),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
                // The result is unknown: an older layer must not decide.
                Err(_) => return None,
            };
            match &found {
                Some(facts) if facts.is_dir() => hides |= is_opaque(&tree.join(part)),
                Some(facts) if *part != path || is_removed(facts) => return None,
                _ => break,
            }
        }
        if let Some(facts) = found {
            return Some(Found { tree: tree.clone(), facts });
        }
        if hides {
            return None;
        }
    }
    None
}

/// Returns whether this is overlay's mark of something that was removed.
fn is_removed(facts: &Metadata) -> bool {
    facts.file_type().is_char_device() && facts.rdev() == 0
}

fn is_opaque(folder: &Path) -> bool {
    let mut letter = [0_u8; 1];
    OPAQUE.iter().any(|name| rustix::fs::lgetxattr(folder, *name, &mut letter).is_ok() && letter == *b"y")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_newest_layer_that_says_something_decides() {
        let folder = tempfile::tempdir().unwrap();
        let trees = ["new", "old"].map(|name| folder.path().join(name)).to_vec();
        for file in ["new/etc/hosts", "old/etc/hosts", "old/etc/hostname", "old/usr/local/sbin/own"] {
            let file = folder.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        fs::create_dir_all(trees[0].join("usr")).unwrap();
        symlink("/opt", trees[0].join("usr/local")).unwrap();
        let tree = |path: &str| find(&trees, Path::new(path)).map(|found| found.tree);
        for (path, expected) in [
            ("", Some(&trees[0])),
            ("etc", Some(&trees[0])),
            ("etc/hosts", Some(&trees[0])),
            ("etc/hostname", Some(&trees[1])),
            ("usr/local", Some(&trees[0])),
            ("usr/local/sbin", None),
            ("etc/hosts/below", None),
            ("var", None),
        ] {
            assert_eq!(tree(path).as_ref(), expected, "{path}");
        }
    }

    #[test]
    fn what_a_layer_took_away_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let trees = ["new", "old"].map(|name| folder.path().join(name)).to_vec();
        for tree in &trees {
            fs::create_dir_all(tree.join("etc/apt")).unwrap();
        }
        fs::write(trees[1].join("etc/apt/sources"), "").unwrap();
        fs::write(trees[1].join("etc/hosts"), "").unwrap();
        let marked = rustix::fs::mknodat(
            rustix::fs::CWD,
            trees[0].join("etc/hosts"),
            rustix::fs::FileType::CharacterDevice,
            rustix::fs::Mode::empty(),
            0,
        );
        let opaque = OPAQUE.iter().any(|name| {
            rustix::fs::lsetxattr(trees[0].join("etc/apt"), *name, b"y", rustix::fs::XattrFlags::empty()).is_ok()
        });
        if marked.is_err() || !opaque {
            eprintln!("SKIPPED (missing: a file system for an overlay's marks)");
            return;
        }
        for path in ["etc/hosts", "etc/apt/sources"] {
            assert!(find(&trees, Path::new(path)).is_none(), "{path}");
        }
        assert_eq!(find(&trees, Path::new("etc/apt")).unwrap().tree, trees[0]);
    }
}
