//! Disks of images, as files with holes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::ebs::store::{BLOCK, Store};

/// Bytes of a sector.
pub(super) const SECTOR: usize = 512;
const ZEROS: [u8; 4096] = [0; 4096];

/// A disk.
#[derive(Debug)]
pub(crate) struct Disk {
    file: File,
    size: u64,
}

impl Disk {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Disk { file, size })
    }

    /// Returns its size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Reads a part of the disk; what is behind its end is read as zeros. Returns whether the part has data other than
    /// zeros. Only then is `part` filled.
    pub(crate) fn read(&self, at: u64, part: &mut [u8]) -> io::Result<bool> {
        // Holes are not read: most of a disk is a hole.
        match rustix::fs::seek(&self.file, SeekFrom::Data(at)) {
            Ok(data) if data < at + part.len() as u64 => {}
            Ok(_) | Err(Errno::NXIO) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let there = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX).min(part.len());
        let (read, behind) = part.split_at_mut(there);
        self.file.read_exact_at(read, at)?;
        behind.fill(0);
        Ok(part.chunks(ZEROS.len()).any(|some| *some != ZEROS[..some.len()]))
    }
}

/// Writes the blocks of a snapshot to a new disk of `gib` GiB.
pub(super) fn of_blocks(blocks: &Store, snapshot: &str, gib: u32, path: &Path) -> io::Result<()> {
    let disk = File::create_new(path)?;
    disk.set_len(u64::from(gib) << 30)?;
    for (index, place) in blocks.blocks(snapshot)? {
        let (_, data) = match blocks.read(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(io::Error::other("the snapshot is gone")),
            read => read?,
        };
        disk.write_all_at(&data, u64::from(index) * BLOCK as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_zeros_have_no_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let file = File::create_new(&path).unwrap();
        file.set_len(3 << 20).unwrap();
        file.write_all_at(&[0; 4096], 1 << 20).unwrap();
        file.write_all_at(b"data", (3 << 20) - 4).unwrap();
        let disk = Disk::open(&path).unwrap();
        let mut part = vec![7; 1 << 20];
        for (at, has_data) in [(0, false), (1 << 20, false), (2 << 20, true), ((3 << 20) - 8, true), (3 << 20, false)] {
            assert_eq!(disk.read(at, &mut part).unwrap(), has_data, "{at}");
        }
        assert!(disk.read((3 << 20) - 8, &mut part).unwrap());
        assert_eq!((&part[..8], part[8]), (&b"\0\0\0\0data"[..], 0));
    }
}
