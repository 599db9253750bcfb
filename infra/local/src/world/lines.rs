//! A file of whole lines. The rest of a line that a full disk has cut off never stays in front of the next line.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The disk of a file: the machine's, or a full one in tests.
pub(crate) trait Disk {
    /// Writes bytes at a position. If this fails, a part of them may be written.
    fn write(&self, file: &File, bytes: &[u8], start: u64) -> io::Result<()> {
        file.write_all_at(bytes, start)
    }

    /// Truncates a file to this length.
    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }
}

/// The machine's disk.
#[derive(Debug, Clone)]
pub(crate) struct Machine;

impl Disk for Machine {}

/// The open file.
#[derive(Debug)]
pub(super) struct Lines<D> {
    disk: D,
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    length: u64,
    /// Whether a part of a line, which could not be cut off, follows the last whole line.
    torn: bool,
}

impl<D: Disk> Lines<D> {
    /// Creates the file, and replaces an existing one.
    pub(super) fn create(disk: D, path: &Path, text: &str) -> io::Result<Self> {
        let file = write_anew(&disk, path, text)?;
        Ok(Lines { disk, path: path.to_owned(), file, length: text.len() as u64, torn: false })
    }

    /// Opens the file as it is; the caller must call [`Lines::replace`] next.
    pub(super) fn open(disk: D, path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Lines { disk, path: path.to_owned(), file, length, torn: false })
    }

    /// Returns the size of the whole lines in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds a line, either completely or not at all. If a written part cannot be cut off, the next call first cuts it
    /// off.
    pub(super) fn append(&mut self, line: &str) -> io::Result<()> {
        if self.torn {
            self.disk.cut(&self.file, self.length)?;
            self.torn = false;
        }
        if let Err(error) = self.disk.write(&self.file, line.as_bytes(), self.length) {
            self.torn = self.disk.cut(&self.file, self.length).is_err();
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Returns whether a part of a line could not be cut off.
    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    /// Replaces all lines with a text. If this fails, the lines stay.
    pub(super) fn replace(&mut self, text: &str) -> io::Result<()> {
        self.file = write_anew(&self.disk, &self.path, text)?;
        self.length = text.len() as u64;
        self.torn = false;
        Ok(())
    }
}

/// Writes a text to a new file, which then replaces the old one.
fn write_anew(disk: &impl Disk, path: &Path, text: &str) -> io::Result<File> {
    let new = path.with_extension("new");
    let written = write_all(disk, &new, text).and_then(|file| std::fs::rename(&new, path).map(|()| file));
    if written.is_err() {
        // The partial file would take up room that others need.
        std::fs::remove_file(&new).unwrap_or_default();
    }
    written
}

fn write_all(disk: &impl Disk, path: &Path, text: &str) -> io::Result<File> {
    let file = File::options().create(true).write(true).truncate(true).open(path)?;
    disk.write(&file, text.as_bytes(), 0)?;
    file.sync_all()?;
    Ok(file)
}
