//! Copies the files of a disk to a folder where they can be audited. The copies contain the image's secrets: no other
//! user can read the folder, and it is removed no matter how the audit ends.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::debugfs::Debugfs;
use crate::exit::invalid;

/// A folder with a copy.
pub(super) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// Creates an empty folder in the folder for temporary files.
    pub(super) fn make(temporary: &Path) -> Result<Self> {
        let folder = temporary.join(format!("goldsmith-audit-{}", std::process::id()));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        if !folder.as_os_str().as_encoded_bytes().iter().copied().all(plain) {
            return Err(invalid(format!(
                "{} cannot be passed to debugfs; set TMPDIR to a plain path",
                folder.display()
            )));
        }
        let make = |folder: &Path| {
            DirBuilder::new()
                .mode(0o700)
                .create(folder)
                .with_context(|| format!("{} cannot be created", folder.display()))
        };
        make(&folder)?;
        let copy = Self { folder };
        // debugfs gives the folder that it copies to the mode of the disk's root, which everybody may read.
        make(&copy.root())?;
        Ok(copy)
    }

    /// Returns the root of the files.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Copies the files, which have this many bytes in total. Returns what could not be copied.
    pub(super) fn fill(&self, debugfs: &Debugfs, bytes: u64) -> Result<Vec<String>> {
        let found = rustix::fs::statvfs(&self.folder)?;
        let room = found.f_bavail.saturating_mul(found.f_frsize);
        anyhow::ensure!(
            room >= bytes,
            "their copy takes up to {} MiB, but {} has {} MiB; set TMPDIR to a folder with more room",
            bytes.div_ceil(1 << 20),
            self.folder.display(),
            room >> 20
        );
        let complaints = debugfs.ask(&format!("rdump / {}", self.root().display()))?.complaints;
        // Files that only root may read on the disk become readable for this user in the copy.
        open_up(&self.folder)?;
        Ok(complaints)
    }

    /// Removes the copy.
    pub(super) fn remove(&self) -> Result<()> {
        let _ = open_up(&self.folder); // the removal below reports what this cannot open
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(|| {
                let folder = self.folder.display();
                format!("{folder} must be removed by hand: it holds a copy of the disk's files with their secrets")
            }),
            _ => Ok(()),
        }
    }
}

/// Lets the owner read all files, and read and empty all folders.
fn open_up(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_symlink() {
                continue;
            }
            let needed = if found.is_dir() { 0o700 } else { 0o400 };
            let mode = found.permissions().mode();
            if mode & needed != needed {
                fs::set_permissions(entry.path(), Permissions::from_mode(mode | needed))?;
            }
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::debugfs::Debugfs;
    use super::super::tests::{Disk, key};
    use super::Copy;

    #[test]
    fn the_copy_is_private_and_is_removed_with_its_closed_folders() {
        let Some(disk) = Disk::of(&[("srv/key", key("1"))]) else { return };
        let temporary = tempfile::tempdir().unwrap();
        let copy = Copy::make(temporary.path()).unwrap();
        let debugfs = Debugfs::of(disk.path()).unwrap();
        assert_eq!(copy.fill(&debugfs, 1).unwrap(), [""; 0]);
        assert_eq!(fs::read_to_string(copy.root().join("srv/key")).unwrap(), key("1"));
        assert_eq!(fs::metadata(&copy.folder).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(copy.root().join("srv"), fs::Permissions::from_mode(0o000)).unwrap();
        copy.remove().unwrap();
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_room_nothing_is_copied() {
        let Some(disk) = Disk::of(&[("srv/key", key("1"))]) else { return };
        let temporary = tempfile::tempdir().unwrap();
        let copy = Copy::make(temporary.path()).unwrap();
        let why = copy.fill(&Debugfs::of(disk.path()).unwrap(), u64::MAX).unwrap_err().to_string();
        assert!(why.contains("set TMPDIR to a folder with more room"), "{why}");
        assert_eq!(fs::read_dir(copy.root()).unwrap().count(), 0);
    }

    #[test]
    fn a_copy_that_cannot_be_removed_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("copy");
        fs::write(&folder, "no folder").unwrap();
        let why = Copy { folder: folder.clone() }.remove().unwrap_err().to_string();
        assert!(why.starts_with(folder.to_str().unwrap()) && why.contains("must be removed by hand"), "{why}");
    }
}
