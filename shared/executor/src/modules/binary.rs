//! `ExecuteBinary`: a program with its arguments, without a shell.

use std::io;
use std::path::{Path, PathBuf};

use goldsmith_document::ExecuteBinary;

use super::command::{command, outcome};
use super::files::FileError;
use super::{Fields, Outcome, Perform, Place, Task, TaskError};
use crate::output::Output;
use crate::process::{self, Finished};
use crate::resolve::Resolver;

/// The program of one step.
pub(super) struct Program {
    path: String,
    arguments: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum BinaryError {
    #[error(transparent)]
    Path(#[from] FileError),
    #[error("`{name}` is not on this machine's PATH")]
    NotOnPath { name: String },
    #[error("{} does not exist, or the interpreter that its first line names does not exist", path.display())]
    Missing { path: PathBuf },
    #[error("{} cannot be started", path.display())]
    Start { path: PathBuf, source: io::Error },
}

impl Program {
    pub(super) fn task(inputs: &ExecuteBinary, resolver: &Resolver<'_>) -> Result<Task, TaskError> {
        let mut fields = Fields::new(resolver);
        let path = fields.text("path", &inputs.path)?;
        let arguments = fields.texts("arguments", &inputs.arguments)?;
        Ok(Task::here(vec![fields.record()], Self { path, arguments }))
    }

    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Finished, BinaryError> {
        // A name without a slash is looked up on PATH. A relative path starts at the working directory.
        let path = if self.path.contains('/') { place.path(&self.path)? } else { Path::new(&self.path).to_owned() };
        process::run(command(&path).args(&self.arguments), place, output).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound if self.path.contains('/') => BinaryError::Missing { path },
            io::ErrorKind::NotFound => BinaryError::NotOnPath { name: self.path.clone() },
            _ => BinaryError::Start { path, source },
        })
    }
}

impl Perform for Program {
    fn perform(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome {
        self.run(place, output).map_or_else(|error| Outcome::failed(&error), outcome)
    }
}
