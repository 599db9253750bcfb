//! Files that an instance has while it runs, but that its image does not contain: those of [`super::runtime`] and of
//! [`super::names`].
//!
//! On an overlay, these files are the layer right below what the instance writes, so an image cannot contain them. The
//! highest layer determines the properties of a folder, so the folders of this layer have those of the image's folders.
//! In a copied tree, the originals are set aside and the files are put in; an image is made without them.

use std::collections::BTreeSet;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, lgetxattr, listxattr, lsetxattr};
use rustix::io::Errno;

use super::contents::Found;
use super::error::GuestError;
use super::inside::{is_below_folders, put, put_back};
use super::runtime::{self, GivenFile};
use super::{Guest, flags, fresh_dir, names};
use crate::programs::run;

/// Attributes that an overlay reserves for itself.
const OVERLAYS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];

impl Guest {
    /// Returns the folder with the files, in the state folder.
    pub(super) fn given_dir(&self) -> PathBuf {
        self.dir().join("given")
    }

    /// Writes the files to a folder of their own.
    pub(super) async fn write_given(&self) -> Result<(), GuestError> {
        let given = self.given_dir();
        let failed = || GuestError::prepare(&given);
        if fresh_dir(&given).is_err() {
            flags::remove_folder(self.way.isolation, given.clone()).await?;
            fs::create_dir_all(&given).map_err(failed())?;
        }
        let mut folders = BTreeSet::from([PathBuf::new()]);
        for (path, text, mode) in self.given() {
            let above: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
            // A link or a file there is the image's own. The instance then does without the given file.
            if above.iter().any(|folder| self.image_has_other(folder)) {
                continue;
            }
            folders.extend(above.into_iter().map(Path::to_owned));
            let target = given.join(path);
            let written = fs::create_dir_all(target.parent().unwrap_or(&given)).and_then(|()| fs::write(&target, text));
            written.and_then(|()| fs::set_permissions(&target, Permissions::from_mode(mode))).map_err(failed())?;
        }
        // The deepest come first: a folder may forbid changes below it.
        for folder in folders.iter().rev() {
            match self.in_image(&folder.to_string_lossy()) {
                Some(found) => {
                    let (from, to) = (found.tree.join(folder), given.join(folder));
                    self.make_alike(&found, &from, &to).await?;
                    flags::carry_one(self.way.isolation, &from, &to);
                }
                // A narrow umask of the endpoint must not have an effect.
                None => fs::set_permissions(given.join(folder), Permissions::from_mode(0o755)).map_err(failed())?,
            }
        }
        Ok(())
    }

    fn given(&self) -> Vec<GivenFile> {
        [runtime::files(self.way, self.network), self.names().files].concat()
    }

    /// Returns whether the image has something other than a folder at a path. A file below that path would hide it.
    fn image_has_other(&self, path: &Path) -> bool {
        self.in_image(&path.to_string_lossy()).is_some_and(|found| !found.facts.is_dir())
    }

    /// Gives a folder the owner, the mode and the attributes of the image's folder.
    async fn make_alike(&self, found: &Found, from: &Path, to: &Path) -> Result<(), GuestError> {
        let copied = fs::set_permissions(to, Permissions::from_mode(found.facts.mode() & 0o7777))
            .and_then(|()| copy_attributes(from, to));
        let own = copied.and_then(|()| to.symlink_metadata()).map_err(GuestError::prepare(to))?;
        let owners = |facts: &Metadata| (facts.uid(), facts.gid());
        if owners(&own) != owners(&found.facts) {
            run("chown", self.way.isolation.as_root("chown").arg("--reference").arg(from).arg(to)).await?;
        }
        Ok(())
    }

    /// Makes the root of the written layer, which is above all others, like the root of the image.
    pub(super) async fn make_root_alike(&self) -> Result<(), GuestError> {
        match self.in_image("") {
            Some(found) => self.make_alike(&found, &found.tree, &self.dir().join("upper")).await,
            None => Ok(()),
        }
    }

    /// Puts the files into a copied tree, and sets aside the files that they replace.
    pub(super) async fn put_given_in(&self) -> Result<(), GuestError> {
        self.write_given().await?;
        let tree = self.tree();
        let put_all = || {
            fresh_dir(&self.aside())?;
            for path in self.given_paths()?.iter().filter(|path| is_below_folders(&tree, path)) {
                put(&self.given_dir().join(path), &tree.join(path), &self.aside_of(path))?;
            }
            Ok(())
        };
        put_all().map_err(GuestError::prepare(&tree))
    }

    /// Removes the files from a copy of the tree and restores those that they had replaced. A file that was changed
    /// since belongs to the image. Files are compared with what was given, not with what would be given now: the host
    /// may have changed.
    pub(super) fn take_given_out(&self, copy: &Path) -> io::Result<()> {
        for path in self.still_given(copy)? {
            fs::remove_file(copy.join(&path))?;
            put_back(&self.aside_of(&path), &copy.join(&path))?;
        }
        Ok(())
    }

    /// Removes files from a layer that contains them unchanged, for example after a change of owner: they have data of
    /// this machine, such as the password of its proxy.
    pub(super) async fn drop_given(&self, layer: &Path) -> Result<(), GuestError> {
        let found = self.still_given(layer).map_err(GuestError::prepare(self.given_dir()))?;
        if found.is_empty() {
            return Ok(());
        }
        let found = found.iter().map(|path| layer.join(path));
        Ok(run("rm", self.way.isolation.as_root("rm").arg("-f").args(found)).await?)
    }

    /// Returns the paths of the files that are unchanged in a tree.
    fn still_given(&self, tree: &Path) -> io::Result<Vec<String>> {
        let given = self.given_dir();
        let mut paths = self.given_paths()?;
        paths.retain(|path| {
            let text = names::read_in(tree, path);
            is_below_folders(tree, path) && text.is_some() && text == names::read_in(&given, path)
        });
        Ok(paths)
    }

    /// Returns the paths of the files that were written.
    fn given_paths(&self) -> io::Result<Vec<String>> {
        let files = files_below(&self.given_dir())?;
        Ok(files.iter().filter_map(|path| path.to_str()).map(str::to_owned).collect())
    }

    fn aside(&self) -> PathBuf {
        self.dir().join("hidden")
    }

    fn aside_of(&self, path: &str) -> PathBuf {
        self.aside().join(path.replace('/', "_"))
    }
}

/// Returns the files below a folder, by their paths in it.
fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inside))? {
            let entry = entry?;
            let path = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// Copies extended attributes if the file system has them. Attributes that this user may not set are left out.
fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let size = match listxattr(from, &mut [0_u8; 0]) {
        Err(Errno::NOTSUP) => return Ok(()),
        size => size?,
    };
    let mut list = vec![0; size];
    let length = listxattr(from, &mut list)?;
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        // A copied mark would hide or redirect content of the layers below the folder.
        if OVERLAYS.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let name = std::ffi::OsStr::from_bytes(name);
        let copied = lgetxattr(from, name, &mut [0_u8; 0]).and_then(|length| {
            let mut value = vec![0; length];
            let length = lgetxattr(from, name, &mut value)?;
            lsetxattr(to, name, &value[..length], XattrFlags::empty())
        });
        if let Err(error) = copied {
            tracing::debug!(path = %to.display(), name = %name.display(), %error, "an attribute is not kept");
        }
    }
    Ok(())
}
