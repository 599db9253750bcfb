//! Walks through a tree. It stays in one file system, follows no link, and has limits on the number of files and on the
//! time.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The largest number of files and folders that are looked at.
const MOST: u64 = 2_000_000;
/// The largest number of bytes of a file that are read. Keys and configuration files are smaller.
pub(super) const LARGEST: u64 = 1024 * 1024;
/// The number of bytes that show whether a file is a program, an archive or a picture. The rest of such a file is not
/// read.
const HEAD: usize = 512;
/// The largest number of unreadable places that a note names.
const NAMED: usize = 5;

/// A regular file.
pub(super) struct Found {
    /// The path without the root.
    pub(super) path: String,
    pub(super) size: u64,
}

/// The result of a walk.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) files: Vec<Found>,
    mounts: BTreeSet<String>,
    unread: Vec<String>,
    is_refused: bool,
    is_cut: bool,
}

impl Walk {
    /// Finds all files for which `wanted` is true.
    pub(super) fn through(root: &Path, until: Instant, wanted: &dyn Fn(&Metadata) -> bool) -> Self {
        let mut walk = Self::default();
        let device = match root.metadata() {
            Ok(found) => found.dev(),
            Err(error) => {
                walk.unread(root, root, &error);
                return walk;
            }
        };
        let mounts = mount_points(root);
        // A list instead of recursion: a very deep tree must not overflow the stack.
        let mut folders = vec![root.to_owned()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    walk.cannot_list(root, &folder, &error);
                    continue;
                }
            };
            for entry in entries {
                let path = match entry {
                    Ok(entry) => entry.path(),
                    Err(error) => {
                        walk.cannot_list(root, &folder, &error);
                        continue;
                    }
                };
                seen += 1;
                if seen > MOST || Instant::now() > until {
                    walk.is_cut = true;
                    return walk;
                }
                let found = match path.symlink_metadata() {
                    Ok(found) => found,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => {
                        walk.unread(root, &path, &error);
                        continue;
                    }
                };
                // A bind mount may have the device of the root, and the list of mounts may be unreadable, so both are
                // checked.
                if mounts.contains(&path) || found.is_dir() && found.dev() != device {
                    walk.mounts.insert(shown(root, &path));
                } else if found.is_dir() {
                    folders.push(path);
                } else if found.is_file() && found.len() > 0 && wanted(&found) {
                    walk.files.push(Found { path: inside(root, &path), size: found.len() });
                }
            }
        }
        walk
    }

    /// Records that a regular file cannot be read, unless it no longer exists.
    pub(super) fn cannot_read(&mut self, root: &Path, path: &Path, error: &io::Error) {
        if is_still(path, Metadata::is_file) {
            self.unread(root, path, error);
        }
    }

    /// Records that a folder cannot be listed, unless it no longer exists.
    fn cannot_list(&mut self, root: &Path, path: &Path, error: &io::Error) {
        if is_still(path, Metadata::is_dir) {
            self.unread(root, path, error);
        }
    }

    fn unread(&mut self, root: &Path, path: &Path, error: &io::Error) {
        self.is_refused |= error.kind() == io::ErrorKind::PermissionDenied;
        self.unread.push(format!("{}: {error}", shown(root, path)));
    }

    /// Returns whether the walk missed something that belongs to the audit.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_cut || !self.unread.is_empty()
    }

    /// Returns notes on what was not looked at. `is_root` says whether the audit runs as root.
    pub(super) fn notes(&self, is_root: bool) -> Vec<String> {
        let mut notes = Vec::new();
        let usual = ["/dev", "/proc", "/sys", "/run", "/tmp"];
        let is_usual = |path: &&String| !usual.iter().any(|known| Path::new(path).starts_with(known));
        let mounts: Vec<&str> = self.mounts.iter().filter(is_usual).map(String::as_str).collect();
        if !mounts.is_empty() {
            notes.push(format!("other file systems were not examined: {}", mounts.join(", ")));
        }
        if self.is_cut {
            notes.push(
                "not all of the tree was examined: it has too many files, or the audit takes too long".to_owned(),
            );
        }
        if let Some(first) = self.unread.get(..self.unread.len().min(NAMED)).filter(|named| !named.is_empty()) {
            let more = self.unread.len() - first.len();
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let help = if self.is_refused && !is_root { "; run it as root" } else { "" };
            notes.push(format!("could not be read: {}{more}{help}", first.join(", ")));
        }
        notes
    }
}

