//! Snapshots that are written by blocks (EBS direct APIs). Their blocks are files next to the journal.

use serde::{Deserialize, Serialize};

use super::{BlockDevice, Image, Snapshot, World};
use crate::api::Scope;

/// Data of a snapshot that consists of blocks, in addition to its row in `snapshots`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BlockSnapshot {
    pub(crate) parent: Option<String>,
    /// Id of the first snapshot of its lineage: only snapshots of one lineage can be compared.
    pub(crate) line: String,
    /// Minutes without a block, or without the completion, after which the snapshot becomes an error.
    pub(crate) timeout: u32,
    /// Whether CompleteSnapshot was called. After that, no block is written.
    pub(crate) sealed: bool,
}

impl Snapshot {
    /// Returns whether the snapshot waits for blocks or for the end of its completion, or is still being copied.
    pub(crate) fn is_pending(&self) -> bool {
        !self.completed && self.failure.is_none()
    }

    /// Returns the same for a snapshot that a caller writes: a copy ends with its image.
    pub(crate) fn awaits_blocks(&self) -> bool {
        self.is_pending() && self.made_by == "StartSnapshot"
    }
}

impl World {
    /// Returns how many snapshots of an account wait for blocks in a Region.
    pub(crate) fn pending_block_snapshots(&self, scope: &Scope) -> usize {
        let own = self.block_snapshots.keys().filter_map(|id| self.snapshots.get(id));
        own.filter(|one| one.scope == *scope && one.awaits_blocks()).count()
    }

    /// Returns whether the root file system of an image consists of blocks, which instances here cannot start from.
    pub(crate) fn is_of_blocks(&self, image: &Image) -> bool {
        image.root_snapshot().is_some_and(|id| self.block_snapshots.contains_key(id))
    }

    /// Returns the pairs (source, copy) of the devices' snapshots whose source consists of blocks.
    pub(crate) fn copies_of_blocks(&self, from: &[BlockDevice], to: &[BlockDevice]) -> Vec<(String, String)> {
        let both = from.iter().zip(to).filter_map(|(from, to)| from.snapshot_id.clone().zip(to.snapshot_id.clone()));
        both.filter(|(source, _)| self.block_snapshots.contains_key(source)).collect()
    }

    /// Makes the copies of these pairs (source, copy) snapshots by blocks. Each copy begins a lineage of its own.
    pub(crate) fn add_copies_of_blocks(&mut self, pairs: Vec<(String, String)>) {
        for (source, copy) in pairs {
            let Some(row) = self.block_snapshots.get(&source).cloned() else { continue };
            let row = BlockSnapshot { parent: None, line: copy.clone(), ..row };
            self.block_snapshots.insert(copy, row);
        }
    }

    /// Removes and returns the rows of blocks whose snapshot is gone.
    pub(crate) fn take_unused_block_snapshots(&mut self) -> Vec<String> {
        let unused: Vec<String> =
            self.block_snapshots.keys().filter(|id| !self.snapshots.contains_key(*id)).cloned().collect();
        unused.into_iter().filter(|id| self.block_snapshots.remove(id).is_some()).collect()
    }
}
