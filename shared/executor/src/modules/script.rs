//! `ExecuteBash`: all commands are in one script file, so that a command can use the variables of earlier commands.
//! Only the exit status of the script counts. There is no implicit `set -e`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use goldsmith_document::ExecuteBash;

use super::command::{command, outcome};
use super::{Fields, Outcome, Perform, Place, Task, TaskError};
use crate::output::Output;
use crate::process::{self, Finished};
use crate::programs::find_program;
use crate::resolve::Resolver;

/// The script of one step.
pub(super) struct Script {
    commands: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum BashError {
    #[error("bash is not on this machine's PATH, but ExecuteBash needs it")]
    Missing,
    #[error("bash cannot be started")]
    Start(#[source] io::Error),
    #[error("the script cannot be written to {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Script {
    pub(super) fn task(inputs: &ExecuteBash, resolver: &Resolver<'_>) -> Result<Task, TaskError> {
        let mut fields = Fields::new(resolver);
        let commands = fields.texts("commands", &inputs.commands)?;
        Ok(Task::here(vec![fields.record()], Self { commands }))
    }

    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Finished, BashError> {
        let path = place.scratch.join("input.sh");
        let script = self.commands.join("\n") + "\n";
        OpenOptions::new()
            // The folder is new, so an existing file or link was put there by someone else and must not be written
            // through.
            .create_new(true)
            .write(true)
            // The references are replaced, so the script may contain secrets.
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(script.as_bytes()))
            .map_err(|source| BashError::Write { path: path.clone(), source })?;
        // With the name alone, each folder of `PATH` would be tried, and bash would look for itself there once more.
        let bash = find_program("bash").unwrap_or_else(|| "bash".into());
        process::run(command(bash).args([&path]), place, output).map_err(|error| match error.kind() {
            // The working directory was created before, so it is the program that is missing.
            io::ErrorKind::NotFound => BashError::Missing,
            _ => BashError::Start(error),
        })
    }
}

impl Perform for Script {
    fn perform(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome {
        self.run(place, output).map_or_else(|error| Outcome::failed(&error), outcome)
    }
}
