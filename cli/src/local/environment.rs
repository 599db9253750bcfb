//! The Python environment of the emulator. It is created once for each set of requirements, and never changed
//! afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Say;
use super::files::{self, Files};
use super::folders::{Folders, lock};
use crate::digest;
use crate::exit::lacking;

/// Name of the file that marks an environment as complete.
const COMPLETE: &str = ".complete";

/// Returns the environment's interpreter. Creating the environment takes about ten seconds and 110 MB, and needs the
/// package index.
pub(crate) fn ensure(folders: &Folders, files: &Files, say: Say<'_>) -> Result<PathBuf> {
    let digest = digest::of_texts([files::REQUIREMENTS].into_iter());
    let folder = folders.data.join(format!("venv-{}", &digest[..16]));
    let python = folder.join("bin/python");
    if folder.join(COMPLETE).is_file() {
        return Ok(python);
    }
    let _lock = lock(&folder.with_extension("lock"))?;
    // Another process may have made it while this one waited for the lock.
    if !folder.join(COMPLETE).is_file() {
        say("Making the Python environment of the local AWS (once, about ten seconds).");
        make(&folder, &python, &files.path("requirements.txt"))?;
    }
    Ok(python)
}

fn make(folder: &Path, python: &Path, requirements: &Path) -> Result<()> {
    // A folder without the mark comes from a process that died, and may have any part of the packages.
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    run("python3", Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    // Only packages that the lock names, by their digests, and no build programs of packages.
    let only = ["--require-hashes", "--only-binary", ":all:"];
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run("pip", Command::new(python).args(pip).args(only).arg("--requirement").arg(requirements))?;
    let mark = folder.join(COMPLETE);
    fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
}

fn run(name: &str, command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last = said.trim().lines().last().unwrap_or("it printed nothing");
    Err(lacking(format!("the Python environment cannot be created, because {name} failed: {last}")))
}
