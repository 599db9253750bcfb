//! The files that no package owns: neither of the system nor of a language.

use std::time::Instant;

use sha2::{Digest, Sha256};

use super::scene::Scene;
use super::walk::Walk;
use crate::UnownedFile;

/// The largest number of files that are listed.
const MOST: usize = 10_000;
/// The largest number of files of which the digest is computed, and their largest size each and together, in bytes. The
/// first read from a volume that was just made from a snapshot is slow.
const MOST_DIGESTS: usize = 2_000;
const LARGEST: u64 = 4 * 1024 * 1024;
const LARGEST_SUM: u64 = 128 * 1024 * 1024;
/// Files that programs of the machine write again at any time.
const GENERATED: &[&str] =
    &["etc/.pwd.lock", "etc/ld.so.cache", "etc/mtab", "etc/resolv.conf", "etc/machine-id", "etc/hostname"];

/// Returns the files, and the number of those for which there was no room.
pub(super) fn listed(scene: &Scene<'_>, walk: &Walk) -> (Vec<UnownedFile>, u64) {
    let mut files = Vec::new();
    let (mut left_out, mut digests, mut sum) = (0, 0, 0);
    for found in walk.files.iter().filter(|found| found.is_of_image) {
        if GENERATED.contains(&found.path.as_str()) || scene.owners.has_of_language(&found.path) {
            continue;
        }
        if files.len() == MOST {
            left_out += 1;
            continue;
        }
        let has_room = digests < MOST_DIGESTS && found.size <= LARGEST && sum + found.size <= LARGEST_SUM;
        let mut sha256 = None;
        if has_room && Instant::now() < scene.until() {
            // A file may have become something else since the walk, and a file that grows is not read to its end.
            let bytes = scene.tree.bytes(&found.path, LARGEST).ok();
            sha256 = bytes.map(|bytes| hex::encode(Sha256::digest(&bytes)));
            digests += 1;
            sum += found.size;
        }
        files.push(UnownedFile {
            path: format!("/{}", found.path),
            size: found.size,
            mode: format!("{:04o}", found.mode),
            sha256,
        });
    }
    (files, left_out)
}
