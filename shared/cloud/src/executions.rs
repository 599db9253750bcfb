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
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Its input, JSON text.
    pub input: String,
    /// Its output, JSON text, once it succeeded.
    pub output: Option<String>,
    /// Error name, once it failed.
    pub error: Option<String>,
    /// Cause text, once it failed.
    pub cause: Option<String>,
}

/// What a start came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A new execution with this ARN.
    New(String),
    /// The name is taken by an execution of ours, running or closed.
    NameTaken,
}

/// What an answer to a task token came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Step Functions took it.
    Taken,
    /// Too late: `TaskTimedOut`, `TaskDoesNotExist`, `InvalidToken`. Nobody waits any more.
    Late,
}

/// The stack's state machine.
#[async_trait]
pub trait Executions: Send + Sync {
    /// `StartExecution`. *Effect*, made unique by its name.
    async fn start(&self, state_machine: &str, name: &str, input: &str) -> Result<Started>;
    /// The execution, or none.
    async fn execution(&self, arn: &str) -> Result<Option<Execution>>;
    /// Names of the state machine's executions that run.
    async fn running(&self, state_machine: &str) -> Result<Vec<String>>;
    /// `StopExecution`. *Effect*, no error when it has ended.
    async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<()>;
    /// `SendTaskSuccess`. *Effect*; a second answer is `Late`.
    async fn succeed(&self, token: &str, output: &str) -> Result<Answer>;
    /// `SendTaskFailure`; error at most 256, cause at most 32,768 characters. *Effect*; a second answer is `Late`.
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answer>;
    /// `SendTaskHeartbeat`: whether a state waits for an answer to this token. It changes nothing where the definition has no
    /// `HeartbeatSeconds`.
    async fn is_waiting(&self, token: &str) -> Result<bool>;
}
