//! `DeleteFile` and `DeleteFolder`. A path that does not exist is logged and is not an error, so that a step can be
//! repeated. A link is deleted, but never the file that it points to.

use std::fs;
use std::io;
use std::path::Path;

use goldsmith_document::{DeleteFile, DeleteFolder};

use super::{FileError, entries, expand};
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// Files to delete.
pub(crate) struct DeletedFile {
    path: String,
}

/// A folder to delete.
pub(crate) struct DeletedFolder {
    path: String,
    force: bool,
}

impl DeletedFile {
    pub(crate) fn read(input: &DeleteFile, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self { path: fields.text("path", &input.path)? })
    }
}

impl Element for DeletedFile {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let pattern = place.path(&self.path)?;
        let is_pattern = self.path.contains('*');
        let paths = match expand(&pattern) {
            Err(FileError::Missing { .. }) => Vec::new(),
            paths => paths?,
        };
        let mut deleted = 0;
        for path in paths {
            match is_folder(&path) {
                None => continue,
                // A pattern selects files. Only a folder that the author names is a mistake.
                Some(true) if is_pattern => continue,
                Some(true) => return Err(FileError::NotAFile { path }.into()),
                Some(false) => fs::remove_file(&path).map_err(FileError::delete(&path))?,
            }
            deleted += 1;
        }
        if deleted == 0 {
            output.log(&format!("there is no file {} to delete", pattern.display()));
        }
        Ok(None)
    }
}

impl DeletedFolder {
    pub(crate) fn read(input: &DeleteFolder, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self { path: fields.text("path", &input.path)?, force: fields.setting("force", &input.force)? })
    }
}

impl Element for DeletedFolder {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        match is_folder(&path) {
            None => {
                output.log(&format!("there is no folder {} to delete", path.display()));
                return Ok(None);
            }
            Some(false) => return Err(FileError::NotAFolder { path }.into()),
            Some(true) => {}
        }
        // A path such as `/etc/..` also leads to the root.
        if path.canonicalize().is_ok_and(|path| path == Path::new("/")) {
            return Err(FileError::Root { path }.into());
        }
        if self.force {
            fs::remove_dir_all(&path).map_err(FileError::delete(&path))?;
        } else if !entries(&path)?.is_empty() {
            return Err(FileError::NotEmpty { path }.into());
        } else {
            fs::remove_dir(&path).map_err(FileError::delete(&path))?;
        }
        Ok(None)
    }
}

/// Returns whether a path is a folder itself and not a link to one. `None` if nothing is there.
fn is_folder(path: &Path) -> Option<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found.is_ok_and(|found| found.is_dir())),
    }
}
