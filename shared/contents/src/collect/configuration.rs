//! The configuration files of packages that are not as their packages ship them.

use std::io;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::owners::Configuration;
use super::scene::Scene;
use crate::ChangedConfiguration;

/// The largest configuration file that is compared, and the sum of all that are, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
const LARGEST_SUM: u64 = 256 * 1024 * 1024;

/// Returns the configuration files that are not as their packages ship them.
pub(super) fn changed(scene: &mut Scene<'_>) -> Vec<ChangedConfiguration> {
    let files = scene.owners.take_configuration();
    let (mut found, mut left) = (Vec::new(), LARGEST_SUM);
    for file in files {
        if !scene.has_time() {
            break;
        }
        if left == 0 {
            scene.note("not all configuration files were compared: they are too large");
            break;
        }
        found.extend(compared(scene, file, &mut left));
    }
    found.sort_by(|a, b| (&a.path, &a.package).cmp(&(&b.path, &b.package)));
    found
}

/// Returns a file if it differs. `left` is the number of bytes that may still be read.
fn compared(scene: &Scene<'_>, file: Configuration, left: &mut u64) -> Option<ChangedConfiguration> {
    let place = scene.tree.resolved(&file.path).ok()?;
    let is_link = scene.tree.root().join(&file.path).is_symlink();
    let sha256 = match place.symlink_metadata() {
        Ok(found) if found.is_file() && found.len() <= LARGEST && !is_link => {
            let bytes = scene.tree.bytes(&file.path, LARGEST).ok()?;
            *left = left.saturating_sub(bytes.len() as u64);
            let sha256 = hex::encode(Sha256::digest(&bytes));
            if file.digest == sha256 || file.digest == hex::encode(Md5::digest(&bytes)) {
                return None;
            }
            Some(sha256)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // Links and very large files are not compared.
        Ok(_) | Err(_) => return None,
    };
    Some(ChangedConfiguration { path: format!("/{}", file.path), package: file.package, sha256 })
}
