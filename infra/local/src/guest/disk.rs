//! Disks of instances: made from an image's layers, frozen into a new layer, removed.

use std::fs;
use std::path::Path;

use super::error::{GuestError, run};
use super::isolation::{Disk, Isolation};
use super::{Guest, flags, fresh_dir, runtime};

/// Copies share their blocks where the file system can.
pub(super) const REFLINK: &str = "--reflink=auto";

impl Guest {
    /// Makes the disk.
    pub(super) async fn make_disk(&self) -> Result<(), GuestError> {
        let dir = self.dir();
        let names: &[&str] = if self.way.disk == Disk::Copy { &["run"] } else { &["upper", "work", "tree", "run"] };
        for name in names {
            fresh_dir(&dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
        }
        if self.way.disk == Disk::Copy {
            let top = self.layers.last().map_or("base".to_owned(), |layer| format!("layers/{layer}"));
            let top = self.state_dir.join(top);
            let top = top.canonicalize().map_err(GuestError::prepare(&top))?;
            copy(self.way.isolation, &top, &self.tree()).await?;
            runtime::put_in(self.way.isolation, &self.runtime(), &self.tree(), &dir.join("hidden"))
                .and_then(|()| self.put_names_in())
                .map_err(GuestError::prepare(self.tree()))?;
            flags::carry(self.way.isolation, &top, &self.tree()).await.map_err(GuestError::prepare(self.tree()))?;
        }
        if let (Disk::Host, Some(layer)) = (self.way.disk, self.layers.last()) {
            // All else lies in the host's root directory, and one layer may not lie in another.
            copy(self.way.isolation, &self.state_dir.join("layers").join(layer), &dir.join("upper")).await?;
        }
        Ok(())
    }

    /// Mount options of the overlay, relative to the state folder: the upper directory, over it nothing; below it what is
    /// put in at run time, then the layers from the newest to the base.
    pub(super) fn overlay_options(&self) -> String {
        if self.way.disk == Disk::Copy {
            return String::new();
        }
        let layers: Vec<String> = self.layers.iter().rev().map(|layer| format!("layers/{layer}:")).collect();
        let (own, runtime) = (format!("instances/{}", self.id), runtime::folder(self.way.isolation));
        let flags = self.way.isolation.overlay_flags();
        let lower = match self.way.disk {
            Disk::Host => format!("{own}/runtime:base"),
            Disk::Overlay | Disk::Copy => format!("{own}/names:{runtime}:{}base", layers.concat()),
        };
        format!("lowerdir={lower},upperdir={own}/upper,workdir={own}/work,{flags}")
    }

    fn runtime(&self) -> std::path::PathBuf {
        self.state_dir.join(runtime::folder(self.way.isolation))
    }

    /// Saves what was written as a new layer and tells the layers of the image. What was put in at run time stays out.
    pub(crate) async fn freeze(&self, layer: &str) -> Result<Vec<String>, GuestError> {
        let isolation = self.way.isolation;
        let target = self.state_dir.join("layers").join(layer);
        if self.way.disk != Disk::Copy {
            let upper = self.dir().join("upper");
            copy(isolation, &upper, &target).await?;
            flags::carry(isolation, &upper, &target).await.map_err(GuestError::prepare(&target))?;
            let below = self.layers.iter().filter(|_| self.way.disk == Disk::Overlay);
            return Ok(below.cloned().chain([layer.to_owned()]).collect());
        }
        copy(isolation, &self.tree(), &target).await?;
        let passing = ["proc", "run", "tmp"].map(|name| target.join(name));
        run("find", isolation.as_root("find").args(passing).args(["-mindepth", "1", "-delete"])).await?;
        runtime::take_out(isolation, &target, &self.dir().join("hidden"))
            .and_then(|()| self.take_names_out(&target))
            .map_err(GuestError::prepare(&target))?;
        flags::carry(isolation, &self.tree(), &target).await.map_err(GuestError::prepare(&target))?;
        Ok(vec![layer.to_owned()])
    }
}

/// Copies a tree with owners, modes, links, devices and extended attributes (an overlay's marks are such).
async fn copy(isolation: Isolation, from: &Path, to: &Path) -> Result<(), GuestError> {
    run("cp", isolation.as_root("cp").args(["-a", REFLINK, "-T"]).arg(from).arg(to)).await
}

/// Removes what is in a folder but keeps the folder, its owner and its mode.
pub(super) fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}
