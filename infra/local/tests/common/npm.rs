//! Packages from npm, in a folder for each suite that takes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A `node_modules` with what the lock beside a suite's `package.json` names, by its digests; none when Node or npm is missing
/// or fails.
pub(crate) fn node_modules(suite: &str, package: &str, lock: &str) -> Option<PathBuf> {
    if !quiet(Command::new("node").arg("--version")) {
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("node-{suite}"));
    let complete = folder.join("complete");
    if !fs::read_to_string(&complete).is_ok_and(|installed| installed == lock) {
        fs::create_dir_all(&folder).ok()?;
        fs::write(folder.join("package.json"), package).ok()?;
        fs::write(folder.join("package-lock.json"), lock).ok()?;
        let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        if !quiet(Command::new("npm").args(npm).current_dir(&folder)) {
            return None;
        }
        fs::write(complete, lock).ok()?;
    }
    Some(folder.join("node_modules"))
}

fn quiet(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}
