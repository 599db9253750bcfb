//! Writes downloads. A file gets its name only when it is complete and correct.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::files::{FileError, create_parents};
use crate::checksum::Hasher;

const BUFFER: usize = 64 * 1024;

/// The side that ended a copy early.
pub(super) enum Broken {
    /// The source failed.
    Source(io::Error),
    /// The file failed.
    File(FileError),
}

/// Reads everything into a file next to `path`. The file gets the name `path` if `check` accepts it.
pub(super) fn save<E: From<FileError>>(
    path: &Path,
    reader: &mut dyn Read,
    mut hasher: Option<Hasher>,
    broken: impl Fn(io::Error) -> E,
    check: impl FnOnce(Option<String>) -> Result<(), E>,
) -> Result<(), E> {
    create_parents(path)?;
    // The file is in the folder of its final name, because a rename works only within one file system.
    let part = PathBuf::from(format!("{}.part", path.display()));
    let result = copy(&part, reader, hasher.as_mut())
        .map_err(|error| match error {
            Broken::Source(error) => broken(error),
            Broken::File(error) => error.into(),
        })
        .and_then(|()| check(hasher.map(Hasher::finish)))
        .and_then(|()| fs::rename(&part, path).map_err(|error| FileError::write(path)(error).into()));
    if result.is_err() {
        let _ = fs::remove_file(&part); // the error that led here matters more
    }
    result
}

fn copy(part: &Path, reader: &mut dyn Read, mut hasher: Option<&mut Hasher>) -> Result<(), Broken> {
    let failed = |error| Broken::File(FileError::write(part)(error));
    let mut file = File::create(part).map_err(failed)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = reader.read(&mut buffer).map_err(Broken::Source)?;
        if length == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..length]).map_err(failed)?;
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[..length]);
        }
    }
}
