//! `S3Upload`. Several files keep their paths below the source's folder. A pattern that matches nothing is an error.

use std::fs::File;
use std::path::{Path, PathBuf};

use goldsmith_document::{AccountId, S3Upload, S3Uri};

use super::files::{FileError, entries, expand};
use super::{Element, Fields, ModuleError, Place};
use crate::aws::Access;
use crate::output::Output;
use crate::resolve::ResolveError;
use crate::retry::retry;

/// Files to upload.
pub(super) struct Upload {
    source: String,
    destination: S3Uri,
    recurse: bool,
    owner: Option<AccountId>,
}

impl Upload {
    pub(super) fn read(input: &S3Upload, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            source: fields.text("source", &input.source)?,
            destination: fields.setting("destination", &input.destination)?,
            recurse: fields.setting("recurse", &input.recurse)?,
            owner: fields.optional_setting("expectedBucketOwner", input.expected_bucket_owner.as_ref())?,
        })
    }

    /// Returns the files and their keys.
    fn files(&self, place: &Place<'_>) -> Result<Vec<(PathBuf, String)>, FileError> {
        let source = place.path(&self.source)?;
        let is_pattern = self.source.contains('*');
        if !is_pattern && !source.exists() {
            return Err(FileError::Missing { path: source });
        }
        if !is_pattern && !source.is_dir() {
            let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let key = &self.destination.key;
            let key = if key.is_empty() || key.ends_with('/') { format!("{key}{name}") } else { key.clone() };
            return Ok(vec![(source, key)]);
        }
        if !is_pattern && !self.recurse {
            return Err(FileError::NotAFile { path: source });
        }
        let mut found = Vec::new();
        for path in expand(&source)? {
            let base = if is_pattern { source.parent().unwrap_or(Path::new("/")) } else { &source };
            self.collect(&path, base, &mut found)?;
        }
        if found.is_empty() { Err(FileError::NoMatch { pattern: source }) } else { Ok(found) }
    }

    /// Collects a file, or all files of a folder. Links to folders are not followed.
    fn collect(&self, path: &Path, base: &Path, found: &mut Vec<(PathBuf, String)>) -> Result<(), FileError> {
        if !path.is_dir() {
            let relative = path.strip_prefix(base).unwrap_or(path).to_string_lossy();
            let prefix = self.destination.key.trim_end_matches('/');
            let key = if prefix.is_empty() { relative.into_owned() } else { format!("{prefix}/{relative}") };
            found.push((path.to_owned(), key));
            return Ok(());
        }
        // The author has named the source, so it may be a link. Links below it may lead anywhere, even back up.
        if self.recurse && (path == base || !path.is_symlink()) {
            entries(path)?.iter().try_for_each(|entry| self.collect(entry, base, found))?;
        }
        Ok(())
    }
}

impl Element for Upload {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let owner = self.owner.as_ref().map(|AccountId(id)| id.as_str());
        let access = Access { aws: place.aws, owner, deadline: place.deadline };
        for (path, key) in self.files(place)? {
            let object = S3Uri { bucket: self.destination.bucket.clone(), key };
            retry(place.deadline, &mut |text| output.log(text), may_pass, || {
                // Each try opens the file again, because a failed try has already read a part of it.
                let file = File::open(&path).map_err(FileError::read(&path))?;
                Ok::<(), ModuleError>(access.put(&path, &file, &object)?)
            })?;
        }
        Ok(None)
    }
}

fn may_pass(error: &ModuleError) -> bool {
    matches!(error, ModuleError::Aws(error) if error.may_pass())
}
