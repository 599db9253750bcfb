//! Executions of the stack's state machine, and the task tokens of its waiting states.

use async_trait::async_trait;

use crate::Result;

/// Status of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionStatus {
    /// `RUNNING`, `PENDING_REDRIVE`
    Running,
    /// `SUCCEEDED`
    Succeeded,
    /// `FAILED`
    Failed,
    /// `TIMED_OUT`
    TimedOut,
    /// `ABORTED`
    Aborted,
}

/// An execution as Step Functions describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// ARN.
    pub arn: String,
    /// Name, which is the build id.
    pub name: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// Its input, JSON text.
    pub input: String,
    /// Its output, JSON text, if it succeeded.
    pub output: Option<String>,
    /// Error name, if it failed.
    pub error: Option<String>,
    /// Cause text, if it failed.
    pub cause: Option<String>,
}

/// Result of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A new execution with this ARN.
    New(String),
    /// An execution of this state machine, running or closed, has the name already.
    NameTaken,
}

/// Result of an answer to a task token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Step Functions accepted it.
    Taken,
    /// It came too late: `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`. No state waits for it any more.
    Late,
}

/// The stack's state machine.
#[async_trait]
pub trait Executions: Send + Sync {
    /// `StartExecution`. *Effect*; the name makes the execution unique.
    async fn start(&self, state_machine: &str, name: &str, input: &str) -> Result<Started>;
    /// Returns the execution, or `None`.
    async fn execution(&self, arn: &str) -> Result<Option<Execution>>;
    /// Returns the names of the state machine's running executions.
    async fn running(&self, state_machine: &str) -> Result<Vec<String>>;
    /// `StopExecution`. *Effect*; no error if it has ended.
    async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<()>;
    /// `SendTaskSuccess`. *Effect*; a second answer is `Late`.
    async fn succeed(&self, token: &str, output: &str) -> Result<Answer>;
    /// `SendTaskFailure`. The error has at most 256 characters, the cause at most 32,768. *Effect*; a second answer is
    /// `Late`.
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answer>;
    /// `SendTaskHeartbeat`. Returns whether a state waits for an answer to this token. It changes nothing if the
    /// definition has no `HeartbeatSeconds`.
    async fn is_waiting(&self, token: &str) -> Result<bool>;
}
