//! Removes files by pattern, within one root and one file system.

use std::fs::{self, DirEntry, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use goldsmith_glob::name_matches;

use crate::overwrite::overwrite;

/// The number of attempts to remove a folder that gets new files while it is removed.
const PASSES: usize = 3;

/// Removes files below a root and records those that it cannot remove.
pub(super) struct Remover {
    root: PathBuf,
    kept: Box<dyn Fn(&Path) -> bool>,
    failures: Vec<String>,
}

impl Remover {
    /// Returns a remover that has not removed anything.
    pub(super) fn new(root: &Path) -> Self {
        // `matches` compares real paths with the root, so the root must be a real path too.
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        Self { root, kept: Box::new(|_| false), failures: Vec::new() }
    }

    /// Keeps the files and folders for which `kept` is true, with everything in them, from now on.
    pub(super) fn keep(&mut self, kept: impl Fn(&Path) -> bool + 'static) {
        self.kept = Box::new(kept);
    }

    /// Removes everything that the patterns match. The files are overwritten first, and the zeros are on the disk
    /// before the first file is removed. One sync covers all files, because one sync for each of many small files takes
    /// minutes.
    pub(super) fn remove<P: AsRef<str>>(&mut self, patterns: &[P]) {
        let found: Vec<PathBuf> = patterns.iter().flat_map(|pattern| self.matches(pattern.as_ref())).collect();
        for path in &found {
            self.overwrite_tree(path);
        }
        rustix::fs::sync();
        for path in found {
            let mut result = self.remove_tree(&path);
            for _ in 1..PASSES {
                result = result.or_else(|_| self.remove_tree(&path));
            }
            if let Err(error) = result {
                self.failed(&path, &error);
            }
        }
    }

    /// Removes what the patterns match and ignores failures.
    pub(super) fn try_remove(&mut self, patterns: &[&str]) {
        let failures = self.take_failures();
        self.remove(patterns);
        self.failures = failures;
    }

    /// Empties the files that the patterns match.
    pub(super) fn empty<P: AsRef<str>>(&mut self, patterns: &[P]) {
        let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_file());
        let found = patterns.iter().flat_map(|pattern| self.matches(pattern.as_ref())).filter(is_file);
        let found: Vec<PathBuf> = found.collect();
        for path in &found {
            self.overwrite_tree(path);
        }
        rustix::fs::sync();
        for path in found {
            let emptied = OpenOptions::new().write(true).truncate(true).open(&path);
            if let Err(error) = gone(emptied.map(drop)) {
                self.failed(&path, &error);
            }
        }
    }

    /// Returns the failures so far, one line for each file that could not be removed.
    pub(super) fn take_failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.failures)
    }

    /// Records why a file could not be removed.
    pub(super) fn failed(&mut self, path: &Path, error: &io::Error) {
        self.failures.push(format!("{}: {error}", path.display()));
    }

    /// Returns the files that a pattern names. All parts except the last may lead through symbolic links, but only
    /// inside the root.
    fn matches(&self, pattern: &str) -> Vec<PathBuf> {
        let (folders, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let mut parents = vec![self.root.clone()];
        for part in folders.split('/') {
            parents = parents.iter().flat_map(|parent| entries(parent, part)).collect();
        }
        let inside = |parent: &PathBuf| parent.canonicalize().is_ok_and(|parent| parent.starts_with(&self.root));
        parents.iter().filter(|parent| inside(parent)).flat_map(|parent| entries(parent, name)).collect()
    }

    /// Overwrites the files that `remove_tree` removes next.
    fn overwrite_tree(&mut self, path: &Path) {
        let Ok(found) = fs::symlink_metadata(path) else { return };
        if self.stays(path, found.dev()) {
            return;
        }
        if found.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
                self.overwrite_tree(&entry.path());
            }
        } else if let Err(error) = overwrite(path) {
            self.failed(path, &error);
        }
    }

    /// Returns whether a path is a mount point or is kept.
    fn stays(&self, path: &Path, device: u64) -> bool {
        let parent = path.parent().and_then(|parent| fs::metadata(parent).ok());
        // What is mounted is on another device than its parent folder, and so in no snapshot of the root's volume.
        parent.is_some_and(|parent| parent.dev() != device) || (self.kept)(path)
    }

    /// Removes a file or a folder. New files that appear in the meantime may cause an error.
    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let found = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if self.stays(path, found.dev()) {
            return Ok(());
        }
        if !found.is_dir() {
            return gone(fs::remove_file(path));
        }
        let mut stays = false;
        for entry in fs::read_dir(path)?.filter_map(Result::ok) {
            let entry = entry.path();
            self.remove_tree(&entry)?;
            stays |= entry.symlink_metadata().is_ok();
        }
        // A folder that is not empty is an error only if nothing in it is kept: then new files appeared in the
        // meantime.
        if stays && self.holds_kept(path) { Ok(()) } else { gone(fs::remove_dir(path)) }
    }

    /// Returns whether something below a path is kept.
    fn holds_kept(&self, path: &Path) -> bool {
        (self.kept)(path)
            || fs::read_dir(path)
                .into_iter()
                .flatten()
                .filter_map(Result::ok)
                .any(|entry| self.holds_kept(&entry.path()))
    }
}

/// Returns the entries of a folder whose names match. A folder that does not exist has none.
fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let names = |entry: DirEntry| name_matches(pattern, &entry.file_name().to_string_lossy()).then(|| entry.path());
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| names(entry.ok()?)).collect()
}

/// Ignores two errors: the file is already gone, or something is mounted on it, so that it does not belong to the
/// image.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ResourceBusy) => Ok(()),
        result => result,
    }
}
