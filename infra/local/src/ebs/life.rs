//! Changes of snapshots by blocks that no call makes: they become complete or are given up, and the blocks of deleted
//! snapshots are removed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;

impl Endpoint {
    /// Gives a snapshot up if, for its timeout, no block is written to it and it is not completed.
    pub(super) fn await_blocks(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            while let Some(rest) = endpoint.wait_or_give_up(&id) {
                tokio::time::sleep(rest).await;
            }
        });
    }

    /// Returns how long a snapshot still waits for a block. Returns `None` if it does not wait, or if it is given up
    /// now. The check and the change happen under one lock, so that a block or a completion that arrives at this moment
    /// counts.
    pub(super) fn wait_or_give_up(&self, id: &str) -> Option<Duration> {
        let mut world = self.world();
        let row = world.block_snapshots.get(id).filter(|row| !row.sealed)?;
        let wait = Duration::from_secs(u64::from(row.timeout) * 60);
        world.snapshots.get(id).filter(|snapshot| snapshot.is_pending())?;
        let idle = match self.host.blocks().last_write(id) {
            Ok(last) => last.elapsed().unwrap_or_default(),
            Err(error) => {
                tracing::warn!(snapshot = id, %error, "the time of its last block is not known");
                Duration::ZERO
            }
        };
        let rest = wait.saturating_sub(idle);
        if !rest.is_zero() {
            return Some(rest);
        }
        world.snapshots.get_mut(id)?.failure =
            Some("No block was written in time, or the snapshot was not completed.".to_owned());
        None
    }

    /// Completes a sealed snapshot after the time that a snapshot of that size takes.
    pub(super) fn finish_blocks(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            let written = endpoint.world().snapshots.get(&id).map_or(0, |snapshot| snapshot.content);
            tokio::time::sleep(endpoint.settings().delays.snapshot(written, None)).await;
            if let Some(snapshot) = endpoint.world().snapshots.get_mut(&id) {
                snapshot.completed = snapshot.failure.is_none();
            }
        });
    }

    /// Resumes the snapshots that were `pending` when an earlier endpoint ended.
    pub(crate) fn resume_blocks(self: &Arc<Self>) {
        let pending: Vec<(String, bool)> = {
            let world = self.world();
            let awaits = |id: &str| world.snapshots.get(id).is_some_and(|snapshot| snapshot.awaits_blocks());
            let rows = world.block_snapshots.iter().filter(|(id, _)| awaits(id));
            rows.map(|(id, row)| (id.clone(), row.sealed)).collect()
        };
        for (id, sealed) in pending {
            if sealed {
                self.finish_blocks(&id);
            } else {
                self.await_blocks(&id);
            }
        }
    }

    /// Gives copies of snapshots the blocks of their sources: either all copies or none.
    pub(crate) fn share_blocks(&self, pairs: &[(String, String)]) -> io::Result<()> {
        let blocks = self.host.blocks();
        let shared = pairs.iter().try_for_each(|(source, copy)| blocks.begin(copy, Some(source)));
        if shared.is_err() {
            // Copies that were not begun have nothing to remove. Blocks that stay behind are removed when the endpoint
            // restarts.
            pairs.iter().for_each(|(_, copy)| blocks.remove(copy).unwrap_or_default());
        }
        shared
    }

    /// Removes the blocks and the disks of snapshots that are gone.
    pub(crate) fn sweep_blocks(&self) {
        let unused = self.world().take_unused_block_snapshots();
        for id in unused {
            if let Err(error) = self.host.blocks().remove(&id) {
                tracing::warn!(snapshot = id, %error, "blocks stay behind");
            }
        }
        self.sweep_disks();
    }

    /// Removes blocks that belong to no snapshot. A killed endpoint may have left such blocks.
    pub(crate) fn tidy_blocks(&self) {
        self.sweep_blocks();
        let world = self.world();
        if let Err(error) = self.host.blocks().keep_only(|id| world.block_snapshots.contains_key(id)) {
            tracing::warn!(%error, "blocks stay behind");
        }
    }
}
