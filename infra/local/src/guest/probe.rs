//! What this machine can do for instances: found out by trying, never by asking for versions.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

/// How an instance's file system is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Disk {
    /// An overlay mount over the image's layers: starts at once, an image is what was written.
    Overlay,
    /// A copy of the image's tree, where no overlay can be mounted.
    Copy,
}

/// How an instance's processes are kept together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Isolation {
    /// Own mount, process, host name and IPC namespaces.
    Namespaces,
    /// Only another root directory, where namespaces are refused (ordinary containers).
    Chroot,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Disk::Overlay { "overlay" } else { "copy" })
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Isolation::Namespaces { "namespaces" } else { "chroot" })
    }
}

/// What this machine can do for instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Abilities {
    /// Whether this process is root.
    pub root: bool,
    /// Whether it may make namespaces and mount in them.
    pub namespaces: bool,
    /// Whether an overlay can be mounted over the folder that was asked about.
    pub overlay: bool,
    /// Whether it may change its root directory.
    pub chroot: bool,
    /// Whether `mmdebstrap` is here, or apt that can install it.
    pub base_image_tool: bool,
}

impl Abilities {
    /// Whether instances can run.
    pub fn can_run_instances(&self) -> bool {
        self.root && self.chroot
    }

    /// What keeps instances from running, for people; none when they can.
    pub fn missing(&self) -> Option<&'static str> {
        match (self.root, self.chroot) {
            (false, _) => Some("this process is not root"),
            (true, false) => Some("this process is root but may not chroot"),
            (true, true) => None,
        }
    }

    pub(crate) fn disk(&self) -> Disk {
        if self.namespaces && self.overlay { Disk::Overlay } else { Disk::Copy }
    }

    pub(crate) fn isolation(&self) -> Isolation {
        if self.namespaces { Isolation::Namespaces } else { Isolation::Chroot }
    }
}

/// Tries what this machine can do, with disks in `folder` (which must exist). Leaves nothing.
pub fn requirements(folder: &Path) -> Abilities {
    Abilities {
        root: rustix::process::geteuid().is_root(),
        namespaces: namespaces_work(),
        overlay: overlay_works(folder),
        chroot: succeeds(Command::new("chroot").args(["/", "true"])),
        base_image_tool: crate::base::has_tool(),
    }
}

/// The flags that give an instance its namespaces.
pub(super) const UNSHARE: [&str; 8] =
    ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--propagation", "private"];

fn namespaces_work() -> bool {
    succeeds(Command::new("unshare").args(UNSHARE).args(["sh", "-c", "mount -t proc proc /proc"]))
}

fn overlay_works(folder: &Path) -> bool {
    let trial = folder.join(format!(".trial-{}", std::process::id()));
    let made = ["lower", "upper", "work", "tree"].iter().all(|name| std::fs::create_dir_all(trial.join(name)).is_ok());
    let mount = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work,volatile tree && : > tree/file";
    let works = made && succeeds(Command::new("unshare").args(UNSHARE).args(["sh", "-c", mount]).current_dir(&trial));
    std::fs::remove_dir_all(&trial).is_ok() && works
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
