//! Packages from npm, in a folder for each suite that takes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A `node_modules` with the dependencies of a suite's `package.json`; none when Node or npm is missing or fails. There is no
/// lock file, since that would name the registry that somebody uses.
pub(crate) fn node_modules(suite: &str, package: &str) -> Option<PathBuf> {
    if !quiet(Command::new("node").arg("--version")) {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("node-{suite}"));
    let complete = folder.join("complete");
    if !fs::read_to_string(&complete).is_ok_and(|installed| installed == package) {
        fs::create_dir_all(&folder).ok()?;
        fs::write(folder.join("package.json"), package).ok()?;
        let npm = ["install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        if !quiet(Command::new("npm").args(npm).current_dir(&folder)) {
            return None;
        }
        fs::write(complete, package).ok()?;
    }
    Some(folder.join("node_modules"))
}

fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
