//! Starts builds for causes. Each cause is recorded first. Its execution has a name that is derived from the cause, so
//! no cause is built twice.

use goldsmith_cloud::{Execution, ExecutionStatus, Started};
use goldsmith_model::{Cause, ExecutionInput, ExecutionOutput, Name, Status};
use goldsmith_store::{CauseRecord, CauseStatus, Lease};
use jiff::SignedDuration;

use crate::error_names::ErrorName;
use crate::{Context, Error, Result};

/// How many ended executions of one cause are skipped before the cause waits for the next check.
const ATTEMPTS: u32 = 5;

/// Longest time after which a cause that a freeze has postponed is looked at again.
const FROZEN_LOOK: SignedDuration = SignedDuration::from_hours(1);

/// The result of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// An execution was started.
    Started,
    /// An execution for this cause is already running.
    Running,
    /// Another build of the pipeline is running, it is too early for the cause, or the stack is being retired. The
    /// cause is kept.
    Kept,
    /// A build has served the cause before.
    Served,
    /// The pipeline no longer starts automatically, because its builds have failed. The cause is not kept.
    Stopped,
}

/// Starts a build of the pipeline for a cause, or keeps the cause for later. The call is safe to repeat, even much
/// later.
///
/// # Errors
/// Fails if a call to the table or to AWS fails. If the cause was already kept, the reaper starts it.
pub(crate) async fn start(context: &Context, pipeline: &Name, cause: &Cause) -> Result<Start> {
    // A cause that is not kept does not count as served. If its source has still not been built when a person enables
    // the pipeline, the next check of sources finds it again.
    if context.store.is_stopped(pipeline).await? {
        return Ok(Start::Stopped);
    }
    let record = context.store.keep_cause(pipeline, cause, context.clock.now()).await?;
    if record.status == CauseStatus::Served {
        return Ok(Start::Served);
    }
    // A stack that takes over the table builds what was kept.
    if context.store.is_retired().await? {
        return Ok(Start::Kept);
    }
    // This look only saves an execution that would end at once. It decides nothing: Plan takes the lease under a
    // condition, and another build may take it in between.
    let lease = context.store.lease(pipeline).await?;
    match &lease.build {
        Some(build) if *build == record.execution_name() => Ok(Start::Running),
        Some(_) => Ok(Start::Kept),
        None => start_in_time(context, record, &lease).await,
    }
}

/// Starts a pending cause of a pipeline that no build holds. The oldest cause that is due determines the kind. Of this
/// kind, only the newest due cause is started, since its build serves all of them.
///
/// # Errors
/// Fails if a call to the table or to AWS fails; the reaper tries again.
pub(crate) async fn start_pending(context: &Context, pipeline: &Name) -> Result<()> {
    let (pending, now) = (context.store.pending_causes(pipeline).await?, context.clock.now());
    let Some(first) = pending.iter().find(|record| !record.rests(now)) else { return Ok(()) };
    let lease = context.store.lease(pipeline).await?;
    if lease.build.is_some() || context.store.is_retired().await? {
        return Ok(());
    }
    let same_kind: Vec<&CauseRecord> =
        pending.iter().filter(|record| record.cause.kind() == first.cause.kind()).collect();
    let Some(newest) = same_kind.iter().rposition(|record| !record.rests(now)) else { return Ok(()) };
    // A pipeline that was disabled in the meantime, by a person or by failures, is only started by hand, so nothing will
    // ever serve the causes that wait for it.
    let is_disabled = context.store.pipeline(pipeline).await?.is_some_and(|found| found.status == Status::Disabled);
    if is_disabled || context.store.is_stopped(pipeline).await? {
        for record in &pending {
            context.store.serve_cause(pipeline, &record.cause, now).await?;
        }
        return Ok(());
    }
    // The newest cause is started before the older ones count as served, so that none is lost in between.
    if start_in_time(context, same_kind[newest].clone(), &lease).await? != Start::Kept {
        for record in &same_kind[..newest] {
            context.store.serve_cause(pipeline, &record.cause, now).await?;
        }
    }
    Ok(())
}

/// Starts a kept cause if it is due.
async fn start_in_time(context: &Context, record: CauseRecord, lease: &Lease) -> Result<Start> {
    let now = context.clock.now();
    if record.rests(now) {
        return Ok(Start::Kept);
    }
    // What comes during a freeze waits too, and one build serves all causes of a kind. A cause is looked at every hour,
    // because a person may shorten the freeze.
    let pipeline = context.store.pipeline(&record.pipeline).await?;
    if let Some(until) = pipeline.and_then(|pipeline| pipeline.frozen_until(now)) {
        context.store.defer_cause(&record, until.min(now + FROZEN_LOOK)).await?;
        return Ok(Start::Kept);
    }
    // Plan would answer that it is too soon. Without a time in the cause, the reaper would start such an execution
    // again and again during the whole hour.
    if let Some(until) = lease.rests_until(now) {
        context.store.defer_cause(&record, until).await?;
        return Ok(Start::Kept);
    }
    start_kept(context, record).await
}

