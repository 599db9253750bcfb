//! Where a run keeps its state, and by which name it is found again.
//!
//! A state directory may be given to several runs. For each run that is not over there is a file in it that holds the
//! run's execution id; its name is a digest of documents, parameters and phases. So the same call goes on with its own
//! run, and any other call begins a new one.

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
    /// The file with the execution id; none where the user gave the id.
    note: Option<PathBuf>,
    /// The state is this run's alone, and goes with it.
    own: bool,
}

impl Place {
    /// The place of a run that is not over, or a new one.
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

    /// The run is over: nothing goes on from here. What cannot be removed does no harm.
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
        Ok(_) => Ok(None), // interrupted between making and writing it, before anything ran
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
