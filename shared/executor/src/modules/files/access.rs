//! `SetFileOwner`, `SetFolderOwner`, `SetFilePermissions`, `SetFolderPermissions`. A link that the step names is
//! followed. A link inside a folder is not followed, because it may lead anywhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown};
use std::path::{Path, PathBuf};

use goldsmith_document::{Mode, SetFileOwner, SetFilePermissions, SetFolderOwner, SetFolderPermissions};

use super::users::{Ids, group, user};
use super::{FileError, entries};
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// The files and folders whose attributes are set.
enum Scope {
    File,
    Folder { recursive: bool },
}

/// A new owner.
pub(crate) struct Owner {
    path: String,
    owner: String,
    group: Option<String>,
    scope: Scope,
}

/// A new mode.
pub(crate) struct Permissions {
    path: String,
    mode: Mode,
    scope: Scope,
}

impl Owner {
    pub(crate) fn of_file(input: &SetFileOwner, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            owner: fields.text("owner", &input.owner)?,
            group: fields.optional("group", input.group.as_ref())?,
            scope: Scope::File,
        })
    }

    pub(crate) fn of_folder(input: &SetFolderOwner, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            owner: fields.text("owner", &input.owner)?,
            group: fields.optional("group", input.group.as_ref())?,
            scope: Scope::Folder { recursive: fields.setting("recursive", &input.recursive)? },
        })
    }

    /// Returns the ids to set. Without a group, the user's own group is set.
    fn ids(&self) -> Result<Ids, FileError> {
        let (id, own) = user(&self.owner)?;
        let group = self.group.as_deref().map(group).transpose()?.or(own);
        Ok(Ids { user: Some(id), group })
    }
}

impl Element for Owner {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let ids = self.ids()?;
        let path = self.scope.checked(place.path(&self.path)?)?;
        for below in self.scope.below(&path)? {
            lchown(&below, ids.user, ids.group).map_err(FileError::attributes(&below))?;
        }
        chown(&path, ids.user, ids.group).map_err(FileError::attributes(&path))?;
        Ok(None)
    }
}

impl Permissions {
    pub(crate) fn of_file(input: &SetFilePermissions, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            mode: fields.setting("permissions", &input.permissions)?,
            scope: Scope::File,
        })
    }

    pub(crate) fn of_folder(input: &SetFolderPermissions, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            mode: fields.setting("permissions", &input.permissions)?,
            scope: Scope::Folder { recursive: fields.setting("recursive", &input.recursive)? },
        })
    }
}

impl Element for Permissions {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = self.scope.checked(place.path(&self.path)?)?;
        let below = self.scope.below(&path)?;
        for path in below.iter().filter(|path| !path.is_symlink()).chain([&path]) {
            let mode = fs::Permissions::from_mode(self.mode.0);
            fs::set_permissions(path, mode).map_err(FileError::attributes(path))?;
        }
        Ok(None)
    }
}

impl Scope {
    fn checked(&self, path: PathBuf) -> Result<PathBuf, FileError> {
        let is_folder = fs::metadata(&path).map_err(FileError::read(&path))?.is_dir();
        match self {
            Scope::File if is_folder => Err(FileError::NotAFile { path }),
            Scope::Folder { .. } if !is_folder => Err(FileError::NotAFolder { path }),
            _ => Ok(path),
        }
    }

    /// Returns everything below a folder, the deepest entries first. Otherwise a mode that closes a folder would make
    /// its content unreachable.
    fn below(&self, path: &Path) -> Result<Vec<PathBuf>, FileError> {
        let mut found = Vec::new();
        if let Scope::Folder { recursive: true } = self {
            collect(path, &mut found)?;
        }
        Ok(found)
    }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), FileError> {
    for path in entries(folder)? {
        if path.is_dir() && !path.is_symlink() {
            collect(&path, found)?;
        }
        found.push(path);
    }
    Ok(())
}
