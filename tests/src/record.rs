//! What one suite saw, kept for the count of another: outcomes by execution, in a file of Cargo's folder for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::outcomes::Outcome;

/// Outcomes by the execution's name.
pub type Executions = BTreeMap<String, BTreeSet<Outcome>>;

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The definition that ran: what another one did tells nothing.
    definition: String,
    executions: Executions,
}

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
pub fn keep(folder: &Path, suite: &str, definition: &str, executions: Executions) -> io::Result<()> {
    fs::write(file(folder, suite), serde_json::to_vec(&Record { definition: definition.to_owned(), executions })?)
}

/// What a suite saw of this definition; none when it did not run to its end.
///
/// # Errors
/// When the file cannot be read.
pub fn kept(folder: &Path, suite: &str, definition: &str) -> io::Result<Option<Executions>> {
    let text = match fs::read(file(folder, suite)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    // What an older suite has written in another form tells nothing either.
    let record = serde_json::from_slice::<Record>(&text).ok().filter(|record| record.definition == definition);
    Ok(record.map(|record| record.executions))
}

fn file(folder: &Path, suite: &str) -> PathBuf {
    folder.join(format!("histories-of-{suite}.json"))
}
