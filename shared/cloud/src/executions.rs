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
    /// Name of the execution, which is the build id.
    pub name: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// Input of the execution, as JSON text.
    pub input: String,
    /// Output of the execution, as JSON text, if it succeeded.
    pub output: Option<String>,
    /// Name of the error, if the execution failed.
    pub error: Option<String>,
    /// Text of the cause, if the execution failed.
    pub cause: Option<String>,
}

/// Result of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A new execution with this ARN.
    New(String),
    /// Another execution of this state machine, running or closed, already has the name.
    NameTaken,
}

/// Result of an answer to a task token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Step Functions accepted the answer.
    Taken,
    /// The answer came too late: `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`. No state waits for it anymore.
    Late,
}

/// The stack's state machine.
#[async_trait]
pub trait Executions: Send + Sync {
    /// `StartExecution`. *Effect*. The name makes the execution unique.
    async fn start(&self, state_machine: &str, name: &str, input: &str) -> Result<Started>;
    /// Returns the execution, or `None`.
    async fn execution(&self, arn: &str) -> Result<Option<Execution>>;
    /// Returns the names of the state machine's running executions.
    async fn running(&self, state_machine: &str) -> Result<Vec<String>>;
    /// `StopExecution`. *Effect*. It is no error if the execution has ended.
    async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<()>;
    /// `SendTaskSuccess`. *Effect*. A second answer returns `Late`.
    async fn succeed(&self, token: &str, output: &str) -> Result<Answer>;
    /// `SendTaskFailure`. The error has at most 256 characters, and the cause at most 32,768. *Effect*. A second answer
    /// returns `Late`.
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answer>;
    /// `SendTaskHeartbeat`. Returns whether a state waits for an answer to this token. The call changes nothing if the
    /// definition has no `HeartbeatSeconds`.
    async fn is_waiting(&self, token: &str) -> Result<bool>;
}
