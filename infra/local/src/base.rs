//! The base image: a minimal Debian, made once on this machine by `mmdebstrap`.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::guest::{fresh_dir, host_mirror};

/// Debian release of the source image.
const SUITE: &str = "bookworm";
/// What the minimal system has beside itself: fetching by HTTPS.
const PACKAGES: &str = "curl,ca-certificates";
/// Sources that an image names: Debian's own mirror, whatever mirror it was made from.
const SOURCES: &str = "deb http://deb.debian.org/debian bookworm main\\n\
                       deb http://deb.debian.org/debian bookworm-updates main\\n\
                       deb http://deb.debian.org/debian-security bookworm-security main\\n";

/// Why there is no base image.
#[derive(Debug, thiserror::Error)]
pub enum BaseImageError {
    /// The folder cannot be used.
    #[error("cannot use {path}")]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no `mmdebstrap` and it cannot be installed.
    #[error("mmdebstrap is missing ({why}): install it, for example by `apt-get install mmdebstrap`")]
    NoTool {
        /// Why it could not be installed.
        why: &'static str,
    },
    /// Only root can make a file system with its owners.
    #[error("making the base image needs root")]
    NotRoot,
    /// A program failed.
    #[error("{program} failed: {stderr}")]
    Program {
        /// The program.
        program: &'static str,
        /// The end of what it said.
        stderr: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Whether the base image can be made here, or its tool installed.
pub(crate) fn has_tool() -> bool {
    has_program("mmdebstrap") || has_program("apt-get")
}

fn has_program(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// The root file system of a minimal Debian 12 as a tar file in `cache_dir`, made when it is not there yet (about 20 s
/// and 190 MB). `progress` is told in a few words what takes time. Needs root; installs `mmdebstrap` by apt when missing.
pub async fn ensure_base_image(cache_dir: &Path, progress: impl Fn(&str)) -> Result<PathBuf, BaseImageError> {
    let path = cache_dir.join(format!("debian-{SUITE}-{}.tar", std::env::consts::ARCH));
    if path.is_file() {
        return Ok(path);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(BaseImageError::NotRoot);
    }
    let cache = |path: &Path| {
        let path = path.to_owned();
        move |source| BaseImageError::Cache { path, source }
    };
    std::fs::create_dir_all(cache_dir).map_err(cache(cache_dir))?;
    let _lock = lock(cache_dir.join(".lock")).await?;
    if path.is_file() {
        return Ok(path); // Another process or task made it while we waited.
    }
    ensure_tool(&progress).await?;
    progress("making a minimal Debian 12 (once, about half a minute)");
    // Under another name until it is complete.
    let partial = cache_dir.join(".partial.tar");
    let made = make(&partial).await;
    if made.is_err() {
        std::fs::remove_file(&partial).ok();
    }
    made?;
    std::fs::rename(&partial, &path).map_err(cache(&path))?;
    Ok(path)
}

/// The base image unpacked beside its tar file, for all endpoints that use it: nothing ever writes there. Done once for
/// each version of the file.
pub(crate) async fn unpacked(tar: &Path) -> Result<PathBuf, BaseImageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BaseImageError::Cache { path, source }
    };
    let facts = std::fs::metadata(tar).map_err(failed(tar))?;
    let tree = tar.with_extension(format!("{}-{}", facts.size(), facts.mtime()));
    let _lock = lock(tar.with_extension("lock")).await?;
    if tree.is_dir() {
        return tree.canonicalize().map_err(failed(&tree));
    }
    let partial = tar.with_extension("partial");
    fresh_dir(&partial).map_err(failed(&partial))?;
    let mut command = Command::new("tar");
    command.arg("-C").arg(&partial).args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"]).arg(tar);
    run("tar", &mut command).await?;
    std::fs::rename(&partial, &tree).map_err(failed(&tree))?;
    tree.canonicalize().map_err(failed(&tree))
}

/// Waits until nobody else makes the image.
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
    if !has_program("apt-get") {
        return Err(BaseImageError::NoTool { why: "and there is no apt-get to install it" });
    }
    progress("installing mmdebstrap");
    run("apt-get", Command::new("apt-get").args(["install", "-y", "--no-install-recommends", "mmdebstrap"])).await
}

async fn make(target: &Path) -> Result<(), BaseImageError> {
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase"]).arg(format!("--include={PACKAGES}"));
    // What it copied from the host or left behind does not belong into an image.
    command.arg(format!("--customize-hook=printf '{SOURCES}' > \"$1/etc/apt/sources.list\""));
    command.arg("--customize-hook=rm -f \"$1/etc/resolv.conf\"; echo localhost > \"$1/etc/hostname\"");
    command.arg("--customize-hook=: > \"$1/etc/machine-id\"");
    command.arg(SUITE).arg(target);
    if let Some(mirror) = host_mirror() {
        command.arg(mirror);
    }
    run("mmdebstrap", &mut command).await
}

async fn run(program: &'static str, command: &mut Command) -> Result<(), BaseImageError> {
    let output =
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|source| BaseImageError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = stderr.trim().lines().rev().take(5).collect();
    let stderr = last.into_iter().rev().collect::<Vec<_>>().join("; ");
    Err(BaseImageError::Program { program, stderr })
}
