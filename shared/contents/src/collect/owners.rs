//! Which files the packages of the system own, and what their configuration files were.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::ChangedConfiguration;

/// The largest configuration file that is compared, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The files of the packages of the system.
#[derive(Default)]
pub(super) struct Owners {
    paths: HashSet<Box<str>>,
    /// The files and folders of packages of languages.
    of_languages: BTreeSet<String>,
    configuration: Vec<Configuration>,
}

/// A configuration file as its package ships it.
struct Configuration {
    path: String,
    package: String,
    /// MD5 or SHA-256, in lower-case hex.
    digest: String,
}

impl Owners {
    /// Records that a package owns a path.
    pub(super) fn own(&mut self, path: &str) {
        self.paths.insert(key(path).into());
    }

    /// Records a configuration file with the digest that its package ships. The lengths of digests are those of MD5 and
    /// SHA-256; anything else is not a digest, such as `newconffile`.
    pub(super) fn configuration(&mut self, path: &str, package: &str, digest: &str) {
        self.own(path);
        if [32, 64].contains(&digest.len()) {
            let (path, package) = (path.trim_start_matches('/').to_owned(), package.to_owned());
            self.configuration.push(Configuration { path, package, digest: digest.to_ascii_lowercase() });
        }
    }

    /// Returns whether a package owns a path without its leading `/`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(key(path))
    }

    /// Records that a package of a language owns a file, or a folder with everything in it.
    pub(super) fn own_of_language(&mut self, path: &str) {
        self.of_languages.insert(path.trim_matches('/').to_owned());
    }

    /// Returns whether a package of a language owns a path or one of its parents.
    pub(super) fn has_of_language(&self, path: &str) -> bool {
        let mut path = path;
        loop {
            if self.of_languages.contains(path) {
                return true;
            }
            match path.rsplit_once('/') {
                Some((parent, _)) => path = parent,
                None => return false,
            }
        }
    }

    /// Returns the configuration files that are not as their packages ship them.
    pub(super) fn changed_configuration(&self, root: &Path) -> Vec<ChangedConfiguration> {
        let mut changed: Vec<_> = self.configuration.iter().filter_map(|file| file.changed(root)).collect();
        changed.sort_by(|a, b| (&a.path, &a.package).cmp(&(&b.path, &b.package)));
        changed
    }
}

impl Configuration {
    fn changed(&self, root: &Path) -> Option<ChangedConfiguration> {
        let path = root.join(&self.path);
        let sha256 = match path.symlink_metadata() {
            Ok(found) if found.is_file() && found.len() <= LARGEST => {
                let bytes = std::fs::read(&path).ok()?;
                let sha256 = hex::encode(Sha256::digest(&bytes));
                if self.digest == sha256 || self.digest == hex::encode(Md5::digest(&bytes)) {
                    return None;
                }
                Some(sha256)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // Links and very large files are not compared.
            Ok(_) | Err(_) => return None,
        };
        Some(ChangedConfiguration { path: format!("/{}", self.path), package: self.package.clone(), sha256 })
    }
}

/// Returns the path by which a file is known. Packages may still name `/bin`, `/lib` and so on, which have moved to
/// `/usr`.
fn key(path: &str) -> &str {
    let path = path.trim_start_matches("./").trim_matches('/');
    path.strip_prefix("usr/").unwrap_or(path)
}
