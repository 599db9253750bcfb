//! The superblock of an ext2, ext3 or ext4 file system.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};

use crate::exit::invalid;

/// What the file system says about itself.
pub(super) struct Superblock {
    /// Size of a block in bytes.
    pub(super) block: u64,
    /// Size of the blocks that are in use, in bytes, without those of the file system's own tables.
    pub(super) used: u64,
}

impl Superblock {
    pub(super) fn of(disk: &Path) -> Result<Self> {
        let cannot = || format!("{} cannot be read", disk.display());
        let mut bytes = [0; 1024];
        let mut file = File::open(disk).with_context(cannot)?;
        let read = file.seek(SeekFrom::Start(1024)).and_then(|_| file.read_exact(&mut bytes));
        if read.is_err() || bytes[56..58] != [0x53, 0xef] {
            return Err(invalid(format!(
                "{} is not an ext4 file system. If it is a whole disk, name a partition of it (see `losetup --partscan`) or a copy of one",
                disk.display()
            )));
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // The upper halves only count with the feature `64bit`.
        let has_upper = word(0x60) & 0x80 != 0;
        let long =
            |low: usize, high: usize| u64::from(word(low)) | if has_upper { u64::from(word(high)) << 32 } else { 0 };
        let block = 1024 << word(0x18).min(6);
        let used = long(0x4, 0x150).saturating_sub(long(0xc, 0x158)).saturating_sub(word(0x248).into());
        Ok(Self { block, used: used.saturating_mul(block) })
    }
}
