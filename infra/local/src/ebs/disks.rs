//! Disks of snapshots that consist of an instance's files. A disk is made when its blocks are read for the first time:
//! a file system of the files, in a sparse file, and next to it a list of the blocks that have data.
//!
//! A file system of the same files is never the same twice (times, identifiers, the order of folders). So a disk is made
//! only once for each content, all snapshots with this content share it, and it is kept as long as one of them exists,
//! also over restarts of the endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use super::store::{BLOCK, BlockDigest, DIGEST, digest_of};
use crate::exports::disk::Disk;
use crate::ids;

/// Name of the file with the data, in the folder of a disk.
pub(super) const DATA: &str = "disk";
/// Name of the file with the list of blocks.
const LIST: &str = "blocks";
/// Bytes of an entry of the list: the index of a block, and its digest.
const ENTRY: usize = size_of::<u32>() + DIGEST;

/// The disk of one content.
#[derive(Debug)]
pub(crate) struct FileDisk {
    data: PathBuf,
    /// Digests of the blocks that have data.
    blocks: BTreeMap<u32, BlockDigest>,
}

impl FileDisk {
    /// Lists the blocks of a file system in the file `disk` of a folder, which then is complete.
    pub(super) fn finish(folder: &Path) -> io::Result<()> {
        let disk = Disk::open(&folder.join(DATA))?;
        let (mut list, mut block) = (Vec::new(), vec![0; BLOCK]);
        for (index, at) in (0_u32..).zip((0..disk.size()).step_by(BLOCK)) {
            if disk.read(at, &mut block)? {
                list.extend(index.to_le_bytes());
                list.extend(digest_of(&block));
            }
        }
        // A list that was written only in part would hide blocks, so its own digest ends it.
        let digest = digest_of(&list);
        list.extend(digest);
        fs::write(folder.join(LIST), list)
    }

    fn open(folder: &Path) -> io::Result<Self> {
        let text = fs::read(folder.join(LIST))?;
        let damaged = || io::Error::new(ErrorKind::InvalidData, format!("{} is damaged", folder.display()));
        let (list, digest) = text.split_last_chunk::<DIGEST>().ok_or_else(damaged)?;
        if digest_of(list) != *digest || list.len() % ENTRY != 0 {
            return Err(damaged());
        }
        let mut blocks = BTreeMap::new();
        for entry in list.chunks(ENTRY) {
            let (index, digest) = entry.split_first_chunk().ok_or_else(damaged)?;
            blocks.insert(u32::from_le_bytes(*index), digest.try_into().map_err(|_| damaged())?);
        }
        Ok(FileDisk { data: folder.join(DATA), blocks })
    }

    /// Returns the indexes of the blocks that have data.
    pub(super) fn indexes(&self) -> impl Iterator<Item = u32> {
        self.blocks.keys().copied()
    }

    /// Reads digest and data of a block; `None` if it has no data.
    pub(super) fn read(&self, index: u32) -> io::Result<Option<(BlockDigest, Vec<u8>)>> {
        let Some(digest) = self.blocks.get(&index) else { return Ok(None) };
        // The file is opened for each block: a world may have many disks, and a process only so many open files.
        let (file, mut block) = (File::open(&self.data)?, vec![0; BLOCK]);
        file.read_exact_at(&mut block, u64::from(index) * BLOCK as u64)?;
        Ok(Some((*digest, block)))
    }
}

/// A disk that is made at most once. Whoever needs it while it is being made waits.
type Cell = Arc<OnceCell<Arc<FileDisk>>>;

/// The disks of all contents, by their names.
#[derive(Debug)]
pub(crate) struct Disks {
    folder: PathBuf,
    /// Disks that are in use. One that is not here may still exist as a file.
    cells: Mutex<BTreeMap<String, Cell>>,
}

impl Disks {
    /// Returns the disks in a state folder.
    pub(crate) fn of(state: &Path) -> Self {
        Disks { folder: state.join("disks"), cells: Mutex::default() }
    }

    fn cells(&self) -> MutexGuard<'_, BTreeMap<String, Cell>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a disk that [`Disks::ensure`] has returned before.
    pub(super) fn get(&self, name: &str) -> io::Result<Arc<FileDisk>> {
        let cell = self.cells().get(name).cloned();
        cell.and_then(|cell| cell.get().cloned()).ok_or_else(|| io::Error::other("the disk is gone"))
    }

