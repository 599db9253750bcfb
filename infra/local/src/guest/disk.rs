//! Disks of instances: they are made from an image's layers, saved as a new layer, and removed.

use std::path::Path;

use super::error::GuestError;
use super::isolation::{Disk, Isolation};
use super::processes::REFLINK;
use super::{Guest, flags, fresh_dir};
use crate::programs::{ProgramError, run};

/// Most layers of an image over the base: the kernel takes one page of mount options, in which each layer has its path.
const MOST_LAYERS: usize = 120;

impl Guest {
    /// Makes the disk.
    pub(super) async fn make_disk(&self) -> Result<(), GuestError> {
        let dir = self.dir();
        let names: &[&str] = if self.way.disk == Disk::Copy { &["run"] } else { &["upper", "work", "tree", "run"] };
        for name in names {
            fresh_dir(&dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
        }
        if self.way.disk != Disk::Copy {
            self.make_root_alike().await?;
        } else {
            // A copied image has its whole content in its newest layer.
            let top = self.layers.last().map_or("base".to_owned(), |layer| format!("layers/{layer}"));
            let top = self.state_dir.join(top);
            let top = top.canonicalize().map_err(GuestError::prepare(&top))?;
            copy(self.way.isolation, &top, &self.tree()).await?;
            self.put_given_in().await?;
            flags::carry(self.way.isolation, &top, &self.tree()).await.map_err(GuestError::prepare(self.tree()))?;
        }
        if let (Disk::Host, Some(layer)) = (self.way.disk, self.layers.last()) {
            // Everything else is in the host's root directory, and one layer may not be inside another.
            copy(self.way.isolation, &self.state_dir.join("layers").join(layer), &dir.join("upper")).await?;
        }
        Ok(())
    }

    /// Returns the mount options of the overlay, relative to the state folder. The upper directory is the top; below it
    /// are the given files, then the layers from the newest to the base.
    pub(super) fn overlay_options(&self) -> String {
        if self.way.disk == Disk::Copy {
            return String::new();
        }
        // Mount options list the highest layer first, while images list the lowest first. Relative paths are short: all
        // options must fit into one page.
        let layers: Vec<String> = self.layers.iter().rev().map(|layer| format!("layers/{layer}:")).collect();
        let own = format!("instances/{}", self.id);
        let flags = self.way.isolation.overlay_flags();
        let lower = match self.way.disk {
            Disk::Host => format!("{own}/runtime:base"),
            Disk::Overlay | Disk::Copy => format!("{own}/given:{}base", layers.concat()),
        };
        format!("lowerdir={lower},upperdir={own}/upper,workdir={own}/work,{flags}")
    }

    /// Saves what was written as a new layer, and returns the layers of the image. Files that were given at run time
    /// are left out.
    pub(crate) async fn freeze(&self, layer: &str) -> Result<Vec<String>, GuestError> {
        if self.layers.len() >= MOST_LAYERS {
            return Err(GuestError::TooManyLayers { most: MOST_LAYERS });
        }
        let isolation = self.way.isolation;
        let target = self.state_dir.join("layers").join(layer);
        if self.way.disk != Disk::Copy {
            let upper = self.dir().join("upper");
            // The upper folder of a mounted overlay is read from outside. The kernel calls changes from outside
            // undefined, but reading is safe (Documentation/filesystems/overlayfs.rst, "Changes to underlying
            // filesystems").
            self.copy_written(&upper, &target).await?;
            self.drop_given(&target).await?;
            flags::carry(isolation, &upper, &target).await.map_err(GuestError::prepare(&target))?;
            let below = self.layers.iter().filter(|_| self.way.disk == Disk::Overlay);
            return Ok(below.cloned().chain([layer.to_owned()]).collect());
        }
        self.copy_written(&self.tree(), &target).await?;
        for name in ["proc", "run", "tmp"].map(|name| target.join(name)) {
            // Anything else at this path is the instance's own.
            if name.symlink_metadata().is_ok_and(|facts| facts.is_dir()) {
                flags::empty(isolation, name).await?;
            }
        }
        // Flags come last: an immutable file could not be taken out or restored.
        self.take_given_out(&target).map_err(GuestError::prepare(&target))?;
        flags::carry(isolation, &self.tree(), &target).await.map_err(GuestError::prepare(&target))?;
        Ok(vec![layer.to_owned()])
    }

    /// Copies what the instance wrote. If the instance runs, files are created and removed during the copy: as in a
    /// snapshot of a volume, the copy has such a file or does not have it.
    async fn copy_written(&self, from: &Path, to: &Path) -> Result<(), GuestError> {
        match copy(self.way.isolation, from, to).await {
            Err(GuestError::Program(ProgramError::Failed { stderr, .. }))
                if self.is_running().await && have_gone(&stderr) =>
            {
                Ok(())
            }
            copied => copied,
        }
    }
}

/// Copies a tree with owners, modes, links, devices and extended attributes (which include an overlay's marks).
async fn copy(isolation: Isolation, from: &Path, to: &Path) -> Result<(), GuestError> {
    let mut command = isolation.as_root("cp");
    Ok(run("cp", command.env("LC_ALL", "C").args(["-a", REFLINK, "-T"]).arg(from).arg(to)).await?)
}

/// Returns whether `cp` reports only files that were removed or replaced after it had read their folder.
fn have_gone(said: &str) -> bool {
    // The messages of `cp` about what it reads. If a folder is removed while `cp` is in it, the message has only the
    // folder's name.
    const READING: [&str; 5] =
        ["cp: '", "cp: cannot stat ", "cp: cannot open ", "cp: cannot access ", "cp: cannot read symbolic link "];
    // For the last text: a folder became an overlay's mark of a removed entry, a device that no process may open.
    const GONE: [&str; 3] = [": No such file or directory", ": Not a directory", ": Permission denied"];
    let has_gone = |line: &str| {
        let of_source = READING.iter().any(|start| line.starts_with(start));
        of_source && GONE.iter().any(|end| line.ends_with(end))
            || line.ends_with("as it was replaced while being copied")
    };
    !said.is_empty() && said.lines().all(has_gone)
}

#[cfg(test)]
mod tests {
    use super::have_gone;

    #[test]
    fn only_files_that_went_are_left_out() {
        let gone = "cp: cannot stat 'upper/a': No such file or directory\n\
                    cp: 'upper/c/d': No such file or directory\n\
                    cp: cannot access 'upper/e': Not a directory\n\
                    cp: 'upper/f': Permission denied\n\
                    cp: skipping file 'upper/b', as it was replaced while being copied";
        assert!(have_gone(gone));
        let full = "cp: error writing 'layers/a': No space left on device";
        let target = "cp: cannot create directory 'layers/a': No such file or directory";
        for other in [full, target] {
            assert!(!have_gone(other) && !have_gone(&format!("{gone}\n{other}")), "{other}");
        }
        // The program was killed.
        assert!(!have_gone(""));
    }
}
