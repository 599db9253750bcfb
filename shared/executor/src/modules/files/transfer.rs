//! `CopyFile`, `CopyFolder`, `MoveFile`, `MoveFolder`. Everything is checked before anything is changed. An existing
//! folder is merged with the new one: `overwrite` replaces single files and deletes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use goldsmith_document::Transfer as Input;

use super::tree::{copy_file, copy_tree};
use super::{FileError, create_parents, expand};
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// Files or folders to copy or move.
pub(crate) struct Transfer {
    source: String,
    destination: String,
    overwrite: bool,
    moves: bool,
    folders: bool,
}

impl Transfer {
    /// Returns a function that reads the inputs of one of the four actions.
    pub(crate) fn reader(moves: bool, folders: bool) -> impl Fn(&Input, &mut Fields<'_>) -> Result<Self, ResolveError> {
        move |input, fields| {
            Ok(Self {
                source: fields.text("source", &input.source)?,
                destination: fields.text("destination", &input.destination)?,
                overwrite: fields.setting("overwrite", &input.overwrite)?,
                moves,
                folders,
            })
        }
    }

    /// Returns each source with its destination.
    fn pairs(&self, place: &Place<'_>) -> Result<Vec<(PathBuf, PathBuf)>, FileError> {
        // With the slash, `expand` would take the last part for empty and reject a `*` before it.
        let pattern = place.path(self.source.trim_end_matches('/'))?;
        let mut sources = expand(&pattern)?;
        if self.source.contains('*') {
            // A pattern selects what the action is for. A source without a pattern stays, so that `check` can report
            // the mistake.
            sources.retain(|source| source.is_dir() == self.folders);
        }
        let destination = place.path(&self.destination)?;
        let into = self.destination.ends_with('/');
        match &sources[..] {
            [] => Err(FileError::NoMatch { pattern }),
            [_, _, ..] if !into => {
                Err(FileError::ManyToOne { count: sources.len(), destination: self.destination.clone() })
            }
            _ => Ok((sources.into_iter())
                .map(|source| {
                    let name = source.file_name().filter(|_| into).map(|name| destination.join(name));
                    (source, name.unwrap_or_else(|| destination.clone()))
                })
                .collect()),
        }
    }

    fn check(&self, source: &Path, destination: &Path) -> Result<(), FileError> {
        let from = fs::metadata(source).map_err(FileError::read(source))?;
        match (self.folders, from.is_dir()) {
            (false, true) => return Err(FileError::NotAFile { path: source.to_owned() }),
            (true, false) => return Err(FileError::NotAFolder { path: source.to_owned() }),
            _ => {}
        }
        if let Ok(to) = fs::metadata(destination) {
            let path = destination.to_owned();
            // Two different paths may lead to one file. A copy onto itself would empty it.
            if (to.dev(), to.ino()) == (from.dev(), from.ino()) {
                return Err(FileError::Same { path });
            }
            match (self.folders, to.is_dir()) {
                (false, true) => return Err(FileError::NotAFile { path }),
                (true, false) => return Err(FileError::NotAFolder { path }),
                _ if !self.overwrite => return Err(FileError::Exists { path, flag: "overwrite" }),
                _ => {}
            }
        }
        // The copy of a folder into itself would never end, because each level contains the copy that was just begun.
        if self.folders && is_below(destination, source) {
            return Err(FileError::Inside { source_folder: source.to_owned(), destination: destination.to_owned() });
        }
        Ok(())
    }

    fn carry(&self, source: &Path, destination: &Path) -> Result<(), FileError> {
        create_parents(destination)?;
        // A rename cannot merge two folders, and it cannot leave a file system. In both cases everything is copied and
        // then deleted.
        if self.moves && !(self.folders && destination.exists()) {
            match fs::rename(source, destination) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                result => return result.map_err(FileError::write(destination)),
            }
        }
        if self.folders {
            copy_tree(source, destination)?
        } else {
            copy_file(source, destination)?
        }
        match (self.moves, self.folders) {
            (true, true) => fs::remove_dir_all(source).map_err(FileError::delete(source)),
            (true, false) => fs::remove_file(source).map_err(FileError::delete(source)),
            (false, _) => Ok(()),
        }
    }
}

impl Element for Transfer {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let pairs = self.pairs(place)?;
        pairs.iter().try_for_each(|(source, destination)| self.check(source, destination))?;
        pairs.iter().try_for_each(|(source, destination)| self.carry(source, destination))?;
        Ok(None)
    }
}

/// Returns whether a path is below a folder. Only the beginning of the path may exist.
fn is_below(path: &Path, folder: &Path) -> bool {
    let real = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    real.zip(folder.canonicalize().ok()).is_some_and(|(path, folder)| path.starts_with(folder))
}
