//! Folders that belong to Goldsmith. The files that an endpoint keeps, and may remove again, are in a folder that is
//! marked, that belongs to the user that the endpoint runs as, and that no other user can read. Trees of instances
//! contain set-user-id programs, and root's trees contain device files.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// File that marks a folder as one of Goldsmith's.
const MARK: &str = ".goldsmith-local";
/// Content of this file.
const WORDS: &str =
    "This folder belongs to the local EC2 of Goldsmith, which removes every file in it that it does not know.\n";
/// Files in the state folders of versions without the mark.
const FORMER: [&str; 2] = ["way.json", "init.sh"];

/// Why a folder is not used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be created or read.
    #[error("cannot use {path}")]
    Unusable {
        /// The folder or the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The folder contains something else.
    #[error(
        "{path} is not empty and is not a folder of the local EC2, which would remove its files: choose another folder"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// The folder belongs to another user, who could put something into it that this user would run.
    #[error("{path} belongs to user {owner}, not to user {user}, who runs this: choose another folder")]
    OfAnother {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user who runs this program.
        user: u32,
    },
}

/// Takes possession of a folder: a new or an empty folder is marked, and any other folder must already have the mark.
/// Afterwards only its owner, who is this user, can read it.
pub fn own_folder(path: &Path) -> Result<(), FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Unusable { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
    let (owner, user) = (fs::metadata(path).map_err(failed(path))?.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(FolderError::OfAnother { path: path.to_owned(), owner, user });
    }
    if !is_ours(path).map_err(failed(path))? {
        return Err(FolderError::Foreign { path: path.to_owned() });
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed(path))?;
    let mark = path.join(MARK);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&mark) {
        Ok(mut file) => file.write_all(WORDS.as_bytes()).map_err(failed(&mark)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(&mark)(error)),
    }
}

/// Returns whether a folder is marked, empty, or missing. Another process may mark it in the meantime: the mark is the
/// first file in a folder, so a folder that is no longer empty has it by now.
pub(crate) fn is_ours(path: &Path) -> io::Result<bool> {
    let is_file = |name: &str| path.join(name).symlink_metadata().is_ok_and(|facts| facts.is_file());
    if is_file(MARK) || FORMER.iter().all(|name| is_file(name)) {
        return Ok(true);
    }
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none() || is_file(MARK)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_folder_of_ours_is_marked_and_nobody_elses_to_see() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("new/state");
        own_folder(&folder).unwrap();
        assert_eq!((mode(&folder), mode(&folder.join(MARK))), (0o700, 0o600));
        fs::write(folder.join("disk"), "").unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        own_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn a_folder_belongs_to_all_who_take_it_at_the_same_time() {
        let around = tempfile::tempdir().unwrap();
        for round in 0..500 {
            let folder = around.path().join(round.to_string());
            let together = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                let take = || {
                    together.wait();
                    own_folder(&folder)?;
                    fs::write(folder.join("lock"), "")
                        .map_err(|source| FolderError::Unusable { path: folder.clone(), source })
                };
                let takers: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
                takers.into_iter().for_each(|taker| taker.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn a_folder_with_something_else_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(folder.path().join("layers")).unwrap();
        let refused = own_folder(folder.path()).unwrap_err();
        assert!(matches!(refused, FolderError::Foreign { .. }), "{refused}");
        assert_eq!((mode(folder.path()), fs::read_dir(folder.path()).unwrap().count()), (0o755, 1));
    }

    #[test]
    fn a_folder_of_a_version_before_the_mark_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        for name in FORMER.iter().chain(&["world.jsonl"]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        own_folder(folder.path()).unwrap();
        assert!(folder.path().join(MARK).is_file());
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        if std::os::unix::fs::chown(&theirs, Some(64_321), None).is_err() {
            eprintln!("SKIPPED (needs root): a folder of somebody else");
            return;
        }
        let refused = own_folder(&theirs).unwrap_err();
        assert!(matches!(refused, FolderError::OfAnother { owner: 64_321, .. }), "{refused}");
    }
}
