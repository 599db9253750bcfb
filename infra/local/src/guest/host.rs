//! The machine that instances run on: its folders and what they are made with.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use tokio::sync::Mutex;

use super::error::GuestError;
use super::probe::{Abilities, Disk, Isolation, requirements};
use super::{Guest, processes, runtime};
use crate::{base, ids};

/// Folders of one endpoint, and the disk and isolation found for it.
#[derive(Debug)]
pub(crate) struct Host {
    dir: PathBuf,
    base_tar: PathBuf,
    abilities: Abilities,
}

impl Host {
    /// Makes the folders, ends what an earlier endpoint left, and tries what this machine can do.
    pub(crate) fn open(dir: &Path, base_tar: &Path) -> Result<Self, GuestError> {
        for name in ["instances", "layers"] {
            std::fs::create_dir_all(dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
        }
        let dir = dir.canonicalize().map_err(GuestError::prepare(dir))?;
        processes::kill_below(&dir.join("instances"));
        super::fresh_dir(&dir.join("instances")).map_err(GuestError::prepare(dir.join("instances")))?;
        let host = Host { abilities: requirements(&dir), base_tar: base_tar.to_owned(), dir };
        host.check_disk()?;
        runtime::write_files(&host.dir.join("runtime")).map_err(GuestError::prepare(host.dir.join("runtime")))?;
        Ok(host)
    }

    /// How disks are made.
    pub(crate) fn disk(&self) -> Disk {
        self.abilities.disk()
    }

    /// How processes are kept together.
    pub(crate) fn isolation(&self) -> Isolation {
        self.abilities.isolation()
    }

    /// The inside of a new instance: its disk, not yet booted.
    pub(crate) async fn create(&self, id: &str, layers: &[String]) -> Result<Guest, GuestError> {
        if let Some(missing) = self.abilities.missing() {
            return Err(GuestError::Unable { missing: missing.to_owned() });
        }
        self.link_base().await?;
        let guest = Guest {
            id: id.to_owned(),
            layers: layers.to_vec(),
            state_dir: self.dir.clone(),
            disk: self.disk(),
            isolation: self.isolation(),
            running: Mutex::new(None),
            boots: AtomicU64::new(0),
        };
        guest.make_disk().await?;
        Ok(guest)
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

    /// Refuses a folder whose images were made with the other kind of disk.
    fn check_disk(&self) -> Result<(), GuestError> {
        let (path, now) = (self.dir.join("disk"), self.disk().to_string());
        match std::fs::read_to_string(&path) {
            Ok(made) if made != now => Err(GuestError::OtherDisk { path: self.dir.clone(), made, now }),
            Ok(_) => Ok(()),
            Err(_) => std::fs::write(&path, now).map_err(GuestError::prepare(path)),
        }
    }
}
