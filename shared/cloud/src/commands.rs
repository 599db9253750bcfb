//! SSM Run Command with the document `AWS-RunShellScript`.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A shell script to run on one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Target instance.
    pub instance: String,
    /// A comment of at most 100 characters, by which the command is found if the answer was lost.
    pub comment: String,
    /// The script, as one element of `commands`.
    pub script: String,
    /// `executionTimeout` in seconds, at most 172 800.
    pub timeout_seconds: u32,
    /// CloudWatch Logs group for the output.
    pub log_group: String,
}

/// Status of a command on its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandStatus {
    /// `Pending`, `InProgress`, `Delayed`, `Cancelling`
    Running,
    /// `Success`
    Success,
    /// `Failed`: the script ended with an exit code other than 0.
    Failed,
    /// `TimedOut`: the script took longer than `executionTimeout`, or was never delivered in time.
    TimedOut,
    /// `Cancelled`
    Cancelled,
    /// `Undeliverable`, `Terminated`, …: the instance could not be reached.
    Undeliverable,
}

/// The invocation of a command on its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Its status.
    pub status: CommandStatus,
    /// AWS's detailed status text.
    pub detail: String,
    /// The script's exit code, if it has ended.
    pub exit_code: Option<i32>,
    /// First 24,000 characters of standard output.
    pub stdout: String,
    /// First 8,000 characters of standard error.
    pub stderr: String,
}

/// What SSM knows about an instance's agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    /// `Online`, with the time of the agent's last contact. Systems Manager notices only after minutes that an agent is
    /// gone, so this may be said of a machine that is down.
    Online(Option<Timestamp>),
    /// `ConnectionLost` or `Inactive`, with the time of the agent's last contact.
    Lost(Option<Timestamp>),
    /// The agent has never registered.
    Unknown,
}

impl Ping {
    /// Returns whether SSM counts the agent as online.
    #[must_use]
    pub fn is_online(self) -> bool {
        matches!(self, Self::Online(_))
    }

    /// Returns whether the agent is online, and was in contact at this time or later. A time that is unknown does not
    /// count.
    #[must_use]
    pub fn is_online_since(self, time: Option<Timestamp>) -> bool {
        match (self, time) {
            (Self::Online(Some(heard)), Some(time)) => heard >= time,
            _ => self.is_online(),
        }
    }
}

/// SSM Run Command.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Returns what SSM knows about the instance's agent.
    async fn ping(&self, region: &str, instance: &str) -> Result<Ping>;
    /// Returns what the SSM agent itself reports about a command without output (`CommandPlugins`), or an empty text if
    /// it reports nothing.
    async fn said(&self, region: &str, command: &str, instance: &str) -> Result<String>;
    /// `SendCommand`. Returns the command id. *Effect* without a token: call [`Commands::find`] first. The SDK's
    /// retries are off.
    async fn send(&self, region: &str, command: &Command) -> Result<String>;
    /// Returns the id of the command that was sent to this instance with this comment.
    async fn find(&self, region: &str, instance: &str, comment: &str) -> Result<Option<String>>;
    /// Returns the invocation, or `None` if SSM does not know it (yet).
    async fn invocation(&self, region: &str, command: &str, instance: &str) -> Result<Option<Invocation>>;
    /// `CancelCommand`. *Effect*. It is no error if the command has ended.
    async fn cancel(&self, region: &str, command: &str) -> Result<()>;
}
