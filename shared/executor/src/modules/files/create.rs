//! `CreateFile` and `CreateFolder`. A given mode is set exactly, whatever the umask is. An existing folder keeps its
//! content: `overwrite` only says whether the folder may exist.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use goldsmith_document::{CreateFile, CreateFolder, Encoding, Mode, Setting, Template};

use super::encoding::encode;
use super::users::Ids;
use super::{FileError, create_parents};
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// A file to write.
pub(crate) struct NewFile {
    path: String,
    content: String,
    encoding: Encoding,
    attributes: Attributes,
    overwrite: bool,
}

/// A folder to create.
pub(crate) struct NewFolder {
    path: String,
    attributes: Attributes,
    overwrite: bool,
}

struct Attributes {
    owner: Option<String>,
    group: Option<String>,
    mode: Option<Mode>,
}

impl NewFile {
    pub(crate) fn read(input: &CreateFile, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            content: fields.or_empty("content", input.content.as_ref())?,
            encoding: fields.setting("encoding", &input.encoding)?,
            attributes: Attributes::read(
                input.owner.as_ref(),
                input.group.as_ref(),
                input.permissions.as_ref(),
                fields,
            )?,
            overwrite: fields.setting("overwrite", &input.overwrite)?,
        })
    }
}

impl Element for NewFile {
    /// Finds all errors in the inputs before it changes the file.
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        let ids = self.attributes.ids()?;
        let mut options = OpenOptions::new();
        options.write(true);
        if self.overwrite {
            options.create(true).truncate(true)
        } else {
            // The kernel checks and creates in one step. A separate check would leave time for another process.
            options.create_new(true)
        };
        create_parents(&path)?;
        let mut file = options.open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists { path: path.clone(), flag: "overwrite" },
            io::ErrorKind::IsADirectory => FileError::NotAFile { path: path.clone() },
            _ => FileError::unwritten(path.clone(), source),
        })?;
        // The owner and the mode are set before the content is written. Otherwise others could read it for a moment.
        self.attributes.set(ids, &path)?;
        file.write_all(&encode(&self.content, self.encoding)).map_err(FileError::write(&path))?;
        Ok(None)
    }
}

impl NewFolder {
    pub(crate) fn read(input: &CreateFolder, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            attributes: Attributes::read(
                input.owner.as_ref(),
                input.group.as_ref(),
                input.permissions.as_ref(),
                fields,
            )?,
            overwrite: fields.setting("overwrite", &input.overwrite)?,
        })
    }
}

impl Element for NewFolder {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        let ids = self.attributes.ids()?;
        create_parents(&path)?;
        // `create_dir_all` would also succeed for an existing folder, so it could not serve `overwrite: false`.
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !path.is_dir() {
                    return Err(FileError::NotAFolder { path }.into());
                } else if !self.overwrite {
                    return Err(FileError::Exists { path, flag: "overwrite" }.into());
                }
            }
            created => created.map_err(FileError::write(&path))?,
        }
        self.attributes.set(ids, &path)?;
        Ok(None)
    }
}

impl Attributes {
    fn read(
        owner: Option<&Template>,
        group: Option<&Template>,
        mode: Option<&Setting<Mode>>,
        fields: &mut Fields<'_>,
    ) -> Result<Self, ResolveError> {
        Ok(Self {
            owner: fields.optional("owner", owner)?,
            group: fields.optional("group", group)?,
            mode: fields.optional_setting("permissions", mode)?,
        })
    }

    fn ids(&self) -> Result<Ids, FileError> {
        Ids::named(self.owner.as_deref(), self.group.as_deref())
    }

    /// Sets the attributes. The mode is set last, because a new owner clears set-user-id bits.
    fn set(&self, ids: Ids, path: &Path) -> Result<(), FileError> {
        if ids.user.is_some() || ids.group.is_some() {
            chown(path, ids.user, ids.group).map_err(FileError::attributes(path))?;
        }
        match self.mode {
            Some(Mode(mode)) => {
                fs::set_permissions(path, Permissions::from_mode(mode)).map_err(FileError::attributes(path))
            }
            None => Ok(()),
        }
    }
}
