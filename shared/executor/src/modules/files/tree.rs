//! Copies files and whole folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{FileError, entries};

/// Copies a file with its mode. A link is followed.
pub(super) fn copy_file(source: &Path, destination: &Path) -> Result<(), FileError> {
    // The error of `copy` does not say which of the two files caused it.
    fs::copy(source, destination).map(drop).map_err(|error| match fs::File::open(source) {
        Ok(_) => FileError::write(destination)(error),
        Err(error) => FileError::read(source)(error),
    })
}

/// Copies the content of a folder into another one, which keeps its own content. Links stay links. Links at the
/// destination are replaced, so that nothing is written through them.
pub(super) fn copy_tree(source: &Path, destination: &Path) -> Result<(), FileError> {
    let is_new = !destination.is_dir();
    if is_new {
        fs::create_dir(destination).map_err(FileError::write(destination))?;
    }
    for from in entries(source)? {
        let to = destination.join(from.file_name().unwrap_or_default());
        let kind = fs::symlink_metadata(&from).map_err(FileError::read(&from))?.file_type();
        if to.is_symlink() || (kind.is_symlink() && to.is_file()) {
            fs::remove_file(&to).map_err(FileError::delete(&to))?;
        }
        if kind.is_dir() {
            copy_tree(&from, &to)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&from).map_err(FileError::read(&from))?;
            symlink(target, &to).map_err(FileError::write(&to))?;
        } else if kind.is_file() {
            copy_file(&from, &to)?;
        } else {
            return Err(FileError::Special { path: from });
        }
    }
    if is_new {
        // The mode is set last, because it may forbid writing.
        let mode = fs::metadata(source).map_err(FileError::read(source))?.permissions();
        fs::set_permissions(destination, mode).map_err(FileError::attributes(destination))?;
    }
    Ok(())
}
