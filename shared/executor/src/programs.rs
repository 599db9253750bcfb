//! The programs of the machine.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The `PATH` for programs if the agent was started without one.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the place of a program: the file itself for a path, otherwise the first match on `PATH`.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    places(program, None).into_iter().find(is_program)
}

/// Returns the files that a name may stand for, one in each folder of this `PATH`, or of that of the agent.
pub(crate) fn places(name: impl AsRef<Path>, path: Option<OsString>) -> Vec<PathBuf> {
    let path = path.or_else(|| env::var_os("PATH")).unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path).map(|folder| folder.join(name.as_ref())).collect()
}