/// Returns whether something that could not be read still exists and is of the same kind. Files that disappear or
/// change after they were listed do not belong to the image.
fn is_still(path: &Path, kind: fn(&Metadata) -> bool) -> bool {
    match path.symlink_metadata() {
        Ok(found) => kind(&found),
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

/// Returns a path without the root and without a leading `/`.
fn inside(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

fn shown(root: &Path, path: &Path) -> String {
    format!("/{}", inside(root, path))
}

/// Returns all mount points. In containers, files are mount points too.
fn mount_points(root: &Path) -> HashSet<PathBuf> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    // A path need not be UTF-8.
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let lines = mounts.split(|byte| *byte == b'\n');
    let points = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescaped);
    points.filter(|path| *path != root).collect()
}

/// Returns a path of `/proc/self/mountinfo`. The kernel writes space, tab, line end and backslash as `\` and three octal
/// digits (proc(5)).
fn unescaped(mut path: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(path.len());
    while let [first, rest @ ..] = path {
        let octal = rest.get(..3).and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        let (byte, after) = match octal.filter(|_| *first == b'\\') {
            Some(byte) => (byte, &rest[3..]),
            None => (*first, rest),
        };
        bytes.push(byte);
        path = after;
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Returns the content of a file as far as it is looked at. Programs, byte code, archives and pictures are read only at
/// their beginning. The function neither follows a link nor waits for a pipe.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut bytes = take(&mut file, HEAD as u64)?;
    if !is_opaque(&bytes) {
        bytes.extend(take(&mut file, LARGEST - HEAD as u64)?);
    }
    Ok(bytes)
}

fn take(file: &mut File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

fn is_opaque(head: &[u8]) -> bool {
    let starts: [&[u8]; 12] = [
        b"\x7fELF",
        b"\x1f\x8b",
        b"\xfd7zXZ",
        b"\x28\xb5\x2f\xfd",
        b"BZh",
        b"PK\x03\x04",
        b"\x89PNG",
        b"\xff\xd8\xff",
        b"GIF8",
        b"!<arch>\n",
        b"RIFF",
        b"\xde\x12\x04\x95",
    ];
    // Python's byte code: a version number, then these bytes. It repeats the source.
    starts.iter().any(|start| head.starts_with(start)) || head.get(2..4) == Some(b"\r\n") && head.contains(&0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};
    use std::{fs, io};

    use super::{Walk, read, unescaped};

    const NOTE: &str = "could not be read: /folder: worn out";

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn no_link_is_followed_and_no_pipe_is_read() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/file"), "text").unwrap();
        fs::write(root.path().join("a/empty"), "").unwrap();
        symlink(outside.path(), root.path().join("folder")).unwrap();
        symlink(outside.path().join("secret"), root.path().join("a/link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let walk = Walk::through(root.path(), soon(), &|_| true);
        let paths: Vec<_> = walk.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a/file"]);
        assert_eq!(walk.notes(true), [""; 0]);
        assert!(!walk.is_incomplete());
        assert!(read(&root.path().join("a/link")).is_err(), "a link that came since");
        assert_eq!(read(&root.path().join("pipe")).unwrap(), b"");
    }

    #[test]
    fn a_mount_point_is_known_by_each_of_its_characters() {
        for (written, path) in [
            (r"/a\040b", "/a b"),
            (r"/a\011b\012", "/a\tb\n"),
            (r"/a\134040", r"/a\040"),
            (r"/plain\", r"/plain\"),
            (r"/a\0b", r"/a\0b"),
        ] {
            assert_eq!(unescaped(written.as_bytes()).to_str(), Some(path));
        }
    }

    #[test]
    fn what_the_audit_skips_is_reported() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "text").unwrap();
        let walk = Walk::through(root.path(), Instant::now() - Duration::from_secs(1), &|_| true);
        assert!(walk.files.is_empty());
        assert!(walk.notes(true)[0].starts_with("not all of the tree was examined"));
        assert!(walk.is_incomplete());
        let missing = Walk::through(&root.path().join("missing"), soon(), &|_| true);
        assert!(missing.is_incomplete() && missing.notes(true)[0].starts_with("could not be read: /: No such file"));
    }

    #[test]
    fn an_unreadable_file_is_incomplete_and_a_removed_or_changed_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::write(at("file"), "text").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("file", at("link")).unwrap();
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        let mut walk = Walk::default();
        for name in ["gone", "file/gone", "link", "folder"] {
            walk.cannot_read(root.path(), &at(name), &refused);
        }
        for name in ["gone", "link", "file"] {
            walk.cannot_list(root.path(), &at(name), &refused);
        }
        assert_eq!((walk.is_incomplete(), walk.notes(false).len()), (false, 0));
        walk.cannot_list(root.path(), &at("folder"), &io::Error::other("worn out"));
        assert_eq!((walk.is_incomplete(), walk.notes(false)), (true, vec![NOTE.to_owned()]));
        walk.cannot_read(root.path(), &at("file"), &refused);
        let both = format!("{NOTE}, /file: permission denied");
        assert_eq!(
            (walk.notes(true), walk.notes(false)),
            (vec![both.clone()], vec![format!("{both}; run it as root")])
        );
    }
}
