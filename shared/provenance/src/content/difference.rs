//! The first difference between two volumes.

use std::fmt;

use super::{BLOCK, VolumeContent};
use crate::Digest;

/// How two volumes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Their sizes differ, in bytes.
    Size {
        /// The size of the first volume.
        first: u64,
        /// The size of the second volume.
        second: u64,
    },
    /// Their sizes are the same, but not their blocks.
    Blocks(BlockDifference),
}

/// The first block in which two volumes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDifference {
    /// The index of the block, from 0.
    pub index: u32,
    /// The SHA-256 of the first volume's block. A block without one reads as zeros.
    pub first: Option<Digest>,
    /// The SHA-256 of the second volume's block. A block without one reads as zeros.
    pub second: Option<Digest>,
    /// How many blocks differ in all.
    pub differing: u64,
}

impl BlockDifference {
    /// Returns where the block begins in the volume, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.index as u64 * BLOCK as u64
    }

    /// Returns the length of the block, in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        BLOCK as u64
    }
}

/// Returns how two volumes differ, or nothing if they read alike.
#[must_use]
pub fn first_difference(first: &VolumeContent, second: &VolumeContent) -> Option<Difference> {
    if first.size() != second.size() {
        return Some(Difference::Size { first: first.size(), second: second.size() });
    }
    // Blocks that only the second has, and those that the first has and the second has not or has otherwise.
    let (ours, theirs) = (first.blocks(), second.blocks());
    let only_theirs = || theirs.keys().filter(|index| !ours.contains_key(index));
    let changed = || ours.iter().filter(|(index, digest)| theirs.get(index) != Some(digest)).map(|(index, _)| index);
    let index = *changed().next().into_iter().chain(only_theirs().next()).min()?;
    Some(Difference::Blocks(BlockDifference {
        index,
        first: ours.get(&index).copied(),
        second: theirs.get(&index).copied(),
        differing: (changed().count() + only_theirs().count()) as u64,
    }))
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { first, second } => {
                write!(formatter, "the first volume has {first} bytes, but the second has {second} bytes")
            }
            Self::Blocks(difference) => difference.fmt(formatter),
        }
    }
}

impl fmt::Display for BlockDifference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = |digest: Option<Digest>| match digest {
            Some(digest) => format!("has the SHA-256 {}", hex::encode(digest)),
            None => "has only zeros".to_owned(),
        };
        let (count, differ) = (self.differing, if self.differing == 1 { "block differs" } else { "blocks differ" });
        write!(
            formatter,
            "{count} {differ}. The first is block {}, which has {} bytes from byte {} on: in the first volume it {}, \
             and in the second it {}",
            self.index,
            self.length(),
            self.offset(),
            block(self.first),
            block(self.second)
        )
    }
}
