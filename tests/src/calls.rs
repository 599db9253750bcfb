//! The calls that the roles of one suite's stack made, kept for another suite: a file of Cargo's folder for tests, one JSON
//! line for each distinct call and for each role's policies, as `infra/local/recording.py` writes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Forgets what an earlier run of the suite called.
///
/// # Errors
/// When a file is there and stays.
pub fn forget(folder: &Path, suite: &str) -> io::Result<()> {
    for file in [calls(folder, suite), template(folder, suite)] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Keeps the calls next to the template of the stack that made them.
///
/// # Errors
/// When a file cannot be written.
pub fn keep(folder: &Path, suite: &str, of: &str, lines: &str) -> io::Result<()> {
    fs::write(template(folder, suite), of)?;
    fs::write(calls(folder, suite), lines)
}

/// The file with the calls of a suite; none when it did not run to its end, or with another template.
///
/// # Errors
/// When what is there cannot be read.
pub fn kept(folder: &Path, suite: &str, of: &str) -> io::Result<Option<PathBuf>> {
    let calls = calls(folder, suite);
    match fs::read_to_string(template(folder, suite)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => Ok((found? == of && calls.is_file()).then_some(calls)),
    }
}

fn calls(folder: &Path, suite: &str) -> PathBuf {
    folder.join(format!("calls-of-{suite}.jsonl"))
}

fn template(folder: &Path, suite: &str) -> PathBuf {
    folder.join(format!("template-of-{suite}.yaml"))
}
