//! The machine that instances run on: its folders and what they are made with.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use tokio::sync::Mutex;

use super::error::GuestError;
use super::probe::{Abilities, Disk, Isolation, requirements};
use super::{Guest, Power, boot, fresh_dir, processes, runtime};
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
    /// Empties the folder, ends what an endpoint that was killed left there, and tries what this machine can do.
    pub(crate) fn open(dir: &Path, base_tar: &Path) -> Result<Self, GuestError> {
        std::fs::create_dir_all(dir).map_err(GuestError::prepare(dir))?;
        let dir = dir.canonicalize().map_err(GuestError::prepare(dir))?;
        let lock = lock(&dir)?;
        processes::kill_below(&dir.join("instances"));
        for name in ["instances", "layers"] {
            fresh_dir(&dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
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

    /// The inside of a new instance: nothing yet, its first boot makes it.
    pub(crate) async fn guest(&self, id: &str, layers: &[String]) -> Result<Guest, GuestError> {
        if let Some(missing) = self.abilities.missing() {
            return Err(GuestError::Unable { missing: missing.to_owned() });
        }
        self.link_base().await?;
        Ok(Guest {
            id: id.to_owned(),
            layers: layers.to_vec(),
            state_dir: self.dir.clone(),
            disk: self.disk(),
            isolation: self.isolation(),
            power: Mutex::new(Power::New),
            boots: AtomicU64::new(0),
        })
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
