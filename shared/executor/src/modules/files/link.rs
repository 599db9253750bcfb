//! `CreateSymlink`. The link contains the target as written. A relative target starts at the link's folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use goldsmith_document::CreateSymlink;

use super::{FileError, create_parents};
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// A symbolic link to create.
pub(crate) struct Link {
    path: String,
    target: String,
    force: bool,
}

impl Link {
    pub(crate) fn read(input: &CreateSymlink, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            target: fields.text("target", &input.target)?,
            force: fields.setting("force", &input.force)?,
        })
    }
}

impl Element for Link {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        create_parents(&path)?; // first, because the path of a relative target may lead through them
        let target = path.parent().unwrap_or(Path::new("/")).join(&self.target);
        if self.target.is_empty() || !target.exists() {
            return Err(FileError::Missing { path: target }.into());
        }
        // `exists` would follow an old link and overlook one whose target is gone.
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_symlink() => return Err(FileError::NotALink { path }.into()),
            Ok(_) if !self.force => return Err(FileError::Exists { path, flag: "force" }.into()),
            Ok(_) => {
                // The new link is made next to the old one and then renamed, so that a link exists at every moment.
                let new = PathBuf::from(format!("{}.new", path.display()));
                symlink(&self.target, &new).and_then(|()| fs::rename(&new, &path)).map_err(FileError::write(&path))?;
            }
            Err(_) => symlink(&self.target, &path).map_err(FileError::write(&path))?,
        }
        Ok(None)
    }
}
