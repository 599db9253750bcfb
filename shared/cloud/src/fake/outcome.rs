//! The outcomes of a test's commands.

use std::fmt;

use crate::{Command, CommandStatus};

/// Outcome of one command on its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How the command ends, or `Running` if it never ends.
    pub status: CommandStatus,
    /// AWS's detailed status text.
    pub detail: String,
    /// Exit code of the script.
    pub exit_code: Option<i32>,
    /// The whole standard output, which is also the content of the log stream.
    pub stdout: String,
    /// The whole standard error: the agent's result in one line.
    pub stderr: String,
    /// What the SSM agent itself reports if there is no output.
    pub said: String,
}

impl Outcome {
    /// Returns the outcome with exit code 0 and this result line.
    #[must_use]
    pub fn success(result: &str) -> Self {
        Self::new(CommandStatus::Success, "Success", Some(0), result)
    }

    /// Returns the outcome with another exit code and this result line, to which SSM appends its own text.
    #[must_use]
    pub fn failed(exit_code: i32, result: &str) -> Self {
        let stderr = format!("{result}\nfailed to run commands: exit status {exit_code}");
        Self::new(CommandStatus::Failed, "Failed", Some(exit_code), &stderr)
    }

    /// Returns the outcome of a command that times out.
    #[must_use]
    pub fn timed_out() -> Self {
        Self::new(CommandStatus::TimedOut, "Execution Timed Out", None, "")
    }

    /// Returns the outcome of a command whose machine restarted: SSM's agent does not find its worker.
    #[must_use]
    pub fn lost() -> Self {
        let lost = Self::new(CommandStatus::Failed, "Failed", Some(1), "");
        Self { said: "document process failed unexpectedly: no worker".to_owned(), ..lost }
    }

    /// Returns the outcome of a command that SIGKILL ends, which SSM reports as a time-out.
    #[must_use]
    pub fn killed() -> Self {
        Self::new(CommandStatus::TimedOut, "Execution Timed Out", Some(137), "")
    }

    /// Returns the outcome of a command that never reaches the instance.
    #[must_use]
    pub fn undeliverable() -> Self {
        Self::new(CommandStatus::Undeliverable, "Undeliverable", None, "")
    }

    /// Returns the outcome of a command that runs until it is cancelled.
    #[must_use]
    pub fn endless() -> Self {
        Self::new(CommandStatus::Running, "InProgress", None, "")
    }

    /// Returns the same outcome with this standard output.
    #[must_use]
    pub fn with_stdout(self, stdout: &str) -> Self {
        Self { stdout: stdout.to_owned(), ..self }
    }

    fn new(status: CommandStatus, detail: &str, exit_code: Option<i32>, stderr: &str) -> Self {
        Self {
            status,
            detail: detail.to_owned(),
            exit_code,
            stdout: String::new(),
            stderr: stderr.to_owned(),
            said: String::new(),
        }
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self::success(r#"{"status":"success"}"#)
    }
}

type Predicate = Box<dyn Fn(&Command) -> bool + Send>;

/// The outcomes that are not assigned to a command yet.
#[derive(Default)]
pub(super) struct CommandScript {
    lines: Vec<(Predicate, Outcome)>,
    otherwise: Outcome,
}

impl CommandScript {
    pub(super) fn push(&mut self, wanted: impl Fn(&Command) -> bool + Send + 'static, outcome: Outcome) {
        self.lines.push((Box::new(wanted), outcome));
    }

    pub(super) fn otherwise(&mut self, outcome: Outcome) {
        self.otherwise = outcome;
    }

    /// Removes and returns the first outcome that is meant for this command.
    pub(super) fn take(&mut self, command: &Command) -> Outcome {
        match self.lines.iter().position(|(wanted, _)| wanted(command)) {
            Some(index) => self.lines.remove(index).1,
            None => self.otherwise.clone(),
        }
    }
}

impl fmt::Debug for CommandScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines.iter().map(|(_, outcome)| outcome)).finish()
    }
}