/// Returns the cause that an execution may name as its own. The cause must be kept and still pending, the execution
/// must be the one that was started for it, and the input must contain nothing else.
///
/// Anyone who may start executions may name any cause. Without this proof, a claimed cause would count as served when
/// the build ends. Then the image for which the cause exists, such as one with the release that fixes a vulnerability,
/// would never be built.
///
/// # Errors
/// Fails if a call to the table fails.
pub(crate) async fn kept_cause(context: &Context, build: &str, input: &ExecutionInput) -> Result<Option<CauseRecord>> {
    let Some(cause) = input.cause.as_ref().filter(|cause| cause.is_automatic()) else {
        return Ok(None);
    };
    let kept = context.store.cause(&input.pipeline, cause).await?;
    Ok(kept.filter(|record| {
        record.status == CauseStatus::Pending && record.execution_name() == build && *input == input_for(record)
    }))
}

/// Returns the input of the execution that is started for a cause. It depends on the cause alone.
fn input_for(record: &CauseRecord) -> ExecutionInput {
    ExecutionInput::new(record.pipeline.clone(), record.cause.clone())
}

async fn start_kept(context: &Context, mut record: CauseRecord) -> Result<Start> {
    let machine = &context.config.state_machine;
    let wanted = input_for(&record);
    let input = serde_json::to_string(&wanted)
        .map_err(|error| Error::internal(format!("the input of an execution cannot be written as JSON: {error}")))?;
    for _ in 0..ATTEMPTS {
        // The name follows from the cause and the attempt, and Step Functions lets a name be used only once in 90 days.
        // So a redelivered event, or a second invocation at the same time, finds the first execution and builds nothing
        // twice.
        let name = record.execution_name();
        if let Started::New(_) = context.cloud.executions.start(machine, &name, &input).await? {
            return Ok(Start::Started);
        }
        // DescribeExecution is eventually consistent: it may not know yet the execution that has just taken the name.
        let Some(taken) = context.cloud.executions.execution(&context.config.execution_arn(&name)).await? else {
            return Ok(Start::Kept);
        };
        if taken.status == ExecutionStatus::Running {
            return Ok(Start::Running);
        }
        // Somebody else may have started an execution under the cause's name. That execution neither serves the cause
        // nor keeps it from being started.
        let is_ours = serde_json::from_str::<ExecutionInput>(&taken.input).is_ok_and(|input| input == wanted);
        if is_ours && (!wants_another(&taken) || context.store.build(&name).await?.is_some()) {
            return close(context, &record, &name, taken.status).await;
        }
        record = context.store.next_attempt(&record, context.clock.now()).await?;
        if record.status == CauseStatus::Served {
            return Ok(Start::Served);
        }
        // The failure may pass. The next attempt has a time of its own, so that it is not made every minute.
        if is_ours && taken.status == ExecutionStatus::Failed {
            return Ok(Start::Kept);
        }
    }
    Ok(Start::Kept)
}

/// Handles a cause whose execution has ended: it built, had nothing to build, was rejected, or was stopped. If it has a
/// build, that build's `finish` marks the cause as served or failed. Otherwise, this function marks it.
async fn close(context: &Context, record: &CauseRecord, name: &str, status: ExecutionStatus) -> Result<Start> {
    if context.store.build(name).await?.is_some() {
        return Ok(Start::Served);
    }
    let (pipeline, cause, now) = (&record.pipeline, &record.cause, context.clock.now());
    match status {
        ExecutionStatus::Failed | ExecutionStatus::TimedOut => {
            context.store.fail_cause(pipeline, cause, name, now).await?;
            Ok(Start::Kept)
        }
        _ => {
            context.store.serve_cause(pipeline, cause, now).await?;
            Ok(Start::Served)
        }
    }
}

/// Returns whether the cause of an ended execution still needs a build: another build of its pipeline ran, or the
/// execution failed for a reason that may have passed by now.
fn wants_another(execution: &Execution) -> bool {
    let output = execution.output.as_deref().unwrap_or_default();
    let stood_back = || serde_json::from_str(output).is_ok_and(|output: ExecutionOutput| output.has_stood_back());
    match execution.status {
        ExecutionStatus::Succeeded => stood_back(),
        ExecutionStatus::Failed => execution.error.as_deref().is_some_and(is_passing),
        ExecutionStatus::Running | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => false,
    }
}

/// Returns whether an error's name says that a retry may work later. The names are Goldsmith's name for throttling, and
/// the names of Lambda's own errors.
fn is_passing(error: &str) -> bool {
    error == ErrorName::Throttled.as_str()
        || ["Lambda.", "Runtime.", "Sandbox."].iter().any(|its| error.starts_with(its))
}

#[cfg(test)]
mod forged;
#[cfg(test)]
mod held;
#[cfg(test)]
mod retried;
#[cfg(test)]
mod tests;
