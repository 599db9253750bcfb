//! The blocks of EBS snapshots, which the EBS direct APIs return.

use async_trait::async_trait;

use crate::Result;

/// A block that a snapshot has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedBlock {
    /// Its number in the volume, which begins with 0.
    pub index: u32,
    /// The token that reads it.
    pub token: String,
}

/// The data of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockData {
    /// The data itself.
    pub data: Vec<u8>,
    /// Its SHA-256, which was compared with the checksum that came with it.
    pub sha256: [u8; 32],
}

/// A part of the list of a snapshot's blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPage {
    /// Size of the volume, in GiB.
    pub volume_gib: u64,
    /// Size of a block, in bytes.
    pub block_bytes: u64,
    /// The blocks, in ascending order. What is not listed was never written, and reads as zeros.
    pub blocks: Vec<ListedBlock>,
    /// Whether there are blocks behind these.
    pub more: bool,
}

/// Snapshots by blocks. Every method only reads.
#[async_trait]
pub trait Blocks: Send + Sync {
    /// `ListSnapshotBlocks`. Returns the blocks of a completed snapshot from this index on, at most 10,000 of them.
    async fn blocks(&self, region: &str, snapshot: &str, from: u32) -> Result<BlockPage>;
    /// `GetSnapshotBlock`. Returns the data of a block.
    async fn block(&self, region: &str, snapshot: &str, block: &ListedBlock) -> Result<BlockData>;
}
