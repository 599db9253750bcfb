//! A file of whole lines. What a full disk cuts off of one never stays in front of the next.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The disk that a file is on: the machine's, in tests one that is full.
pub(crate) trait Disk {
    /// Writes bytes at a place; where that fails, a part of them may be there.
    fn write(&self, file: &File, bytes: &[u8], start: u64) -> io::Result<()> {
        file.write_all_at(bytes, start)
    }

    /// Makes a file as long as this.
    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }
}

/// The machine's.
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
    /// Whether a part of a line is behind it, which could not be cut off.
    torn: bool,
}

impl<D: Disk> Lines<D> {
    /// Makes the file, in place of one that is there.
    pub(super) fn create(disk: D, path: &Path, text: &str) -> io::Result<Self> {
        let file = write_anew(&disk, path, text)?;
        Ok(Lines { disk, path: path.to_owned(), file, length: text.len() as u64, torn: false })
    }

    /// The file as it is, for one that [`Lines::replace`] follows.
    pub(super) fn open(disk: D, path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Lines { disk, path: path.to_owned(), file, length, torn: false })
    }

    /// Bytes of the whole lines.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds a line: whole, or not at all. Where not even its part can be cut off, the next try begins with that.
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

    /// Whether a part of a line could not be cut off.
    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    /// Puts a text in place of all lines. Where that fails, they stay.
    pub(super) fn replace(&mut self, text: &str) -> io::Result<()> {
        self.file = write_anew(&self.disk, &self.path, text)?;
        self.length = text.len() as u64;
        self.torn = false;
        Ok(())
    }
}

/// Writes a text to a new file that then takes the place of the old one.
fn write_anew(disk: &impl Disk, path: &Path, text: &str) -> io::Result<File> {
    let new = path.with_extension("new");
    let written = write_all(disk, &new, text).and_then(|file| std::fs::rename(&new, path).map(|()| file));
    if written.is_err() {
        // Its part would keep the room from everybody else.
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
