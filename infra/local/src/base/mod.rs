//! The base image: a minimal Debian, made once on this machine by `mmdebstrap`.

mod error;
mod oci;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use error::BaseImageError;

use crate::guest::host_settings::mirror;
use crate::guest::isolation::Isolation;
use crate::guest::probe::requirements;
use crate::own::own_folder;
use crate::programs::{has_program, run_unattended};

/// Debian release of the source image.
const SUITE: &str = "bookworm";
/// Packages in addition to the minimal system: those that download by HTTPS, and an init system for isolations that
/// boot one.
const PACKAGES: &str = "curl,ca-certificates,systemd-sysv";
/// Package sources that an image names: Debian's own mirror, even if the image was made from another mirror.
const SOURCES: &str = "deb http://deb.debian.org/debian bookworm main\\n\
                       deb http://deb.debian.org/debian bookworm-updates main\\n\
                       deb http://deb.debian.org/debian-security bookworm-security main\\n";

/// Adds devices while packages are installed in a user namespace of one id. There, `mmdebstrap` fails to mount
/// terminals, which need the id of a group.
const ADD_DEVICES: &str = "mkdir -p \"$1/dev\" && for node in null zero full random urandom tty; do \
                           : > \"$1/dev/$node\" && mount -n --bind \"/dev/$node\" \"$1/dev/$node\" || exit; done";
/// Removes these devices.
const REMOVE_DEVICES: &str = "for node in null zero full random urandom tty; do \
                              umount -n \"$1/dev/$node\" && rm \"$1/dev/$node\" || exit; done";

/// Returns the path of the root file system of a minimal Debian 12, a tar file in `cache_dir`. Makes the file if it
/// does not exist yet (about 20 s and 210 MB). `progress` receives a short text for each step that takes time. If
/// `mmdebstrap` is missing and this process is root, apt installs it.
pub async fn ensure_base_image(cache_dir: &Path, progress: impl Fn(&str)) -> Result<PathBuf, BaseImageError> {
    let path = cache_dir.join(format!("debian-12-{}.tar", std::env::consts::ARCH));
    if path.is_file() {
        return Ok(path);
    }
    let cache = |path: &Path| {
        let path = path.to_owned();
        move |source| BaseImageError::Cache { path, source }
    };
    std::fs::create_dir_all(cache_dir).map_err(cache(cache_dir))?;
    // Several endpoints of this machine share the folder. Two of them may need the image at the same time.
    let _lock = lock(cache_dir.join(".lock")).await?;
    if path.is_file() {
        return Ok(path); // Another process or task has made it in the meantime.
    }
    let abilities = requirements(cache_dir);
    let unable = || BaseImageError::Unable { missing: abilities.missing().unwrap_or_default() };
    let isolation = abilities.way().ok_or_else(unable)?.isolation;
    ensure_tool(&progress).await?;
    progress("making a minimal Debian 12 (once, about half a minute)");
    // The file has another name until it is complete.
    let partial = cache_dir.join(".partial.tar");
    let made = make(&partial, isolation).await;
    if made.is_err() {
        std::fs::remove_file(&partial).ok();
    }
    made?;
    std::fs::rename(&partial, &path).map_err(cache(&path))?;
    Ok(path)
}

/// Unpacks the base image next to its tar file, in a folder that this user owns, and returns the path. All endpoints
/// share this tree, and nothing ever writes to it. It is unpacked once for each version of the file and each kind of
/// owners.
pub(crate) async fn unpacked(tar: &Path, isolation: Isolation) -> Result<PathBuf, BaseImageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BaseImageError::Cache { path, source }
    };
    let facts = std::fs::metadata(tar).map_err(failed(tar))?;
    let folder = tar.with_extension(format!("{}-{}-{}.base", facts.size(), facts.mtime(), isolation.owners()));
    own_folder(&folder)?;
    let folder = folder.canonicalize().map_err(failed(&folder))?;
    let _lock = lock(folder.join("lock")).await?;
    let tree = folder.join("tree");
    if tree.is_dir() {
        return Ok(tree);
    }
    // Earlier versions had the tree at this path.
    let former = folder.with_extension("");
    if former.symlink_metadata().is_ok_and(|facts| facts.is_dir()) {
        std::fs::rename(&former, &tree).map_err(failed(&former))?;
        return Ok(tree);
    }
    let partial = folder.join("partial");
    // An earlier attempt may have been killed. Its files may belong to ids that only the namespace has.
    run_unattended("rm", isolation.as_root("rm").arg("-rf").arg(&partial)).await?;
    std::fs::create_dir(&partial).map_err(failed(&partial))?;
    unpack(isolation, tar, &partial, &folder).await?;
    std::fs::rename(&partial, &tree).map_err(failed(&tree))?;
    Ok(tree)
}

