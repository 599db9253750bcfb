//! Programs of this machine: finding them, running them, and how they fail.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Output, Stdio};

/// How many lines of error output `run_unattended` keeps.
const LAST_LINES: usize = 5;

/// A program of this machine that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("{program} failed: {stderr}")]
    Failed {
        /// The program.
        program: &'static str,
        /// Its error output.
        stderr: String,
    },
}

/// Returns whether a program is in the search path.
pub(crate) fn has_program(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| is_in(&path, name))
}

/// Returns whether a program is in a search path.
pub(crate) fn is_in(path: &OsStr, name: &str) -> bool {
    std::env::split_paths(path).any(|folder| folder.join(name).is_file())
}

/// Runs a program to its end.
pub(crate) async fn run(program: &'static str, command: &mut Command) -> Result<(), ProgramError> {
    // tokio takes the command by value, while callers build it by reference.
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new(program)));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    succeeded(program, output)
}

/// Does the same for a program that installs or unpacks a system: it may ask nothing, and of its error output only the
/// last lines say why it failed.
pub(crate) async fn run_unattended(program: &'static str, command: &mut Command) -> Result<(), ProgramError> {
    let done = run(program, command.env("DEBIAN_FRONTEND", "noninteractive")).await;
    done.map_err(|error| match error {
        ProgramError::Failed { program, stderr } => {
            let lines: Vec<&str> = stderr.lines().collect();
            ProgramError::Failed { program, stderr: lines[lines.len().saturating_sub(LAST_LINES)..].join("; ") }
        }
        start @ ProgramError::Start { .. } => start,
    })
}

/// Runs a program to its end, for callers that may block.
pub(crate) fn run_now(program: &'static str, command: &mut Command) -> Result<(), ProgramError> {
    succeeded(program, command.stdin(Stdio::null()).output())
}

fn succeeded(program: &'static str, output: io::Result<Output>) -> Result<(), ProgramError> {
    let output = output.map_err(|source| ProgramError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(ProgramError::Failed { program, stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

/// Tries a command to see whether it works here. The error is the last line of its output.
pub(crate) fn try_out(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(last_line(&output).unwrap_or_else(|| format!("{program} failed ({})", output.status))),
        Err(error) => Err(format!("{program} cannot be started: {error}")),
    }
}

fn last_line(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("dmesg(1)"));
    lines.next_back().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::is_in;

    #[test]
    fn a_program_is_looked_for_in_each_folder_of_the_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mke2fs"), "").unwrap();
        let path = std::env::join_paths([std::path::Path::new("/nonexistent"), folder.path()]).unwrap();
        assert!(is_in(&path, "mke2fs") && !is_in(&path, "mke2fs.ext5") && !is_in("/nonexistent".as_ref(), "mke2fs"));
    }
}
