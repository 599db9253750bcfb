//! Disk space that is reserved for the report of a run. A step that fills the disk is the most usual failure for lack
//! of space. It must not keep the SSM agent from writing and reading the cause of the failure.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The number of reserved bytes. The SSM agent writes each of the two outputs to two files, and it also writes its own
/// state.
const SIZE: usize = 4 * 1024 * 1024;

/// A file of zeros that is removed when this value is dropped.
pub(crate) struct Reserve(PathBuf);

impl Reserve {
    /// Reserves space in a folder if there is enough.
    pub(crate) fn keep(folder: &Path) -> Self {
        let path = folder.join("reserve");
        // The bytes are really written, because a hole takes no space.
        let written = File::create(&path).and_then(|mut file| file.write_all(&vec![0; SIZE]));
        if written.is_err() {
            let _ = fs::remove_file(&path); // the disk is full already
        }
        Self(path)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Reserve, SIZE};

    #[test]
    fn reserved_space_is_kept_and_released() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let reserve = Reserve::keep(folder.path());
            assert_eq!(std::fs::metadata(folder.path().join("reserve")).unwrap().len(), SIZE as u64);
            drop(reserve);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        drop(Reserve::keep(&folder.path().join("missing")));
    }
}