/// Unpacks a root file system, or the layers of an image archive over each other. This user owns `folder`.
async fn unpack(isolation: Isolation, tar: &Path, tree: &Path, folder: &Path) -> Result<(), BaseImageError> {
    let archive = folder.join("layers");
    std::fs::create_dir_all(&archive).map_err(|source| BaseImageError::Cache { path: archive.clone(), source })?;
    // From a root file system, this unpacks nothing.
    let names = ["index.json", "manifest.json", "blobs", "*/layer.tar"];
    let mut peek = Command::new("tar");
    run_unattended("tar", peek.arg("-C").arg(&archive).arg("--wildcards").arg("-xf").arg(tar).args(names)).await.ok();
    let layers = oci::layers(&archive);
    let mut laid = Ok(());
    for layer in layers.iter().flatten() {
        laid = oci::lay(isolation, layer, tree, &folder.join("layer")).await;
        if laid.is_err() {
            break;
        }
    }
    if layers.is_none() {
        let mut command = isolation.as_root("tar");
        command.arg("-C").arg(tree).args(oci::flags(isolation)).arg("-xpf").arg(tar);
        laid = run_unattended("tar", &mut command).await.map_err(Into::into);
    }
    std::fs::remove_dir_all(&archive).ok();
    laid
}

/// Waits until no other process or task makes the image.
async fn lock(path: PathBuf) -> Result<File, BaseImageError> {
    let failed = |path: PathBuf| move |source| BaseImageError::Cache { path, source };
    let file = File::create(&path).map_err(failed(path.clone()))?;
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file));
    locked.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(failed(path))
}

async fn ensure_tool(progress: &impl Fn(&str)) -> Result<(), BaseImageError> {
    if has_program("mmdebstrap") {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(BaseImageError::NoTool { why: "and only root can install it" });
    }
    if !has_program("apt-get") {
        return Err(BaseImageError::NoTool { why: "and there is no apt-get to install it" });
    }
    progress("installing mmdebstrap");
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "--no-install-recommends", "mmdebstrap"]);
    Ok(run_unattended("apt-get", &mut install).await?)
}

async fn make(target: &Path, isolation: Isolation) -> Result<(), BaseImageError> {
    let mut command = match isolation {
        Isolation::Nspawn | Isolation::Namespaces | Isolation::Chroot => Command::new("mmdebstrap"),
        Isolation::UserNamespace => {
            let mut command = Command::new("mmdebstrap");
            command.arg("--mode=unshare");
            command
        }
        // `mmdebstrap` does not know such a namespace, but it takes the namespace's root for a real root.
        Isolation::SingleUid => {
            let mut command = isolation.unshare();
            command.args(["mmdebstrap", "--mode=root", "--skip=chroot/mount/dev"]);
            command.arg(format!("--setup-hook={ADD_DEVICES}")).arg(format!("--customize-hook={REMOVE_DEVICES}"));
            command
        }
    };
    command.args(["--quiet", "--variant=minbase"]).arg(format!("--include={PACKAGES}"));
    // Files that it copied from the host or left behind do not belong in an image.
    command.arg(format!("--customize-hook=printf '{SOURCES}' > \"$1/etc/apt/sources.list\""));
    command.arg("--customize-hook=rm -f \"$1/etc/resolv.conf\"; echo localhost > \"$1/etc/hostname\"");
    command.arg("--customize-hook=: > \"$1/etc/machine-id\"");
    command.arg(SUITE).arg(target);
    if let Some(address) = mirror() {
        command.arg(address);
    }
    Ok(run_unattended("mmdebstrap", &mut command).await?)
}
