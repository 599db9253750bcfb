//! Flips a bit of a snapshot on request: damage that only a comparison of the content can find. Tests of programs that
//! verify snapshots need it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::store::{BLOCK, BlockDigest, digest_of};
use crate::api::ApiError;
use crate::endpoint::Endpoint;
use crate::world::Snapshot;

/// Bits of a block.
const BITS: u32 = BLOCK as u32 * 8;

/// The bit to flip.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flip {
    snapshot: String,
    /// Index of the block.
    block: u32,
    /// Number of the bit in the block: bit 0 is the lowest one of the first byte.
    bit: u32,
}

impl Flip {
    /// Flips the bit, or flips it back. Only this snapshot changes: neither its copies nor its children.
    pub(crate) async fn perform(self, endpoint: &Arc<Endpoint>) -> Result<Value, ApiError> {
        let Flip { snapshot: id, block, bit } = &self;
        let wrong = |message: String| ApiError::new("ValidationError", message);
        let missing = || ApiError::new("NotFound", format!("snapshot: there is no snapshot '{id}'"));
        if *bit >= BITS {
            return Err(wrong(format!("bit: must be from 0 to {}, not {bit}", BITS - 1)));
        }
        let snapshot = endpoint.world().snapshots.get(id).cloned().ok_or_else(missing)?;
        if !snapshot.completed {
            return Err(wrong(format!("snapshot: {id} is not 'completed'")));
        }
        let failed = |error| ApiError::new("InternalError", format!("the blocks of {id} cannot be read: {error}"));
        endpoint.ensure_disk(&snapshot).await.map_err(failed)?;
        let indexes = endpoint.blocks_of(&snapshot).and_then(|source| source.indexes(id)).map_err(failed)?;
        if indexes.binary_search(block).is_err() {
            return Err(wrong(format!("block: {id} has no block {block}")));
        }
        let mut world = endpoint.world();
        let flipped = &mut world.snapshots.get_mut(id).ok_or_else(missing)?.flipped;
        let place = u64::from(*block) * u64::from(BITS) + u64::from(*bit);
        let is_flipped = flipped.insert(place) || !flipped.remove(&place);
        Ok(json!({"snapshot": id, "block": block, "bit": bit, "flipped": is_flipped}))
    }
}

/// Returns a block of a snapshot with the bits that are flipped in it, and its digest.
pub(super) fn with_flipped_bits(
    snapshot: &Snapshot,
    index: u32,
    (digest, mut data): (BlockDigest, Vec<u8>),
) -> (BlockDigest, Vec<u8>) {
    let start = u64::from(index) * u64::from(BITS);
    let mut places = snapshot.flipped.range(start..start + u64::from(BITS)).peekable();
    if places.peek().is_none() {
        return (digest, data);
    }
    for place in places {
        let bit = place - start;
        if let Some(byte) = usize::try_from(bit / 8).ok().and_then(|at| data.get_mut(at)) {
            *byte ^= 1 << (bit % 8);
        }
    }
    // The checksum is that of the damaged data: it protects the block only on its way to the caller.
    (digest_of(&data), data)
}