    /// Returns whether [`Disks::get`] has the disk.
    pub(super) fn has(&self, name: &str) -> bool {
        self.cells().get(name).is_some_and(|cell| cell.initialized())
    }

    /// Returns a disk. If it does not exist, `make` makes a finished one in a new folder and returns this folder.
    pub(super) async fn ensure<E: From<io::Error>>(
        &self,
        name: &str,
        make: impl AsyncFnOnce() -> Result<PathBuf, E>,
    ) -> Result<Arc<FileDisk>, E> {
        let cell = self.cells().entry(name.to_owned()).or_default().clone();
        let made = cell.get_or_try_init(async || {
            let place = self.folder.join(name);
            // An earlier endpoint may have made it.
            if !place.is_dir() {
                let new = make().await?;
                fs::create_dir_all(&self.folder)?;
                // From here on it is complete: an endpoint that is killed before leaves nothing at this path.
                fs::rename(new, &place)?;
            }
            Ok(Arc::new(FileDisk::open(&place)?))
        });
        made.await.cloned()
    }

    /// Removes all disks except those that `used` names. `used` is called while no disk begins to be used.
    pub(super) fn keep_only(&self, used: impl FnOnce() -> BTreeSet<String>) -> io::Result<()> {
        let gone: Vec<PathBuf> = {
            let mut cells = self.cells();
            let used = used();
            cells.retain(|name, _| used.contains(name));
            self.take_out(&used)?
        };
        gone.into_iter().try_for_each(fs::remove_dir_all)
    }

    /// Renames the folders of all disks except those that `used` names, and returns their new paths. A part of a disk
    /// must never be at the path of the whole disk.
    fn take_out(&self, used: &BTreeSet<String>) -> io::Result<Vec<PathBuf>> {
        let mut taken = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(taken),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(|name| used.contains(name)) {
                let gone = self.folder.join(ids::resource("gone"));
                fs::rename(entry.path(), &gone)?;
                taken.push(gone);
            }
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a disk of three blocks, of which the last one has data.
    fn made(folder: &Path, text: &str) -> PathBuf {
        let folder = folder.join(ids::resource("new"));
        fs::create_dir_all(&folder).unwrap();
        let file = File::create_new(folder.join(DATA)).unwrap();
        file.set_len(3 * BLOCK as u64).unwrap();
        file.write_all_at(&[0; 4096], BLOCK as u64).unwrap();
        file.write_all_at(text.as_bytes(), 2 * BLOCK as u64).unwrap();
        FileDisk::finish(&folder).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_disk_is_made_once_and_stays_over_a_restart_until_nothing_uses_it() {
        let folder = tempfile::tempdir().unwrap();
        let disks = Disks::of(folder.path());
        let make = async |text: &str| disks.ensure("a", async || io::Result::Ok(made(folder.path(), text))).await;
        let (one, two) = tokio::join!(make("first"), make("second"));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        let (digest, data) = one.read(2).unwrap().unwrap();
        assert_eq!((&data[..5], digest), (&b"first"[..], digest_of(&data)));
        assert_eq!((one.indexes().collect::<Vec<_>>(), one.read(1).unwrap()), (vec![2], None));

        let again = Disks::of(folder.path());
        again.keep_only(|| BTreeSet::from(["a".to_owned()])).unwrap();
        let kept = again.ensure("a", async || Err(io::Error::other("made again"))).await.unwrap();
        assert_eq!(kept.read(2).unwrap().unwrap().1, data);
        again.keep_only(BTreeSet::new).unwrap();
        assert!(again.get("a").is_err() && kept.read(2).is_err());
        assert_eq!(fs::read_dir(folder.path().join("disks")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_disk_that_failed_or_is_damaged_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let disks = Disks::of(folder.path());
        disks.ensure("a", async || Err(io::Error::other("full"))).await.unwrap_err();
        assert!(!disks.has("a"));
        disks.ensure("a", async || io::Result::Ok(made(folder.path(), "a"))).await.unwrap();
        let list = folder.path().join("disks/a").join(LIST);
        let text = fs::read(&list).unwrap();
        fs::write(list, &text[..text.len() - 1]).unwrap();
        let made_again = async || io::Result::Ok(made(folder.path(), "b"));
        let damaged = Disks::of(folder.path()).ensure("a", made_again).await;
        assert_eq!(damaged.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
