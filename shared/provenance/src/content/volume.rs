//! What is in one volume.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{TextError, TextFault, line_of_digest, lines, number, text_of};
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

    /// The indexes of the blocks that EBS has and that contain only zeros.
    #[must_use]
    pub const fn zeros(&self) -> &BTreeSet<u32> {
        &self.zeros
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
        text_of(&format!("{FORM} {} {BLOCK}", self.size), &self.blocks)
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

#[cfg(test)]
mod tests {
    use super::{VolumeContent, VolumeError, ZEROS, block_digest};
    use crate::content::{BLOCK, LARGEST_VOLUME, TextFault};
    use crate::sha256;

    /// What `printf` and `sha256sum` say about a volume of four blocks: the first has only ones, the third counts to
    /// 250 again and again, and the others have only zeros.
    const TEXT: &str = "goldsmith-volume-v1 2097152 524288\n\
        0 33a150bceb13c1a992231e65b4fad16815212fc06cdb408996d32eeb2cef9ebb\n\
        2 61d1d9c5745bdaa4fab39240651bc242a5186b15393fd475082fcf6e84f400ab\n";
    const DIGEST: &str = "c559a0fff6979d00cf3a612737a827e03e703d5921d59b0e194cd3ca977c97c8";

    fn counting() -> Vec<u8> {
        (0..=250).cycle().take(BLOCK).collect()
    }

    fn volume(blocks: u64) -> VolumeContent {
        VolumeContent::new(blocks * BLOCK as u64).unwrap()
    }

    #[test]
    fn the_digest_of_a_volume_is_that_of_its_text() {
        let mut volume = volume(4);
        volume.add(2, &counting()).unwrap();
        volume.add(0, &[1; BLOCK]).unwrap();
        assert_eq!((volume.to_text().as_str(), hex::encode(volume.digest()).as_str()), (TEXT, DIGEST));
        assert_eq!((volume.size(), volume.present(), volume.blocks().len()), (4 * BLOCK as u64, 2, 2));
        assert_eq!(VolumeContent::parse(TEXT.as_bytes()), Ok(volume.clone()));
        volume.add(3, &[0; BLOCK]).unwrap();
        assert_eq!((hex::encode(volume.digest()).as_str(), volume.present()), (DIGEST, 3), "zeros are no content");
        assert_eq!(VolumeContent::parse(TEXT.as_bytes()), Ok(volume));
    }

    #[test]
    fn an_empty_volume_has_a_digest_of_its_size() {
        let digest = hex::encode(volume(2048).digest());
        assert_eq!(digest, "0a0148cd9a1cbfbf7a1374e1cb91a5abeab44c899d07b325ef2d4738eb8dcd61");
        assert_ne!(volume(2048).digest(), volume(2047).digest());
    }

    #[test]
    fn only_a_block_of_zeros_has_no_digest() {
        assert_eq!(sha256(&[0; BLOCK]), ZEROS);
        assert_eq!(block_digest(&[0; BLOCK]), None);
        for at in [0, 1, 4095, 4096, BLOCK / 2, BLOCK - 1] {
            let mut data = vec![0; BLOCK];
            data[at] = 128;
            assert_eq!(block_digest(&data), Some(sha256(&data)), "{at}");
        }
        let mut volume = volume(1);
        volume.add_digest(0, Some(ZEROS)).unwrap();
        assert!(volume.blocks().is_empty() && volume.present() == 1);
    }

    #[test]
    fn what_cannot_be_in_a_volume_is_refused() {
        for size in [0, 1, BLOCK as u64 + 1, LARGEST_VOLUME + BLOCK as u64, u64::MAX] {
            assert_eq!(VolumeContent::new(size), Err(VolumeError::Size { size }));
        }
        let mut largest = VolumeContent::new(LARGEST_VOLUME).unwrap();
        let last = u32::try_from(LARGEST_VOLUME / BLOCK as u64 - 1).unwrap();
        assert_eq!(largest.add(last, &[1; BLOCK]), Ok(()));
        assert_eq!(largest.add(last, &[1; BLOCK]), Err(VolumeError::Twice { index: last }));
        let outside = VolumeError::Outside { index: last + 1, blocks: u64::from(last) + 1 };
        assert_eq!(largest.add(last + 1, &[1; BLOCK]), Err(outside));
        assert_eq!(largest.add(0, &[1; 3]), Err(VolumeError::Length { index: 0, length: 3 }));
        assert_eq!(largest.add(0, &[0; BLOCK]), Ok(()));
        assert_eq!(largest.add(0, &[1; BLOCK]), Err(VolumeError::Twice { index: 0 }), "also after zeros");
    }

    #[test]
    fn other_texts_are_refused_with_the_line() {
        let line = TEXT.lines().nth(1).unwrap();
        let fault = |from: &str, to: &str| {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            let error = VolumeContent::parse(text.as_bytes()).unwrap_err();
            (error.line, error.fault)
        };
        assert_eq!(VolumeContent::parse(b"").unwrap_err().to_string(), "line 1: the text is empty");
        assert_eq!(fault("-v1", "-v2"), (1, TextFault::VolumeHeader));
        assert_eq!(fault(" 524288", ""), (1, TextFault::VolumeHeader));
        assert_eq!(fault("524288", "4096"), (1, TextFault::BlockSize));
        assert_eq!(fault("524288", "524288 "), (1, TextFault::BlockSize));
        assert_eq!(fault("2097152", "02097152"), (1, TextFault::Number));
        assert_eq!(fault("2097152", "99999999999999999999"), (1, TextFault::Number));
        assert_eq!(fault("2097152", "2097153"), (1, TextFault::Volume(VolumeError::Size { size: 2_097_153 })));
        assert_eq!(fault("\n0 ", "\n+0 "), (2, TextFault::Number));
        assert_eq!(fault("\n0 ", "\n4294967296 "), (2, TextFault::Number));
        assert_eq!(fault("\n0 ", "\n00 "), (2, TextFault::Number));
        assert_eq!(fault("\n0 ", "\n0  "), (2, TextFault::Digest));
        assert_eq!(fault("\n0 ", "\n 0 "), (2, TextFault::Digest));
        assert_eq!(fault("\n0 ", "\n0"), (2, TextFault::Form));
        assert_eq!(fault("33a1", "33A1"), (2, TextFault::Digest));
        assert_eq!(fault("33a1", "33a"), (2, TextFault::Digest));
        assert_eq!(fault("\n2 ", "\n0 "), (3, TextFault::Order));
        assert_eq!(fault("\n0 ", "\n3 "), (3, TextFault::Order));
        let outside = VolumeError::Outside { index: 4, blocks: 4 };
        assert_eq!(fault("\n2 ", "\n4 "), (3, TextFault::Volume(outside)));
        assert_eq!(fault(line, &format!("0 {}", hex::encode(ZEROS))), (2, TextFault::Zeros));
        assert_eq!(fault("288\n", "288\r\n"), (1, TextFault::CarriageReturn));
        assert_eq!(fault("00ab\n", "00ab"), (3, TextFault::Cut));
        assert_eq!(fault("00ab\n", "00ab\n\n"), (4, TextFault::Form));
        assert_eq!(VolumeContent::parse(b"goldsmith\xff\n").unwrap_err().fault, TextFault::Encoding);
    }
}
