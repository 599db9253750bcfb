//! Python packages from PyPI, each in a virtual environment of its own, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A Python with one package (`NAME==VERSION`), whose programs lie beside it; none when it cannot be made here.
pub(crate) fn python(requirement: &str) -> Option<PathBuf> {
    let requirement = requirement.trim();
    let name = format!("venv-{}", requirement.replace("==", "-"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !complete.exists() {
        let made = quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement];
        if !made || !quiet(Command::new(&python).args(pip)) {
            return None;
        }
        fs::write(complete, "").ok()?;
    }
    Some(python)
}
