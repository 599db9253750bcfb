//! Stores the blocks of snapshots as files. Each snapshot has a folder with the blocks that were written to it (`own`)
//! and the blocks of its parent (`parent`). The name of a file is the block's index, and the content is the digest of
//! the data, followed by the data. Files never change: a block that is written again becomes a new file. Therefore a
//! snapshot and its children share files by links.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::ids;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512 * 1024;
/// Bytes of a digest.
pub(crate) const DIGEST: usize = 32;

/// The digest of a block.
pub(crate) type BlockDigest = [u8; DIGEST];

/// A block that is written, but does not yet belong to its snapshot.
#[derive(Debug)]
pub(super) struct Draft(PathBuf);

/// Path and inode of a block's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    path: PathBuf,
    file: u64,
}

/// The blocks of all snapshots.
#[derive(Debug)]
pub(crate) struct Store(PathBuf);

impl Store {
    /// Returns the store in a state folder.
    pub(crate) fn of(state: &Path) -> Self {
        Store(state.join("blocks"))
    }

    /// Begins a snapshot with all blocks of its parent.
    pub(super) fn begin(&self, id: &str, parent: Option<&str>) -> io::Result<()> {
        let folder = self.0.join(id);
        fs::create_dir_all(folder.join("own"))?;
        fs::create_dir_all(folder.join("parent"))?;
        for (index, place) in parent.map(|parent| self.blocks(parent)).transpose()?.unwrap_or_default() {
            fs::hard_link(place.path, folder.join("parent").join(index.to_string()))?;
        }
        Ok(())
    }

    /// Writes a block to a file that does not belong to the snapshot yet.
    pub(super) fn draft(&self, id: &str, data: &[u8], digest: &BlockDigest) -> io::Result<Draft> {
        let path = self.0.join(id).join(ids::resource("draft"));
        let written = fs::write(&path, [digest, data].concat());
        let draft = Draft(path);
        match written {
            Ok(()) => Ok(draft),
            Err(error) => {
                // On a full disk, a part of the block is written.
                self.discard(draft);
                Err(error)
            }
        }
    }

    /// Makes a written block part of its snapshot.
    pub(super) fn put(&self, id: &str, index: u32, draft: Draft) -> io::Result<()> {
        fs::rename(draft.0, self.0.join(id).join("own").join(index.to_string()))
    }

    /// Discards a written block.
    pub(super) fn discard(&self, draft: Draft) {
        // A file that stays behind is removed with the snapshot.
        fs::remove_file(draft.0).unwrap_or_default();
    }

    /// Reads digest and data of a block.
    pub(crate) fn read(&self, place: &Place) -> io::Result<(BlockDigest, Vec<u8>)> {
        let text = fs::read(&place.path)?;
        let (digest, data) = text.split_first_chunk().ok_or(ErrorKind::UnexpectedEof)?;
        Ok((*digest, data.to_vec()))
    }

    /// Returns the block of a snapshot at an index.
    pub(super) fn block(&self, id: &str, index: u32) -> io::Result<Option<Place>> {
        for part in ["own", "parent"] {
            match place(self.0.join(id).join(part).join(index.to_string())) {
                Ok(found) => return Ok(Some(found)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns all blocks of a snapshot, ordered by index.
    pub(crate) fn blocks(&self, id: &str) -> io::Result<BTreeMap<u32, Place>> {
        let mut blocks = self.part(id, "parent")?;
        blocks.extend(self.part(id, "own")?);
        Ok(blocks)
    }

    /// Returns the digests of the blocks that were written to a snapshot, ordered by index.
    pub(super) fn written(&self, id: &str) -> io::Result<Vec<BlockDigest>> {
        self.part(id, "own")?.values().map(digest_at).collect()
    }

    fn part(&self, id: &str, part: &str) -> io::Result<BTreeMap<u32, Place>> {
        let mut blocks = BTreeMap::new();
        for entry in fs::read_dir(self.0.join(id).join(part))? {
            let path = entry?.path();
            if let Some(index) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) {
                blocks.insert(index, place(path)?);
            }
        }
        Ok(blocks)
    }

    /// Returns the time at which the last block was written to a snapshot. Without a block, this is the time at which
    /// it was begun.
    pub(super) fn last_write(&self, id: &str) -> io::Result<SystemTime> {
        fs::metadata(self.0.join(id).join("own"))?.modified()
    }

    /// Removes the blocks of a snapshot. Other snapshots keep the blocks that they share with it.
    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        // The folder is renamed first, because a block that is written at this moment would prevent its removal.
        let gone = self.0.join(ids::resource("gone"));
        fs::rename(self.0.join(id), &gone)?;
        fs::remove_dir_all(gone)
    }

    /// Removes the blocks of all snapshots for which `kept` returns false.
    pub(crate) fn keep_only(&self, kept: impl Fn(&str) -> bool) -> io::Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if !kept(&name) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// Returns the SHA-256 digest of a block's data.
pub(super) fn digest_of(data: &[u8]) -> BlockDigest {
    Sha256::digest(data).into()
}

fn place(path: PathBuf) -> io::Result<Place> {
    let file = fs::metadata(&path)?.ino();
    Ok(Place { path, file })
}

impl Place {
    /// Returns whether another snapshot's block is the same file, so that neither was written since they were shared.
    pub(super) fn is_shared_with(&self, other: &Place) -> bool {
        self.file == other.file
    }
}

fn digest_at(place: &Place) -> io::Result<BlockDigest> {
    let mut digest = [0; DIGEST];
    fs::File::open(&place.path)?.read_exact(&mut digest)?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(store: &Store, id: &str, index: u32, text: &str) {
        let draft = store.draft(id, text.as_bytes(), &digest_of(text.as_bytes())).unwrap();
        store.put(id, index, draft).unwrap();
    }

    fn text(store: &Store, id: &str, index: u32) -> String {
        let place = store.block(id, index).unwrap().unwrap();
        String::from_utf8(store.read(&place).unwrap().1).unwrap()
    }

    #[test]
    fn a_child_shares_what_it_does_not_write_and_outlives_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::of(folder.path());
        store.begin("parent", None).unwrap();
        write(&store, "parent", 0, "a");
        write(&store, "parent", 1, "b");
        store.begin("child", Some("parent")).unwrap();
        write(&store, "child", 1, "c");
        write(&store, "child", 7, "d");
        assert_eq!(store.written("child").unwrap(), [digest_of(b"c"), digest_of(b"d")]);
        assert_eq!(store.blocks("child").unwrap().into_keys().collect::<Vec<_>>(), [0, 1, 7]);
        let both =
            |index| (store.block("parent", index).unwrap().unwrap(), store.block("child", index).unwrap().unwrap());
        let ((old, kept), (before, after)) = (both(0), both(1));
        assert!(old.is_shared_with(&kept) && !before.is_shared_with(&after));
        assert_eq!(text(&store, "parent", 1), "b");
        store.keep_only(|id| id == "child").unwrap();
        assert_eq!((text(&store, "child", 0).as_str(), text(&store, "child", 1).as_str()), ("a", "c"));
        assert!(store.block("parent", 0).unwrap().is_none());
    }
}
