//! Starts the programs of actions and judges how they end.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{End, Outcome, Place, TIMED_OUT};
use crate::EXIT_REBOOT;
use crate::process::{Exit, Finished};
use crate::programs::DEFAULT_PATH;

/// Returns a command in the working directory. It has a `HOME` and a `PATH` even if the agent was started without them.
pub(super) fn command(program: impl AsRef<Path>, place: &Place<'_>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(place.working_directory);
    for (name, value) in [("HOME", "/root"), ("PATH", DEFAULT_PATH)] {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    command
}

/// Returns the outcome of a step's program. Exit status 194 asks for a reboot and another run of the same step.
pub(super) fn outcome(finished: Finished) -> Outcome {
    let (end, exit_code) = match finished.exit {
        Exit::Code(0) => (End::Success, Some(0)),
        Exit::Code(code) if code == i32::from(EXIT_REBOOT) => {
            (End::Reboot { again: true, delay: Duration::ZERO }, Some(code))
        }
        Exit::Code(code) => (End::Failed(format!("exit status {code}")), Some(code)),
        Exit::Signal(signal) => (End::Failed(format!("ended by signal {signal}")), None),
        Exit::TimedOut => (End::Failed(TIMED_OUT.to_owned()), None),
    };
    let outputs = BTreeMap::from([("stdout".to_owned(), finished.stdout)]);
    Outcome { end, exit_code, outputs, last_lines: finished.last_lines }
}
