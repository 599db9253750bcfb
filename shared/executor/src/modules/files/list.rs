//! `ListFiles`: the absolute paths of everything that is not a folder, sorted and separated by commas. Links to folders
//! are listed and not followed.

use std::path::{Path, PathBuf};

use goldsmith_document::ListFiles;
use goldsmith_glob::name_matches;

use super::{FileError, entries};
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// A folder to list.
pub(crate) struct Listing {
    path: String,
    pattern: Option<String>,
    recursive: bool,
}

impl Listing {
    pub(crate) fn read(input: &ListFiles, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            pattern: fields.optional("fileNamePattern", input.file_name_pattern.as_ref())?,
            recursive: fields.setting("recursive", &input.recursive)?,
        })
    }

    fn collect(&self, folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), FileError> {
        for path in entries(folder)? {
            if path.is_dir() && !path.is_symlink() {
                if self.recursive {
                    self.collect(&path, found)?;
                }
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if self.pattern.as_deref().is_none_or(|pattern| name_matches(pattern, &name)) {
                found.push(path);
            }
        }
        Ok(())
    }
}

impl Element for Listing {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        if !path.exists() {
            return Err(FileError::Missing { path }.into());
        } else if !path.is_dir() {
            return Err(FileError::NotAFolder { path }.into());
        }
        let mut found = Vec::new();
        self.collect(&path, &mut found)?;
        found.sort();
        let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        Ok(Some(names.join(",")))
    }
}
