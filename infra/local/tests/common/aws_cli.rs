//! The AWS CLI from PyPI, in a virtual environment of its own, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version that is wanted.
const REQUIREMENTS: &str = include_str!("../aws_cli/requirements.txt");

/// A Python with the CLI, whose program `aws` lies beside it; none when it cannot be made here.
pub(crate) fn python() -> Option<PathBuf> {
    let name = format!("venv-{}", REQUIREMENTS.trim().replace("==", "-"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    if !complete.exists() {
        let made = quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENTS.trim()];
        if !made || !quiet(Command::new(&python).args(pip)) {
            return None;
        }
        fs::write(complete, "").ok()?;
    }
    Some(python)
}
