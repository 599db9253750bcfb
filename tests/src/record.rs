//! What one suite saw, kept for the count of another: outcomes by execution, in a file of Cargo's folder for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::outcomes::Outcome;

/// Outcomes by the execution's name.
pub type Executions = BTreeMap<String, BTreeSet<Outcome>>;

/// Forgets what an earlier run of the suite saw.
///
/// # Errors
/// When the file is there and stays.
pub fn forget(folder: &Path, suite: &str) -> io::Result<()> {
    match fs::remove_file(file(folder, suite)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Keeps what a suite saw.
///
/// # Errors
/// When the file cannot be written.
pub fn keep(folder: &Path, suite: &str, seen: &Executions) -> io::Result<()> {
    fs::write(file(folder, suite), serde_json::to_vec(seen)?)
}

/// What a suite saw; none when it did not run to its end.
///
/// # Errors
/// When the file cannot be read.
pub fn kept(folder: &Path, suite: &str) -> io::Result<Option<Executions>> {
    match fs::read(file(folder, suite)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(serde_json::from_slice(&read?)?)),
    }
}

fn file(folder: &Path, suite: &str) -> PathBuf {
    folder.join(format!("histories-of-{suite}.json"))
}
