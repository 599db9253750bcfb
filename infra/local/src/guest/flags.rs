//! Flags of files (`chattr`) in layers: a volume's snapshot keeps them, but a copy of its files does not.
//!
//! An overlay stores "immutable" and "append only" of written files in an attribute of its own (`protattr`), since the
//! flags would forbid its own work. In the lower layers, only the flags themselves count. So a new layer gets the
//! flags.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, Mode, OFlags, ResolveFlags, fgetxattr, ioctl_getflags, ioctl_setflags, openat2};
use rustix::io::Errno;

use super::error::GuestError;
use super::isolation::Isolation;
use crate::programs::run_now;

/// Overlay's attribute, which contains the letters of `chattr`.
const KEPT_BY_OVERLAY: &str = "trusted.overlay.protattr";
/// Flags that keep even root from removing a file.
const LOCKS: IFlags = IFlags::IMMUTABLE.union(IFlags::APPEND);
/// The flags that are copied. The others belong to the file system itself, or determine how it stores a file.
const CARRIED: IFlags = LOCKS.union(IFlags::NODUMP).union(IFlags::NOATIME).union(IFlags::SYNC);

/// Gives the copy of a tree the flags of the tree. Only the machine's own root may do this.
pub(super) async fn carry(isolation: Isolation, from: &Path, to: &Path) -> io::Result<()> {
    if !isolation.needs_root() {
        return Ok(());
    }
    let (from, to) = (from.to_owned(), to.to_owned());
    let work = move || {
        let (from, to) = (File::open(from)?, File::open(to)?);
        walk(&from, &mut |path, file| {
            let flags = flags_of(file);
            // The instance may have written in the meantime, so the copy may not have the file.
            if let Some(copy) = open(&to, path).filter(|_| !flags.is_empty()) {
                add(&copy, flags, path);
            }
        })
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Gives one folder the flags of another.
pub(super) fn carry_one(isolation: Isolation, from: &Path, to: &Path) {
    if let (true, Ok(from), Ok(copy)) = (isolation.needs_root(), File::open(from), File::open(to)) {
        add(&copy.into(), flags_of(&from.into()), to);
    }
}

fn add(file: &OwnedFd, flags: IFlags, path: &Path) {
    if flags.is_empty() {
        return;
    }
    if let Err(error) = ioctl_getflags(file).and_then(|own| ioctl_setflags(file, own | flags)) {
        tracing::debug!(path = %path.display(), %error, "its flags are not kept");
    }
}

/// Clears the flags that forbid the removal of a tree.
pub(super) fn unlock(tree: &Path) -> io::Result<()> {
    walk(&File::open(tree)?, &mut |_, file| {
        if let Ok(flags) = ioctl_getflags(file)
            && flags.intersects(LOCKS)
        {
            ioctl_setflags(file, flags - LOCKS).ok();
        }
    })
}

/// Returns the flags to copy, from the file system and from the overlay.
fn flags_of(file: &OwnedFd) -> IFlags {
    let own = ioctl_getflags(file).unwrap_or(IFlags::empty()) & CARRIED;
    let mut letters = [0_u8; 8];
    let length = fgetxattr(file, KEPT_BY_OVERLAY, &mut letters).unwrap_or_default();
    letters[..length].iter().fold(own, |flags, letter| match letter {
        b'i' => flags | IFlags::IMMUTABLE,
        b'a' => flags | IFlags::APPEND,
        _ => flags,
    })
}

/// Visits a tree's folders and plain files by their paths in `root`, one after the other, at any depth.
fn walk(root: &File, visit: &mut impl FnMut(&Path, &OwnedFd)) -> io::Result<()> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let Some(opened) = open(root, &folder) else { continue };
        visit(&folder, &opened);
        let entries = match rustix::fs::Dir::read_from(&opened) {
            // It is another kind of file by now: the instance is running.
            Err(Errno::NOTDIR) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = match entry {
                // The folder was removed in the meantime.
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name();
            if [c".", c".."].contains(&name) {
                continue;
            }
            let path = folder.join(OsStr::from_bytes(name.to_bytes()));
            match entry.file_type() {
                rustix::fs::FileType::Directory => folders.push(path),
                rustix::fs::FileType::RegularFile => {
                    if let Some(file) = open(root, &path) {
                        visit(&path, &file);
                    }
                }
                // Other kinds of files have no flags, and opening one would reach a device.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Opens a file below `root`. No link is followed.
fn open(root: &File, path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    match openat2(root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS) {
        Ok(file) => Some(file),
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => None,
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "its flags are not read");
            None
        }
    }
}

/// Removes a folder, including locked content.
pub(super) fn remove(isolation: Isolation, folder: &Path) -> Result<(), GuestError> {
    unlocking(folder, || Ok(run_now("rm", isolation.as_root("rm").arg("-rf").arg(folder))?))
}

/// Does the same for callers that may not block.
pub(super) async fn remove_folder(isolation: Isolation, folder: PathBuf) -> Result<(), GuestError> {
    apart("rm", move || remove(isolation, &folder)).await
}

/// Removes the content of a folder, including locked content, but keeps the folder, its owner and its mode.
pub(super) async fn empty(isolation: Isolation, folder: PathBuf) -> Result<(), GuestError> {
    apart("find", move || {
        let find = || isolation.as_root("find");
        unlocking(&folder, || Ok(run_now("find", find().arg(&folder).args(["-mindepth", "1", "-delete"]))?))
    })
    .await
}

/// Waits for a program on a thread that may block.
async fn apart(
    program: &'static str,
    work: impl FnOnce() -> Result<(), GuestError> + Send + 'static,
) -> Result<(), GuestError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(GuestError::ended(program, error)))
}

/// Does the work. If flags forbid it, clears them and tries again.
fn unlocking(folder: &Path, work: impl Fn() -> Result<(), GuestError>) -> Result<(), GuestError> {
    if work().is_ok() {
        return Ok(());
    }
    if folder.symlink_metadata().is_ok_and(|facts| facts.is_dir()) {
        unlock(folder).map_err(GuestError::prepare(folder))?;
    }
    work()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn a_deep_tree_is_walked_to_its_end() {
        const DEPTH: usize = 1_500;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/".repeat(DEPTH))).unwrap();
        let mut seen = 0;
        walk(&File::open(folder.path()).unwrap(), &mut |_, _| seen += 1).unwrap();
        assert_eq!(seen, DEPTH + 1);
    }

    #[tokio::test]
    async fn a_copy_gets_the_flags_and_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for tree in [&from, &to] {
            fs::create_dir_all(tree.join("etc")).unwrap();
            fs::write(tree.join("etc/locked"), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        let open = |path: &Path| File::open(path).unwrap();
        let (locked, etc) = (open(&from.join("etc/locked")), open(&from.join("etc")));
        let set = |file: &File, flags| ioctl_getflags(file).and_then(|own| ioctl_setflags(file, own | flags));
        if !root() || set(&locked, IFlags::IMMUTABLE).is_err() || set(&etc, IFlags::APPEND).is_err() {
            eprintln!("SKIPPED (missing: root, or a file system with flags)");
            return;
        }
        carry(Isolation::Namespaces, &from, &to).await.unwrap();
        assert!(ioctl_getflags(open(&to.join("etc/locked"))).unwrap().contains(IFlags::IMMUTABLE));
        assert!(ioctl_getflags(open(&to.join("etc"))).unwrap().contains(IFlags::APPEND));
        assert!(fs::remove_file(to.join("etc/locked")).is_err());
        for tree in [&from, &to] {
            remove(Isolation::Namespaces, tree).unwrap();
            assert!(!tree.exists());
        }
    }
}
