//! Disks of instances: made from an image's layers, frozen into a new layer, removed.

use std::fs;

use tokio::process::Command;

use super::error::{GuestError, run};
use super::probe::Disk;
use super::{Guest, fresh_dir, runtime};

impl Guest {
    /// Makes the disk.
    pub(super) async fn make_disk(&self) -> Result<(), GuestError> {
        let dir = self.dir();
        let names: &[&str] = if self.disk == Disk::Overlay { &["upper", "work", "tree", "run"] } else { &["run"] };
        for name in names {
            fresh_dir(&dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
        }
        if self.disk == Disk::Copy {
            let top = self.layers.last().map_or("base".to_owned(), |layer| format!("layers/{layer}"));
            let top = self.state_dir.join(top);
            copy(&top.canonicalize().map_err(GuestError::prepare(top))?, &self.tree()).await?;
            runtime::put_in(&self.state_dir.join("runtime"), &self.tree(), &dir.join("hidden"))
                .map_err(GuestError::prepare(self.tree()))?;
        }
        Ok(())
    }

    /// Mount options of the overlay, relative to the state folder: the upper directory, over it nothing; below it what is
    /// put in at run time, then the layers from the newest to the base. `volatile` (Linux 5.10): without it every stop waits
    /// until the whole file system of the host is on disk, and nothing here has to survive a crash of the host.
    pub(super) fn overlay_options(&self) -> String {
        let layers: Vec<String> = self.layers.iter().rev().map(|layer| format!("layers/{layer}:")).collect();
        let own = format!("instances/{}", self.id);
        format!("lowerdir=runtime:{}base,upperdir={own}/upper,workdir={own}/work,volatile", layers.concat())
    }

    /// Saves what was written as a new layer and tells the layers of the image. What was put in at run time stays out.
    pub(crate) async fn freeze(&self, layer: &str) -> Result<Vec<String>, GuestError> {
        let target = self.state_dir.join("layers").join(layer);
        if self.disk == Disk::Overlay {
            copy(&self.dir().join("upper"), &target).await?;
            return Ok(self.layers.iter().cloned().chain([layer.to_owned()]).collect());
        }
        copy(&self.tree(), &target).await?;
        for name in ["proc", "run", "tmp"] {
            empty(&target.join(name)).map_err(GuestError::prepare(target.join(name)))?;
        }
        runtime::take_out(&target, &self.dir().join("hidden")).map_err(GuestError::prepare(&target))?;
        Ok(vec![layer.to_owned()])
    }
}

/// Copies a tree with owners, modes, links, devices and extended attributes (an overlay's marks are such).
async fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), GuestError> {
    run("cp", Command::new("cp").args(["-a", "--reflink=auto", "-T"]).arg(from).arg(to)).await
}

/// Removes what is in a folder but keeps the folder, its owner and its mode.
pub(super) fn empty(folder: &std::path::Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}
