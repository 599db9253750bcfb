//! Which files the packages of the system own, and what their configuration files were.

use std::collections::HashSet;

/// The largest number of paths that are kept, and of their bytes. A large system has some hundred thousand files.
const MOST: usize = 1_000_000;
const MOST_BYTES: usize = 96 * 1024 * 1024;
/// The largest number of configuration files that are kept.
const MOST_CONFIGURATION: usize = 100_000;

/// The files of the packages of the system.
#[derive(Default)]
pub(super) struct Owners {
    paths: HashSet<Box<str>>,
    /// The files of packages of languages.
    of_languages: HashSet<String>,
    /// The folders of packages of languages, with everything in them.
    folders_of_languages: HashSet<String>,
    configuration: Vec<Configuration>,
    /// The bytes of all paths.
    bytes: usize,
    is_full: bool,
}

/// A configuration file as its package ships it.
pub(super) struct Configuration {
    /// The path without its leading `/`.
    pub(super) path: String,
    pub(super) package: String,
    /// MD5 or SHA-256, in lower-case hex.
    pub(super) digest: String,
}

impl Owners {
    /// Records that a package owns a path.
    pub(super) fn own(&mut self, path: &str) {
        if self.has_room() && self.paths.insert(key(path).into()) {
            self.bytes += path.len();
        }
    }

    /// Returns whether there is room for one more path.
    fn has_room(&mut self) -> bool {
        let count = self.paths.len() + self.of_languages.len() + self.folders_of_languages.len();
        self.is_full |= count >= MOST || self.bytes >= MOST_BYTES;
        !self.is_full
    }

    /// Returns whether there was no room for some paths.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Records a configuration file with the digest that its package ships. The lengths of digests are those of MD5 and
    /// SHA-256; anything else is not a digest, such as `newconffile`.
    pub(super) fn configuration(&mut self, path: &str, package: &str, digest: &str) {
        self.own(path);
        if [32, 64].contains(&digest.len()) && self.configuration.len() < MOST_CONFIGURATION {
            let (path, package) = (path.trim_start_matches('/').to_owned(), package.to_owned());
            self.configuration.push(Configuration { path, package, digest: digest.to_ascii_lowercase() });
        }
    }

    /// Returns whether a package owns a path without its leading `/`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(key(path))
    }

    /// Records that a package of a language owns a file.
    pub(super) fn own_file_of_language(&mut self, path: &str) {
        if self.has_room() && self.of_languages.insert(path.trim_matches('/').to_owned()) {
            self.bytes += path.len();
        }
    }

    /// Records that a package of a language owns a folder with everything in it.
    pub(super) fn own_folder_of_language(&mut self, path: &str) {
        if self.has_room() && self.folders_of_languages.insert(path.trim_matches('/').to_owned()) {
            self.bytes += path.len();
        }
    }

    /// Returns whether a package of a language owns a file or one of the folders that it is in.
    pub(super) fn has_of_language(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        self.of_languages.contains(path) || parents.into_iter().any(|parent| self.folders_of_languages.contains(parent))
    }

    /// Takes out the configuration files of packages.
    pub(super) fn take_configuration(&mut self) -> Vec<Configuration> {
        std::mem::take(&mut self.configuration)
    }
}

/// Returns the path by which a file is known. Packages may still name `/bin`, `/lib` and so on, which have moved to
/// `/usr`.
fn key(path: &str) -> &str {
    let path = path.trim_start_matches("./").trim_matches('/');
    path.strip_prefix("usr/").unwrap_or(path)
}
