//! Space that is kept free for the report of a run: a step that fills the disk, the most usual way to fail for want of
//! space, must not keep the SSM agent from writing down and reading what the step's failure was.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Bytes that are kept: the SSM agent writes both outputs to two files each, and its own state.
const SIZE: usize = 4 * 1024 * 1024;

/// A file of zeros that goes when this does.
pub(crate) struct Reserve(PathBuf);

impl Reserve {
    /// Keeps space in a folder, where there is any.
    pub(crate) fn keep(folder: &Path) -> Self {
        let path = folder.join("reserve");
        // Written, not only made long: a hole takes no space.
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
    fn space_is_kept_and_given_back() {
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
