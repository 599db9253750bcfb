//! Removes files so that nothing of them can be found. A snapshot of a volume contains its blocks and not its files,
//! and everyone who may launch an image can read blocks that no longer belong to a file. So zeros are written over a
//! file before it is removed.
//!
//! On file systems that write in place (ext4, XFS), the zeros reach the blocks of the file. On file systems that write
//! elsewhere (btrfs), the old blocks stay until the free space is trimmed or used. The same holds for files that were
//! rewritten or removed earlier.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, SeekFrom, seek, statfs};
use rustix::io::Errno;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The `f_type` of a file system in memory, as `statfs(2)` lists it.
const TMPFS: i64 = 0x0102_1994;

/// Writes zeros over the content of a file. They are on the disk after a sync. A path that is not a regular file stays
/// as it is, and so does a file with another name, because its content is still in use.
///
/// # Errors
/// The file cannot be opened or written.
pub(crate) fn overwrite(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_file() || found.nlink() > 1 || found.len() == 0 {
        return Ok(());
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    match OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path) {
        // A running program is not secret, and a file that no longer exists needs nothing.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ExecutableFileBusy) => Ok(()),
        file => zero(&file?),
    }
}

/// Writes zeros over everything that an open file has on the disk. Holes stay holes, because the end of a file such as
/// `/var/log/lastlog` may be terabytes away.
///
/// # Errors
/// The file cannot be written. A full disk of a file system that writes elsewhere is not an error, because zeros would
/// not help there.
pub(crate) fn zero(mut file: &File) -> io::Result<()> {
    let mut at = 0;
    loop {
        let data = match seek(file, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => return Ok(()), // only holes follow
            data => data?,
        };
        at = seek(file, SeekFrom::Hole(data))?;
        seek(file, SeekFrom::Start(data))?;
        let mut left = at - data;
        while left > 0 {
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            match file.write_all(&ZEROS[..piece]) {
                Err(error) if is_full(&error) => return Ok(()),
                written => written?,
            }
            left -= piece as u64;
        }
    }
}

/// Overwrites and removes a folder with everything in it.
///
/// # Errors
/// Something in the folder cannot be removed. A missing folder is not an error.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    if !is_in_memory(folder) && overwrite_below(folder) {
        rustix::fs::sync();
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns whether a folder is in memory and not on a disk.
pub(crate) fn is_in_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| found.f_type == TMPFS)
}

/// Overwrites the files below a folder and returns whether there was a file. Files that cannot be overwritten are
/// removed anyway.
fn overwrite_below(folder: &Path) -> bool {
    let mut found = false;
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        found |= if is_folder { overwrite_below(&entry.path()) } else { overwrite(&entry.path()).is_ok() };
    }
    found
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt, symlink};

    use super::{overwrite, remove_folder};

    #[test]
    fn a_file_becomes_zeros_and_its_holes_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        file.write_all_at(b"secret", 0).unwrap();
        file.write_all_at(b"secret", 1 << 36).unwrap();
        let blocks = file.metadata().unwrap().blocks();
        overwrite(&path).unwrap();
        let mut read = *b"secret";
        for at in [0, 1 << 36] {
            file.read_exact_at(&mut read, at).unwrap();
            assert_eq!(read, [0; 6]);
        }
        assert_eq!(file.metadata().unwrap().len(), (1 << 36) + 6);
        assert!(file.metadata().unwrap().blocks() < blocks + 64, "the hole was filled");
    }

    #[test]
    fn what_has_another_name_or_is_no_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("kept"), "secret").unwrap();
        fs::hard_link(path("kept"), path("other name")).unwrap();
        fs::write(path("target"), "secret").unwrap();
        symlink(path("target"), path("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for name in ["other name", "link", "pipe", "missing"] {
            overwrite(&path(name)).unwrap();
        }
        assert_eq!(fs::read(path("kept")).unwrap(), b"secret");
        assert_eq!(fs::read(path("target")).unwrap(), b"secret");
    }

    #[test]
    fn a_folder_goes_with_its_content_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("key"), "secret").unwrap();
        let open = File::open(inner.join("key")).unwrap();
        remove_folder(&folder.path().join("a")).unwrap();
        remove_folder(&folder.path().join("a")).unwrap();
        assert!(!folder.path().join("a").exists());
        let mut read = *b"secret";
        // In memory, nothing needs to be overwritten.
        if !super::is_in_memory(folder.path()) {
            open.read_exact_at(&mut read, 0).unwrap();
            assert_eq!(read, [0; 6]);
        }
    }
}
