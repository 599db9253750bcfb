//! Python packages from PyPI, each in a virtual environment of its own, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

static MAKING: Mutex<()> = Mutex::new(());

/// A Python with what a lock names, by its digests, and no package's own program to build it; none when it cannot be made
/// here. Its programs lie beside it.
pub(crate) fn python(suite: &str, lock: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("venv-{suite}"));
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    // Cases that run at the same time must not make it twice: the second one would empty it under the first.
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if !fs::read_to_string(&complete).is_ok_and(|installed| installed == lock) {
        if !quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder)) {
            return None;
        }
        let file = folder.join("requirements.txt");
        fs::write(&file, lock).ok()?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let only = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement"];
        if !quiet(Command::new(&python).args(pip).args(only).arg(&file)) {
            return None;
        }
        fs::write(complete, lock).ok()?;
    }
    Some(python)
}
