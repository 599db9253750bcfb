//! What is in one volume.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::text::{TextError, TextFault, line_of_digest, lines, number};
use super::{BLOCK, LARGEST_VOLUME};
use crate::{Digest, sha256};

/// The first word of a volume's text.
const FORM: &str = "goldsmith-volume-v1";

/// The SHA-256 of a block of zeros. No text has it, because such a block has no line.
pub(super) const ZEROS: Digest = [
    0x07, 0x85, 0x4d, 0x2f, 0xef, 0x29, 0x7a, 0x06, 0xba, 0x81, 0x68, 0x5e, 0x66, 0x0c, 0x33, 0x2d, 0xe3, 0x6d, 0x5d,
    0x18, 0xd5, 0x46, 0x92, 0x7d, 0x30, 0xda, 0xad, 0x6d, 0x7f, 0xda, 0x15, 0x41,
];

/// How many zeros are looked for at a time: enough for wide registers, and little to read in vain.
const STRIDE: usize = 4096;

/// What is in a volume: the SHA-256 of each block that is not all zeros.
///
/// Two contents are equal if the volumes read alike. Which zeros were listed as blocks makes no difference.
#[derive(Debug, Clone)]
pub struct VolumeContent {
    size: u64,
    blocks: BTreeMap<u32, Digest>,
    zeros: BTreeSet<u32>,
}

/// Why a volume, or a block of it, is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The volume is empty, larger than EBS allows, or does not consist of whole blocks.
    #[error("a volume cannot have {size} bytes: its size is a multiple of {BLOCK} bytes, and at most 64 TiB")]
    Size {
        /// The size, in bytes.
        size: u64,
    },
    /// The data is not one whole block.
    #[error("block {index} has {length} bytes, but every block has {BLOCK} bytes")]
    Length {
        /// The block's index.
        index: u32,
        /// The length of its data, in bytes.
        length: usize,
    },
    /// The block is behind the volume's end.
    #[error("block {index} is outside the volume, which has {blocks} blocks")]
    Outside {
        /// The block's index.
        index: u32,
        /// The number of the volume's blocks.
        blocks: u64,
    },
    /// The block was added before.
    #[error("block {index} was added twice")]
    Twice {
        /// The block's index.
        index: u32,
    },
}

/// Returns the SHA-256 of a block's data, or nothing if the data is all zeros. This is the expensive part of
/// [`VolumeContent::add`], for programs that do it in several threads.
#[must_use]
pub fn block_digest(data: &[u8]) -> Option<Digest> {
    let is_zeros = |part: &[u8]| part.iter().fold(0, |all, byte| all | byte) == 0;
    if data.chunks(STRIDE).all(is_zeros) { None } else { Some(sha256(data)) }
}

impl VolumeContent {
    /// Returns the content of a volume of this size, in bytes, that has only zeros so far.
    ///
    /// # Errors
    /// The size is zero, not a multiple of [`BLOCK`], or larger than [`LARGEST_VOLUME`].
    pub const fn new(size: u64) -> Result<Self, VolumeError> {
        if size == 0 || !size.is_multiple_of(BLOCK as u64) || size > LARGEST_VOLUME {
            return Err(VolumeError::Size { size });
        }
        Ok(Self { size, blocks: BTreeMap::new(), zeros: BTreeSet::new() })
    }

    /// Adds a block that EBS has. The index counts blocks from zero. Blocks may come in any order.
    ///
    /// # Errors
    /// The data is not one block, the index is outside the volume, or the block was added before.
    pub fn add(&mut self, index: u32, data: &[u8]) -> Result<(), VolumeError> {
        if data.len() != BLOCK {
            return Err(VolumeError::Length { index, length: data.len() });
        }
        self.add_digest(index, block_digest(data))
    }

    /// Adds a block whose digest [`block_digest`] has computed from exactly [`BLOCK`] bytes.
    ///
    /// # Errors
    /// The index is outside the volume, or the block was added before.
    pub fn add_digest(&mut self, index: u32, digest: Option<Digest>) -> Result<(), VolumeError> {
        let blocks = self.size / BLOCK as u64;
        if u64::from(index) >= blocks {
            return Err(VolumeError::Outside { index, blocks });
        }
        if self.blocks.contains_key(&index) || self.zeros.contains(&index) {
            return Err(VolumeError::Twice { index });
        }
        match digest.filter(|digest| *digest != ZEROS) {
            Some(digest) => drop(self.blocks.insert(index, digest)),
            None => drop(self.zeros.insert(index)),
        }
        Ok(())
    }

    /// Returns the size of the volume, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the SHA-256 of each block that is not all zeros, by its index.
    #[must_use]
    pub const fn blocks(&self) -> &BTreeMap<u32, Digest> {
        &self.blocks
    }

    /// Returns how many blocks were added, those of zeros included. It is not part of the digest, because it is not
    /// known whether a copy of a snapshot still has its blocks of zeros. A text does not have it: after
    /// [`VolumeContent::parse`], it counts the blocks that are not all zeros.
    #[must_use]
    pub fn present(&self) -> u64 {
        (self.blocks.len() + self.zeros.len()) as u64
    }

    /// Returns the volume's text, as [`content`](super) describes it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{FORM} {} {BLOCK}\n", self.size);
        for (index, digest) in &self.blocks {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{index} {}", hex::encode(digest));
        }
        text
    }

    /// Returns the digest of the volume, which is the SHA-256 of its text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        sha256(self.to_text().as_bytes())
    }

    /// Reads a volume's text. Only what [`VolumeContent::to_text`] writes is read, so that a digest has one text.
    ///
    /// # Errors
    /// The text differs from the form in any way. The error names the line.
    pub fn parse(text: &[u8]) -> Result<Self, TextError> {
        let mut lines = lines(text);
        let (line, header) = lines.next().transpose()?.ok_or(TextFault::Empty.at(1))?;
        let mut volume = Self::of_header(header).map_err(|fault| fault.at(line))?;
        let mut last = None;
        for entry in lines {
            let (line, text) = entry?;
            last = Some(volume.read_block(text, last).map_err(|fault| fault.at(line))?);
        }
        Ok(volume)
    }

    fn of_header(line: &str) -> Result<Self, TextFault> {
        let sizes = line.strip_prefix(FORM).and_then(|rest| rest.strip_prefix(' '));
        let (size, block) = sizes.and_then(|sizes| sizes.split_once(' ')).ok_or(TextFault::VolumeHeader)?;
        let size = number(size).ok_or(TextFault::Number)?;
        if number(block) != Some(BLOCK as u64) {
            return Err(TextFault::BlockSize);
        }
        Self::new(size).map_err(TextFault::Volume)
    }

    /// Reads one line of a block, which must follow the block `last`, and returns its index.
    fn read_block(&mut self, line: &str, last: Option<u32>) -> Result<u32, TextFault> {
        let (index, digest) = line_of_digest(line)?;
        let index = number(index).and_then(|index| u32::try_from(index).ok()).ok_or(TextFault::Number)?;
        if last.is_some_and(|last| index <= last) {
            return Err(TextFault::Order);
        }
        if digest == ZEROS {
            return Err(TextFault::Zeros);
        }
        self.add_digest(index, Some(digest)).map_err(TextFault::Volume)?;
        Ok(index)
    }
}

impl PartialEq for VolumeContent {
    fn eq(&self, other: &Self) -> bool {
        self.size == other.size && self.blocks == other.blocks
    }
}

impl Eq for VolumeContent {}
