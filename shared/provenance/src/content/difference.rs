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

#[cfg(test)]
mod tests {
    use super::{Difference, first_difference};
    use crate::content::{BLOCK, VolumeContent};

    fn volume(size: u64, blocks: &[(u32, u8)]) -> VolumeContent {
        let mut volume = VolumeContent::new(size * BLOCK as u64).unwrap();
        for (index, byte) in blocks {
            volume.add_digest(*index, Some([*byte; 32])).unwrap();
        }
        volume
    }

    #[test]
    fn the_first_block_that_differs_is_found_and_all_are_counted() {
        type Blocks = &'static [(u32, u8)];
        type Found = (u32, Option<u8>, Option<u8>, u64);
        let cases: [(Blocks, Blocks, Found); 5] = [
            (&[(1, 1)], &[], (1, Some(1), None, 1)),
            (&[], &[(1, 1)], (1, None, Some(1), 1)),
            (&[(1, 1)], &[(1, 2)], (1, Some(1), Some(2), 1)),
            (&[(0, 1), (3, 1)], &[(0, 1), (2, 1)], (2, None, Some(1), 2)),
            (&[(0, 1), (1, 1), (5, 1)], &[(0, 1), (1, 2), (4, 1)], (1, Some(1), Some(2), 3)),
        ];
        for (ours, theirs, (index, first, second, differing)) in cases {
            let Some(Difference::Blocks(found)) = first_difference(&volume(8, ours), &volume(8, theirs)) else {
                panic!("{ours:?} {theirs:?}");
            };
            let digest = |byte: Option<u8>| byte.map(|byte| [byte; 32]);
            assert_eq!((found.index, found.differing), (index, differing));
            assert_eq!((found.first, found.second), (digest(first), digest(second)));
        }
        assert_eq!(first_difference(&volume(8, &[(1, 1)]), &volume(8, &[(1, 1)])), None);
    }

    #[test]
    fn a_difference_is_a_sentence() {
        let said = |ours: &VolumeContent, theirs: &VolumeContent| first_difference(ours, theirs).unwrap().to_string();
        assert_eq!(
            said(&volume(8, &[(2, 0xab)]), &volume(8, &[])),
            format!(
                "1 block differs. The first is block 2, which has 524288 bytes from byte 1048576 on: in the first \
                 volume it has the SHA-256 {}, and in the second it has only zeros",
                "ab".repeat(32)
            )
        );
        assert!(said(&volume(8, &[(2, 1), (3, 1)]), &volume(8, &[])).starts_with("2 blocks differ. The first is"));
        let sizes = said(&volume(1, &[]), &volume(2, &[]));
        assert_eq!(sizes, "the first volume has 524288 bytes, but the second has 1048576 bytes");
    }
}
