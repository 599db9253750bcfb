//! Starting builds for causes: each cause is written down first, started under a name made of it, and never built twice.

use goldsmith_cloud::{Execution, ExecutionStatus, Started};
use goldsmith_model::{Cause, ExecutionInput, Name};
use goldsmith_store::{CauseRecord, CauseStatus};
use serde::Deserialize;

use crate::errors::ErrorName;
use crate::{Context, Result};

/// How many closed executions of one cause are stepped over before it is left to the next look.
const ATTEMPTS: u32 = 5;

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// An execution was started.
    Started,
    /// An execution for this cause runs already.
    Running,
    /// Another build of the pipeline runs, or the stack is being retired: the cause is kept.
    Kept,
    /// A build took the cause in before.
    Served,
}

/// Starts a build of the pipeline for a cause, or keeps the cause for later. Safe to repeat, however late.
///
/// # Errors
/// What table and cloud say; the cause is kept by then, and the reaper starts it.
pub async fn start(context: &Context, pipeline: &Name, cause: &Cause) -> Result<Start> {
    let record = context.store.keep_cause(pipeline, cause, context.clock.now()).await?;
    if record.status == CauseStatus::Served {
        return Ok(Start::Served);
    }
    // Whoever takes the table up builds what was kept.
    if context.store.is_retired().await? {
        return Ok(Start::Kept);
    }
    match context.store.running_build(pipeline).await? {
        Some(build) if build == record.execution_name() => Ok(Start::Running),
        Some(_) => Ok(Start::Kept),
        None => start_kept(context, record).await,
    }
}

/// Starts what is kept for a pipeline that no build holds: the oldest kind first, and of each kind only the newest
/// cause, since one build takes them all in.
///
/// # Errors
/// What table and cloud say; the reaper tries again.
pub async fn start_pending(context: &Context, pipeline: &Name) -> Result<()> {
    let pending = context.store.pending_causes(pipeline).await?;
    let Some(first) = pending.first() else { return Ok(()) };
    if context.store.running_build(pipeline).await?.is_some() || context.store.is_retired().await? {
        return Ok(());
    }
    let same_kind: Vec<&CauseRecord> =
        pending.iter().filter(|record| record.cause.kind() == first.cause.kind()).collect();
    let Some((newest, older)) = same_kind.split_last() else { return Ok(()) };
    // The newest is started before the older ones are let go, so that none is lost in between.
    if start_kept(context, (*newest).clone()).await? != Start::Kept {
        for record in older {
            context.store.serve_cause(pipeline, &record.cause, context.clock.now()).await?;
        }
    }
    Ok(())
}

/// The cause that an execution may name as its own: one that is kept and still asks for a build, in the execution that is
/// started for it and with nothing else in its input.
///
/// Whoever may start executions may name any cause. One that is believed without this proof would count as served when the
/// build ends, and what it stands for, such as the release that mends a hole, would never be built.
///
/// # Errors
/// The table's.
pub(crate) async fn kept_cause(context: &Context, build: &str, input: &ExecutionInput) -> Result<Option<CauseRecord>> {
    let Some(cause) = input.cause.as_ref().filter(|cause| !matches!(cause, Cause::Manual { .. })) else {
        return Ok(None);
    };
    let kept = context.store.cause(&input.pipeline, cause).await?;
    Ok(kept.filter(|record| {
        record.status == CauseStatus::Pending && record.execution_name() == build && *input == input_for(record)
    }))
}

/// The input of the execution that is started for a cause: a function of the cause alone.
fn input_for(record: &CauseRecord) -> ExecutionInput {
    ExecutionInput::new(record.pipeline.clone(), record.cause.clone())
}

async fn start_kept(context: &Context, mut record: CauseRecord) -> Result<Start> {
    let machine = &context.config.state_machine;
    let wanted = input_for(&record);
    let input = serde_json::to_string(&wanted).unwrap_or_default();
    for _ in 0..ATTEMPTS {
        let name = record.execution_name();
        if let Started::New(_) = context.cloud.executions.start(machine, &name, &input).await? {
            return Ok(Start::Started);
        }
        let Some(taken) = context.cloud.executions.execution(&context.config.execution_arn(&name)).await? else {
            return Ok(Start::Kept);
        };
        if taken.status == ExecutionStatus::Running {
            return Ok(Start::Running);
        }
        // Somebody else may have started something under the cause's name: that neither serves it nor stands in its way.
        let is_ours = serde_json::from_str::<ExecutionInput>(&taken.input).is_ok_and(|input| input == wanted);
        if is_ours && (!wants_another(&taken) || context.store.build(&name).await?.is_some()) {
            return close(context, &record, &name).await;
        }
        record = context.store.next_attempt(&record).await?;
        if record.status == CauseStatus::Served {
            return Ok(Start::Served);
        }
    }
    Ok(Start::Kept)
}

/// The execution for this cause has ended: it built, had nothing to build, was refused or stopped. If it has a build, that build's `finish`
/// marks the cause served; without one there is nothing to wait for.
async fn close(context: &Context, record: &CauseRecord, name: &str) -> Result<Start> {
    if context.store.build(name).await?.is_none() {
        context.store.serve_cause(&record.pipeline, &record.cause, context.clock.now()).await?;
    }
    Ok(Start::Served)
}

/// Whether the cause of a closed execution still wants a build: another build of its pipeline ran, or it failed for a
/// reason that may be gone by now.
fn wants_another(execution: &Execution) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        outcome: String,
    }
    let output = execution.output.as_deref().unwrap_or_default();
    let stood_back = || serde_json::from_str::<Answer>(output).is_ok_and(|answer| answer.outcome == "already-running");
    match execution.status {
        ExecutionStatus::Succeeded => stood_back(),
        ExecutionStatus::Failed => execution.error.as_deref().is_some_and(is_passing),
        ExecutionStatus::Running | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => false,
    }
}

/// Whether an error's name says that the same may work later: ours for throttling, and Lambda's own.
fn is_passing(error: &str) -> bool {
    error == ErrorName::Throttled.as_str()
        || ["Lambda.", "Runtime.", "Sandbox."].iter().any(|its| error.starts_with(its))
}

#[cfg(test)]
mod forged;
#[cfg(test)]
mod tests;
