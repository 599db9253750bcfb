//! Where a run keeps its state, and the name by which a later call finds it.
//!
//! Several runs may use the same state directory. For each unfinished run, the directory has a file with the run's
//! execution id. The name of that file is a digest of the documents, parameters and phases. So a repeated call resumes
//! its own run, and any other call begins a new run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_document::digest;

use super::config::Config;
use super::documents::Documents;
use crate::output;

/// The place of one run.
pub(super) struct Place {
    pub(super) execution: String,
    pub(super) state: PathBuf,
    /// The file with the execution id, or `None` if the user gave the id.
    note: Option<PathBuf>,
    /// Whether the state belongs to this run alone, and is removed with the run.
    own: bool,
}

impl Place {
    /// Returns the place of an unfinished run, or a new one.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(super) fn find(config: &Config, documents: &Documents) -> Result<Self> {
        let given = config.execution_id.clone();
        let Some(state) = config.state_directory.clone() else {
            let own = given.is_none();
            let execution = given.map_or_else(new_id, Ok)?;
            let name = format!(".goldsmith-state-{}", execution.replace('/', "-"));
            let state = config.log_directory.join(name);
            let note = own.then(|| state.join(note_name(config, documents)));
            return Self { execution, state, note, own }.noted();
        };
        if let Some(execution) = given {
            return Ok(Self { execution, state, note: None, own: false });
        }
        let note = state.join(note_name(config, documents));
        if let Some(execution) = read(&note)? {
            output::say(&format!("resuming the execution {execution}"));
            return Ok(Self { execution, state, note: Some(note), own: false });
        }
        Self { execution: new_id()?, state, note: Some(note), own: false }.noted()
    }

    fn noted(self) -> Result<Self> {
        if let Some(note) = &self.note {
            let cannot = || format!("{} cannot be written", note.display());
            fs::create_dir_all(&self.state).with_context(cannot)?;
            fs::write(note, &self.execution).with_context(cannot)?;
        }
        Ok(self)
    }

    /// Removes the state of a finished run, so that nothing resumes from it. It is harmless if files cannot be removed.
    pub(super) fn forget(&self) {
        if self.own {
            let _ = fs::remove_dir_all(&self.state);
        } else if let Some(note) = &self.note {
            let _ = fs::remove_file(note);
        }
    }
}

fn read(note: &Path) -> Result<Option<String>> {
    match fs::read_to_string(note) {
        Ok(execution) if !execution.is_empty() => Ok(Some(execution)),
        Ok(_) => Ok(None), // interrupted between creating and writing it, before anything ran
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", note.display())),
    }
}

fn note_name(config: &Config, documents: &Documents) -> String {
    let documents: Vec<_> = documents.ordered.iter().map(|d| (&d.name, &d.digest, &d.parameters)).collect();
    let identity = serde_json::to_string(&(documents, &config.phases)).unwrap_or_default(); // only text
    format!("{}.execution", &digest(&identity)[..16])
}

fn new_id() -> Result<String> {
    let source = "/proc/sys/kernel/random/uuid";
    let id = fs::read_to_string(source).with_context(|| format!("{source} cannot be read"))?;
    Ok(id.trim().to_owned())
}
