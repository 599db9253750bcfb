//! The digest of what is in an AMI. It is the SHA-256 of a short text, so `sha256sum` can compute it again.
//!
//! Each volume has a text: a line `goldsmith-volume-v1 SIZE BLOCKSIZE`, both in bytes, and then a line `INDEX DIGEST`
//! for each block that is not all zeros, in ascending order of the index. The digest is the SHA-256 of the block. The
//! image has a text, too: a line `goldsmith-image-v1`, and then a line `DEVICE DIGEST` for each volume, in the order of
//! the bytes of the device's name. Here the digest is the SHA-256 of the volume's text. The content digest of the image
//! is the SHA-256 of the image's text. Each line ends in one line feed, numbers are decimal without leading zeros, and
//! digests are lowercase hexadecimal.
//!
//! A block that a snapshot does not have reads as zeros. So absent blocks and blocks of zeros are the same content, and
//! neither has a line.

mod difference;
mod image;
mod text;
mod volume;

pub use difference::{BlockDifference, Difference, first_difference};
pub use image::{DeviceError, ImageContent};
pub use text::{TextError, TextFault};
pub use volume::{VolumeContent, VolumeError, block_digest};

/// The size of a block, in bytes: that of EBS direct APIs (`BlockSize` of ListSnapshotBlocks is always 524288).
pub const BLOCK: usize = 524_288;

/// The size of the largest volume, in bytes: EBS has volumes of up to 64 TiB.
pub const LARGEST_VOLUME: u64 = 64 << 40;
