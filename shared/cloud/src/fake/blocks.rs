//! Blocks of snapshots. A snapshot has a few of them, and a copy has the data of its original.

use async_trait::async_trait;
use ring::digest::{SHA256, digest};

use super::FakeCloud;
use super::ami::SnapshotRecord;
use super::call::Call;
use super::world::World;
use crate::{BlockData, BlockPage, Blocks, Kind, ListedBlock, Result};

/// Bytes of a block.
const BLOCK: usize = 524_288;
/// The blocks of every snapshot. The last but one contains only zeros.
const BLOCKS: [u32; 6] = [0, 1, 2, 900, 901, 16_383];
const ZEROS: u32 = 901;
/// Number of blocks in a page. EBS, too, may return fewer than a caller accepts.
const PAGE: usize = 4;
/// Size of every volume, in GiB.
const GIB: u64 = 8;

#[async_trait]
impl Blocks for FakeCloud {
    async fn blocks(&self, region: &str, snapshot: &str, from: u32) -> Result<BlockPage> {
        let call = Call::new("ListSnapshotBlocks", region);
        self.read(call, |world| {
            world.known(call, snapshot)?;
            let rest: Vec<u32> = BLOCKS.into_iter().filter(|index| *index >= from).collect();
            let listed = |index: &u32| ListedBlock { index: *index, token: format!("{snapshot}-{index}") };
            let (page, behind) = rest.split_at(rest.len().min(PAGE));
            Ok(BlockPage {
                volume_gib: GIB,
                block_bytes: BLOCK as u64,
                blocks: page.iter().map(listed).collect(),
                more: !behind.is_empty(),
            })
        })
        .await
    }

    async fn block(&self, region: &str, snapshot: &str, block: &ListedBlock) -> Result<BlockData> {
        let call = Call::new("GetSnapshotBlock", region);
        self.read(call, |world| {
            let record = world.known(call, snapshot)?;
            if block.token != format!("{snapshot}-{}", block.index) {
                return Err(call.error(Kind::Invalid, "ValidationException", "the token is not valid for the block"));
            }
            let mut data = vec![0; BLOCK];
            if block.index != ZEROS {
                let text = format!("block {} of {}", block.index, record.origin);
                data[..text.len()].copy_from_slice(text.as_bytes());
            }
            if record.flipped == Some(block.index) {
                data[BLOCK / 2] ^= 1;
            }
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(digest(&SHA256, &data).as_ref());
            Ok(BlockData { data, sha256 })
        })
        .await
    }
}

impl World {
    fn known(&mut self, call: Call<'_>, snapshot: &str) -> Result<&SnapshotRecord> {
        let missing =
            || call.error(Kind::NotFound, "ResourceNotFoundException", format!("there is no snapshot {snapshot}"));
        self.region(call.region).snapshots.get(snapshot).ok_or_else(missing)
    }
}

impl FakeCloud {
    /// Flips one bit in a block of a snapshot. Does nothing if there is no such snapshot.
    pub fn flip_bit(&self, region: &str, snapshot: &str, block: u32) {
        if let Some(record) = self.world().region(region).snapshots.get_mut(snapshot) {
            record.flipped = Some(block);
        }
    }
}
