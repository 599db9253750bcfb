//! Walks through the tree once. It stays in one file system, follows no link, and has limits on the number of files and
//! on the time.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::owners::Owners;
use crate::Sizes;

/// The largest number of files and folders that are looked at.
const MOST: u64 = 2_000_000;
/// The largest number of files that are kept, and of the bytes of their paths and of those of folders that are still to
/// be looked into: about 150 MB of memory.
const MOST_KEPT: usize = 500_000;
const MOST_BYTES: usize = 96 * 1024 * 1024;
/// Folders whose files change while a machine runs, without leading `/`. Containers have contents of their own.
const SKIPPED: &[&str] = &[
    "dev",
    "lost+found",
    "proc",
    "run",
    "sys",
    "tmp",
    "usr/lib/apk/db",
    "usr/lib/sysimage/rpm",
    "lib/apk/db",
    "var/cache",
    "var/lib/amazon/ssm",
    "var/lib/apt",
    "var/lib/containerd",
    "var/lib/containers",
    "var/lib/dnf",
    "var/lib/docker",
    "var/lib/dpkg",
    "var/lib/goldsmith",
    "var/lib/rpm",
    "var/lib/systemd",
    "var/lib/yum",
    "var/log",
    "var/run",
    "var/tmp",
];

/// A regular file that no package of the system owns.
pub(super) struct Found {
    /// The path without the leading `/`.
    pub(super) path: String,
    pub(super) size: u64,
    /// The permissions, at most `0o7777`.
    pub(super) mode: u32,
    /// Whether it came with the image.
    pub(super) is_of_image: bool,
}

/// The result of a walk.
#[derive(Default)]
pub(super) struct Walk {
    /// The files that no package of the system owns, sorted by path.
    pub(super) files: Vec<Found>,
    pub(super) sizes: Sizes,
    is_cut: bool,
    unread: u64,
    /// The bytes of the paths that are kept.
    bytes: usize,
}

impl Walk {
    pub(super) fn through(
        root: &Path,
        until: Instant,
        owners: &Owners,
        is_of_image: &dyn Fn(&Metadata) -> bool,
    ) -> Self {
        let mut walk = Self::default();
        let Ok(device) = root.metadata().map(|found| found.dev()) else {
            walk.unread += 1;
            return walk;
        };
        let mut linked = HashSet::new();
        // A list instead of recursion: a very deep tree must not overflow the stack.
        let mut folders = vec![PathBuf::new()];
        let (mut seen, mut waiting) = (0, 0);
        while let Some(folder) = folders.pop() {
            waiting -= folder.as_os_str().len();
            let Ok(entries) = fs::read_dir(root.join(&folder)) else {
                walk.unread += 1;
                continue;
            };
            for entry in entries.filter_map(Result::ok) {
                seen += 1;
                let is_full = walk.files.len() >= MOST_KEPT || walk.bytes + waiting >= MOST_BYTES;
                if seen > MOST || is_full || Instant::now() > until {
                    walk.is_cut = true;
                    break;
                }
                let path = folder.join(entry.file_name());
                // This does not follow a link.
                let Ok(found) = entry.metadata() else {
                    continue;
                };
                if found.is_dir() {
                    if found.dev() == device && !is_skipped(&path) {
                        waiting += path.as_os_str().len();
                        folders.push(path);
                    }
                } else if found.is_file() {
                    walk.take(&path, &found, owners, is_of_image, &mut linked);
                }
            }
            if walk.is_cut {
                break;
            }
        }
        walk.files.sort_by(|a, b| a.path.cmp(&b.path));
        walk
    }

    fn take(
        &mut self,
        path: &Path,
        found: &Metadata,
        owners: &Owners,
        is_of_image: &dyn Fn(&Metadata) -> bool,
        linked: &mut HashSet<u64>,
    ) {
        if found.nlink() == 1 || linked.insert(found.ino()) {
            self.sizes.files += 1;
            self.sizes.bytes += found.len();
        }
        let path = String::from_utf8_lossy(path.as_os_str().as_bytes());
        if !owners.has(&path) {
            self.bytes += path.len();
            self.files.push(Found {
                path: path.into_owned(),
                size: found.len(),
                mode: found.mode() & 0o7777,
                is_of_image: is_of_image(found),
            });
        }
    }

    /// Returns notes on what was not looked at.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_cut {
            notes.push("not all files are listed: there are too many, or the collection took too long".to_owned());
        }
        if self.unread > 0 {
            notes.push(format!("{} folders could not be read", self.unread));
        }
        notes
    }
}

fn is_skipped(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name == "__pycache__" || SKIPPED.iter().any(|skipped| Path::new(skipped) == path)
}
