//! The actions on files and folders of this machine.

mod access;
mod append;
mod create;
mod delete;
mod encoding;
mod link;
mod list;
mod read;
mod transfer;
mod tree;
mod users;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use goldsmith_glob::name_matches;

use crate::evidence::{full_disks, is_out_of_space};

pub(super) use access::{Owner, Permissions};
pub(super) use append::Append;
pub(super) use create::{NewFile, NewFolder};
pub(super) use delete::{DeletedFile, DeletedFolder};
pub(super) use encoding::Reencoded;
pub(super) use link::Link;
pub(super) use list::Listing;
pub(super) use read::Reading;
pub(super) use transfer::Transfer;

/// What is wrong with a file or with the requested operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("the path is empty")]
    NoPath,
    #[error("{} exists, and `{flag}` is false", path.display())]
    Exists { path: PathBuf, flag: &'static str },
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("nothing matches {}", pattern.display())]
    NoMatch { pattern: PathBuf },
    #[error("`*` can be used only in the last part of a path, not as in `{pattern}`")]
    WildcardPlace { pattern: String },
    #[error("{count} files match, so the destination `{destination}` must end with `/`")]
    ManyToOne { count: usize, destination: String },
    #[error("{} is a folder", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is not a folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{} is not a link and is not replaced", path.display())]
    NotALink { path: PathBuf },
    #[error("{} is not a file, a folder or a link", path.display())]
    Special { path: PathBuf },
    #[error("source and destination are both {}", path.display())]
    Same { path: PathBuf },
    #[error("{} is inside {}", destination.display(), source_folder.display())]
    Inside { source_folder: PathBuf, destination: PathBuf },
    #[error("{} is not empty, and `force` is false", path.display())]
    NotEmpty { path: PathBuf },
    #[error("{} contains the whole system and is not deleted", path.display())]
    Root { path: PathBuf },
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Full {
        path: PathBuf,
        #[source]
        reason: Box<Full>,
    },
    #[error("{} cannot be deleted", path.display())]
    Delete { path: PathBuf, source: io::Error },
    #[error("the owner, group or mode of {} cannot be set", path.display())]
    Attributes { path: PathBuf, source: io::Error },
    #[error("there is no {kind} `{name}`")]
    NoSuchName { name: String, kind: &'static str },
    #[error("{} is not text in {encoding}", path.display())]
    NotText { path: PathBuf, encoding: &'static str },
    #[error("{} has {size} bytes, but only {limit} can be read into an output", path.display())]
    TooLong { path: PathBuf, size: u64, limit: u64 },
}

/// An operation that had no space, and the full file systems at that moment.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Full {
    reason: io::Error,
    facts: Vec<String>,
}

impl FileError {
    pub(super) fn read(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_owned() },
            _ => Self::Read { path: path.to_owned(), source },
        }
    }

    pub(super) fn write(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::unwritten(path.to_owned(), source)
    }

    /// Returns the error for a file that cannot be written.
    pub(super) fn unwritten(path: PathBuf, source: io::Error) -> Self {
        if !is_out_of_space(&source) {
            return Self::Write { path, source };
        }
        // Now, and not when the step has ended: what was written so far is removed before.
        let facts = full_disks(Some(&path));
        Self::Full { path, reason: Box::new(Full { reason: source, facts }) }
    }

    /// Returns the facts that were collected where the error occurred.
    pub(super) fn evidence(&self) -> Vec<String> {
        match self {
            Self::Full { reason, .. } => reason.facts.clone(),
            _ => Vec::new(),
        }
    }

    fn delete(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Delete { path: path.to_owned(), source }
    }

    fn attributes(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Attributes { path: path.to_owned(), source }
    }
}

/// Returns the paths that match a path with `*` in its last part, sorted. A path without `*` is returned as it is. As
/// in EC2 Image Builder, `*` also stands for a leading dot.
pub(super) fn expand(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let text = path.to_string_lossy();
    let (folder, name) = text.rsplit_once('/').unwrap_or((".", &text));
    if folder.contains('*') {
        return Err(FileError::WildcardPlace { pattern: text.into_owned() });
    }
    if !name.contains('*') {
        return Ok(vec![path.to_owned()]);
    }
    let folder = if folder.is_empty() { "/" } else { folder };
    let entries = fs::read_dir(folder).map_err(FileError::read(Path::new(folder)))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FileError::read(Path::new(folder)))?;
        if name_matches(name, &entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Creates the folders above a path.
pub(super) fn create_parents(path: &Path) -> Result<(), FileError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(FileError::write(parent))
}

/// Returns the entries of a folder, sorted by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = FileError::read(folder);
    let entries = fs::read_dir(folder).map_err(&failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}
