//! The programs of the machine.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The `PATH` for programs if the agent was started without one.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the place of a program: the file itself for a path, otherwise the first match on `PATH`.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let is_program =
        |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path).map(|folder| folder.join(program)).find(is_program)
}
