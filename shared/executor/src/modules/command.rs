//! Starts the programs of actions and judges how they end.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::time::Duration;

use super::{End, Outcome, TIMED_OUT};
use crate::EXIT_REBOOT;
use crate::process::{Command, Exit, Finished};
use crate::programs::DEFAULT_PATH;

/// The number of SIGKILL.
const KILL: i32 = 9;

/// Returns a command that has a `HOME` and a `PATH` even if the agent was started without them.
pub(super) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, value) in [("HOME", "/root"), ("PATH", DEFAULT_PATH)] {
        if env::var_os(name).is_none() {
            command = command.env(name, value);
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
        Exit::Code(code) => (End::Failed(code_text(code)), Some(code)),
        Exit::Signal(signal) => (End::Failed(signal_text(signal)), None),
        Exit::TimedOut => (End::Failed(TIMED_OUT.to_owned()), None),
    };
    let outputs = BTreeMap::from([("stdout".to_owned(), finished.stdout)]);
    let (last_lines, watch) = (finished.last_lines, Box::new(finished.watch));
    Outcome { end, exit_code, outputs, last_lines, watch, evidence: Vec::new() }
}

/// Says how a program ended. A shell adds 128 to the signal that killed its last program.
fn code_text(code: i32) -> String {
    match code - 128 {
        // A number that programs often use themselves, such as 129 of git, says nothing about a signal.
        signal @ (2 | 4 | 6 | 7 | 8 | 9 | 11 | 13 | 15) => format!("exit status {code}: {}", signal_text(signal)),
        _ => format!("exit status {code}"),
    }
}

fn signal_text(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        KILL => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("killed by signal {signal}"),
    };
    format!("killed by signal {signal} ({name})")
}

/// Returns whether the message of a failed step says that SIGKILL ended a program.
pub(crate) fn is_killed(message: &str) -> bool {
    message.contains(&signal_text(KILL))
}

#[cfg(test)]
mod tests {
    use super::{code_text, is_killed, signal_text};

    #[test]
    fn the_signal_that_ended_a_program_is_named() {
        assert_eq!(code_text(137), "exit status 137: killed by signal 9 (SIGKILL)");
        assert_eq!(code_text(139), "exit status 139: killed by signal 11 (SIGSEGV)");
        assert_eq!(
            [code_text(1), code_text(129), code_text(255)],
            ["exit status 1", "exit status 129", "exit status 255"]
        );
        assert_eq!([signal_text(9), signal_text(40)], ["killed by signal 9 (SIGKILL)", "killed by signal 40"]);
        assert!(is_killed(&format!("iteration 1 failed: {}", code_text(137))) && !is_killed(&code_text(143)));
    }
}
