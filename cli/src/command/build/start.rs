//! Starts an execution under a name that is derived from its cause, so that the execution can be found if the answer to
//! the start is lost.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Result, anyhow};
use goldsmith_cloud::{Execution, ExecutionStatus, Started};
use goldsmith_model::{Cause, ExecutionInput, execution_name};
use jiff::Timestamp;

use crate::connection::Connection;
use crate::patience::Patience;
use crate::watch::PAUSE;

/// Number of names that are tried: a generated id is already taken only by chance.
const ATTEMPTS: u32 = 3;

/// How often the program checks whether a build has begun. Plan takes seconds, and at most two minutes.
const LOOKS_FOR_BUILD: u32 = 200;

/// An execution that was started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// Name of the execution, which is the build's id.
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) arn: String,
}

/// Returns a manual cause with its own id.
pub(crate) fn cause() -> Cause {
    let chance = RandomState::new().build_hasher().finish();
    Cause::Manual { id: format!("{}-{chance:016x}", Timestamp::now().as_second()) }
}

/// Starts the execution.
pub(crate) async fn start(connection: &Connection, input: &ExecutionInput) -> Result<Build> {
    let cause = input.cause.as_ref().ok_or_else(|| anyhow!("a start needs a cause"))?;
    let text = serde_json::to_string(input)?;
    for attempt in 1..=ATTEMPTS {
        let name = execution_name(&input.pipeline, cause, attempt);
        match connection.executions.start(&connection.state_machine, &name, &text).await? {
            Started::New(arn) => return Ok(Build { name, arn }),
            Started::NameTaken => {
                let arn = connection.execution_arn(&name);
                let there = connection.executions.execution(&arn).await?;
                // This is our own execution: the SDK repeated a start whose answer was lost.
                if there.is_some_and(|execution| same_json(&execution.input, &text)) {
                    return Ok(Build { name, arn });
                }
            }
        }
    }
    Err(anyhow!("every name for the execution is taken"))
}

/// Waits until Plan has opened the build, so that its id is known to every command. Returns the execution if it has ended
/// without a build: Plan has rejected the start, nothing has changed, or another build is running.
pub(crate) async fn ended_early(connection: &Connection, build: &Build) -> Result<Option<Execution>> {
    let mut patience = Patience::default();
    for _ in 0..LOOKS_FOR_BUILD {
        // The execution is read first: if it has ended, the record was written before, or never will be.
        let look = async {
            let execution = connection.executions.execution(&build.arn).await?;
            Ok((execution, connection.store.build(&build.name).await?.is_some()))
        };
        match patience.take(look.await)? {
            Some((_, true)) => return Ok(None),
            Some((Some(execution), false)) if execution.status != ExecutionStatus::Running => {
                return Ok(Some(execution));
            }
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok(None)
}

fn same_json(one: &str, other: &str) -> bool {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    parse(one).is_some() && parse(one) == parse(other)
}
