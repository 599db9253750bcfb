//! The machine that instances run on: its folders and what they are made with.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use tokio::sync::Mutex;

use super::error::GuestError;
use super::probe::{Abilities, Disk, Isolation, requirements};
use super::{Guest, Power, boot, processes, runtime};
use crate::{base, ids};

/// Folders of one endpoint, and the disk and isolation found for it.
#[derive(Debug)]
pub(crate) struct Host {
    dir: PathBuf,
    base_tar: PathBuf,
    abilities: Abilities,
    _lock: File,
}

impl Host {
    /// Ends what an endpoint that was killed left in the folder, and tries what this machine can do. Disks and layers of
    /// an earlier endpoint stay until [`Host::keep_only`].
    pub(crate) fn open(dir: &Path, base_tar: &Path) -> Result<Self, GuestError> {
        std::fs::create_dir_all(dir).map_err(GuestError::prepare(dir))?;
        let dir = dir.canonicalize().map_err(GuestError::prepare(dir))?;
        let lock = lock(&dir)?;
        processes::kill_below(&dir.join("instances"));
        for name in ["instances", "layers"] {
            std::fs::create_dir_all(dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
        }
        let init = dir.join(boot::INIT_FILE);
        std::fs::write(&init, boot::INIT).map_err(GuestError::prepare(init))?;
        runtime::write_files(&dir.join("runtime")).map_err(GuestError::prepare(dir.join("runtime")))?;
        Ok(Host { abilities: requirements(&dir), base_tar: base_tar.to_owned(), dir, _lock: lock })
    }

    /// How disks are made.
    pub(crate) fn disk(&self) -> Disk {
        self.abilities.disk()
    }

    /// How processes are kept together.
    pub(crate) fn isolation(&self) -> Isolation {
        self.abilities.isolation()
    }

    /// The inside of an instance: of a new one nothing is there yet, its first boot makes it; one from before a restart
    /// of the endpoint has its disk.
    pub(crate) async fn guest(&self, id: &str, layers: &[String]) -> Result<Guest, GuestError> {
        if let Some(missing) = self.abilities.missing() {
            return Err(GuestError::Unable { missing: missing.to_owned() });
        }
        self.link_base().await?;
        let has_disk = self.dir.join("instances").join(id).is_dir();
        Ok(Guest {
            id: id.to_owned(),
            layers: layers.to_vec(),
            state_dir: self.dir.clone(),
            disk: self.disk(),
            isolation: self.isolation(),
            power: Mutex::new(if has_disk { Power::Off } else { Power::New }),
            boots: AtomicU64::new(0),
        })
    }

    /// Removes all disks and layers but these.
    pub(crate) fn keep_only(&self, instances: &BTreeSet<String>, layers: &BTreeSet<String>) -> Result<(), GuestError> {
        for (name, kept) in [("instances", instances), ("layers", layers)] {
            let folder = self.dir.join(name);
            for entry in std::fs::read_dir(&folder).map_err(GuestError::prepare(&folder))?.flatten() {
                if !entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
                    std::fs::remove_dir_all(entry.path()).map_err(GuestError::prepare(entry.path()))?;
                }
            }
        }
        Ok(())
    }

    /// Bytes of a layer's files: what an instance changed.
    pub(crate) fn layer_size(&self, layer: &str) -> u64 {
        size_of(&self.dir.join("layers").join(layer))
    }

    /// Removes a layer that no image and no instance uses.
    pub(crate) fn remove_layer(&self, layer: &str) -> Result<(), GuestError> {
        let path = self.dir.join("layers").join(layer);
        std::fs::remove_dir_all(&path).map_err(GuestError::prepare(path))
    }

    /// Makes `base` in the state folder a link to the unpacked base image.
    async fn link_base(&self) -> Result<(), GuestError> {
        let tree = base::unpacked(&self.base_tar).await.map_err(|source| GuestError::Base { source })?;
        let link = self.dir.join("base");
        if std::fs::read_link(&link).is_ok_and(|target| target == tree) {
            return Ok(());
        }
        // Renamed over the old one, since instances may be starting at the same time.
        let new = self.dir.join(ids::resource("base"));
        std::os::unix::fs::symlink(&tree, &new).map_err(GuestError::prepare(&new))?;
        std::fs::rename(&new, &link).map_err(GuestError::prepare(link))
    }
}

/// Bytes of the files in a folder; what cannot be read counts as empty.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => size_of(&entry.path()),
        Ok(facts) => facts.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Keeps a second endpoint out of the folder for as long as the file is open.
fn lock(dir: &Path) -> Result<File, GuestError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(GuestError::prepare(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GuestError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(GuestError::Prepare { path, source }),
    }
}
