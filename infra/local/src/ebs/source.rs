//! Where the blocks of a snapshot come from.

use std::io;
use std::sync::Arc;

use super::disks::FileDisk;
use super::store::{BlockDigest, Store};
use crate::endpoint::Endpoint;
use crate::world::Snapshot;

/// The blocks of one snapshot.
pub(super) enum Source {
    /// They were written one by one.
    Store(Store),
    /// They are those of a disk that was made of an instance's files.
    Disk(Arc<FileDisk>),
    /// The volume is empty.
    Nothing,
}

impl Endpoint {
    /// Returns where the blocks of a complete snapshot are. The world must not be locked.
    pub(super) fn blocks_of(&self, snapshot: &Snapshot) -> io::Result<Source> {
        let is_of_blocks = self.world().block_snapshots.contains_key(&snapshot.id);
        Ok(match snapshot.disk_name() {
            _ if is_of_blocks => Source::Store(self.host.blocks()),
            Some(name) => Source::Disk(self.disks.get(&name)?),
            None => Source::Nothing,
        })
    }
}

impl Source {
    /// Returns the indexes of all blocks of the snapshot `id`, in their order.
    pub(super) fn indexes(&self, id: &str) -> io::Result<Vec<u32>> {
        Ok(match self {
            Source::Store(store) => store.blocks(id)?.into_keys().collect(),
            Source::Disk(disk) => disk.indexes().collect(),
            Source::Nothing => Vec::new(),
        })
    }

    /// Reads digest and data of a block; `None` if there is no such block.
    pub(super) fn read(&self, id: &str, index: u32) -> io::Result<Option<(BlockDigest, Vec<u8>)>> {
        match self {
            Source::Store(store) => store.block(id, index)?.map(|place| store.read(&place)).transpose(),
            Source::Disk(disk) => disk.read(index),
            Source::Nothing => Ok(None),
        }
    }
}
