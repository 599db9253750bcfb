//! Finds the snapshots that calls name, and checks what the caller may do with them.

use std::str::FromStr;

use super::call::Call;
use super::refusal::Refusal;
use super::store::{BLOCK, Store};
use crate::world::{BlockSnapshot, Snapshot, World};

/// Blocks per GiB.
const BLOCKS_OF_GIB: u64 = (1 << 30) / BLOCK as u64;

impl Call<'_> {
    pub(super) fn store(&self) -> Store {
        self.endpoint.host.blocks()
    }

    /// Returns a snapshot that the account can see.
    fn visible<'w>(&self, world: &'w World, id: &str) -> Result<&'w Snapshot, Refusal> {
        check_id(id)?;
        let visible = |one: &&Snapshot| world.shows_snapshot(self.scope, one);
        let snapshot = world.snapshots.get(id).filter(visible).ok_or_else(|| Refusal::no_snapshot(id))?;
        // If the snapshot is encrypted, the caller must be allowed to use its key.
        match &snapshot.kms_key {
            Some(key) if !world.may_use_key(self.scope, key) => Err(Refusal::no_key(key)),
            _ => Ok(snapshot),
        }
    }

    /// Returns the same if the snapshot is complete.
    pub(super) fn readable<'w>(&self, world: &'w World, id: &str) -> Result<&'w Snapshot, Refusal> {
        let snapshot = self.visible(world, id)?;
        if snapshot.completed {
            return Ok(snapshot);
        }
        Err(Refusal::invalid("INVALID_SNAPSHOT_ID", format!("The snapshot {id} is not 'completed'.")))
    }

    /// Returns the same if the snapshot was written by blocks.
    pub(super) fn readable_row<'w>(
        &self,
        world: &'w World,
        id: &str,
    ) -> Result<(&'w Snapshot, &'w BlockSnapshot), Refusal> {
        let snapshot = self.readable(world, id)?;
        Ok((snapshot, row(world, id)?))
    }

    /// Reads files of complete snapshots, which may be deleted in the meantime. A snapshot's files are removed after
    /// the snapshot, so the data is complete if the snapshots still exist after the read.
    pub(super) fn read_files<T>(&self, ids: &[&str], read: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
        let outcome = read();
        let world = self.endpoint.world();
        ids.iter().try_for_each(|id| self.readable(&world, id).map(drop))?;
        outcome
    }

    /// Returns a snapshot of the account itself that accepts blocks.
    pub(super) fn writable<'w>(&self, world: &'w World, id: &str) -> Result<&'w Snapshot, Refusal> {
        let snapshot = self.visible(world, id)?;
        let row = row(world, id)?;
        if snapshot.scope != *self.scope {
            return Err(Refusal::not_yours(id));
        }
        if snapshot.is_pending() && !row.sealed {
            return Ok(snapshot);
        }
        Err(Refusal::invalid("INVALID_SNAPSHOT_ID", format!("The snapshot {id} is not 'pending': it takes no blocks.")))
    }
}

/// Returns what a snapshot has that was written by blocks.
fn row<'w>(world: &'w World, id: &str) -> Result<&'w BlockSnapshot, Refusal> {
    world.block_snapshots.get(id).ok_or_else(|| {
        let message = format!(
            "The snapshot {id} consists of an instance's files here. Only snapshots that StartSnapshot began can be \
             compared, be parents, or take blocks."
        );
        Refusal::invalid("INVALID_SNAPSHOT_ID", message)
    })
}

fn check_id(id: &str) -> Result<(), Refusal> {
    let hex = id.strip_prefix("snap-").unwrap_or_default();
    let digits = hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !hex.is_empty() && id.len() <= 64 && digits {
        return Ok(());
    }
    Err(Refusal::invalid("INVALID_SNAPSHOT_ID", format!("'{id}' is not the ID of a snapshot.")))
}

/// Parses a number in the form in which the API writes it: neither `+1` nor `01`.
pub(super) fn number<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

/// Parses the index of a block, which must lie within the size of the snapshot's volume.
pub(super) fn block_index(text: &str, snapshot: &Snapshot) -> Result<u32, Refusal> {
    let blocks = u64::from(snapshot.size) * BLOCKS_OF_GIB;
    let index = number::<u32>(text).filter(|index| u64::from(*index) < blocks);
    let message = || format!("The block index '{text}' must be a number from 0 to {}.", blocks - 1);
    index.ok_or_else(|| Refusal::invalid("INVALID_BLOCK", message()))
}
