//! `ExecuteBash`: all commands in one script file, so that a variable of one is there for the next. Only the script's
//! own exit status counts; there is no implicit `set -e`.

use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Command;

use goldsmith_document::ExecuteBash;

use super::{End, Outcome, Place};
use crate::EXIT_REBOOT;
use crate::output::Output;
use crate::process::{self, Exit};
use crate::resolve::{ResolveError, Resolver};

/// Where programs are looked for if the agent was started without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The script of one step.
pub(crate) struct Script {
    pub(super) commands: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
enum BashError {
    #[error("bash is not on this machine's PATH, and ExecuteBash needs it")]
    Missing,
    #[error("bash cannot be started")]
    Start(#[source] io::Error),
    #[error("the script cannot be written to {}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Script {
    pub(super) fn new(inputs: &ExecuteBash, resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self { commands: inputs.commands.iter().map(|command| resolver.text(command)).collect::<Result<_, _>>()? })
    }

    pub(super) fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome {
        match self.start(place, output) {
            Ok(finished) => {
                let (end, exit_code) = judge(finished.exit);
                let outputs = BTreeMap::from([("stdout".to_owned(), finished.stdout)]);
                Outcome { end, exit_code, outputs, last_lines: finished.last_lines }
            }
            Err(error) => Outcome::failed(&error),
        }
    }

    fn start(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<process::Finished, BashError> {
        let path = place.scratch.join("input.sh");
        let script = self.commands.join("\n") + "\n";
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(script.as_bytes()))
            .map_err(|source| BashError::Write { path: path.clone(), source })?;
        let mut command = Command::new("bash");
        command.arg(&path).current_dir(place.working_directory);
        for (name, value) in [("HOME", "/root"), ("PATH", DEFAULT_PATH)] {
            if env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        process::run(&mut command, place.deadline, output).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BashError::Missing,
            _ => BashError::Start(error),
        })
    }
}

fn judge(exit: Exit) -> (End, Option<i32>) {
    match exit {
        Exit::Code(0) => (End::Success, Some(0)),
        Exit::Code(code) if code == i32::from(EXIT_REBOOT) => (End::RebootAndRepeat, Some(code)),
        Exit::Code(code) => (End::Failed(format!("exit status {code}")), Some(code)),
        Exit::Signal(signal) => (End::Failed(format!("ended by signal {signal}")), None),
        Exit::TimedOut => (End::Failed("timed out".to_owned()), None),
    }
}
