//! Finish: ends every build, no matter how its execution ended. It closes the build for new effects, and undoes what is
//! not kept, as far as AWS allows it. It writes the final status of the image, releases the lease, and sends the event
//! of the build's end and the message to its topic. The reaper does later what Finish could not do at once.
//!
//! Input: the definition's Finish or FinishFailed, or the execution's own status event, since no Catch runs if an
//! execution was stopped, timed out, or failed with `States.Runtime`. Output: `{outcome, image, amis}`, `{outcome,
//! image, ami}` of a verification, `{outcome, image, distributed, amis}` of a distribution, or `{error, cause}`. It may run any number of times: how a build ends is decided
//! once, when the build is closed.

pub(crate) mod after;
mod called;
mod ending;
mod figures;
mod kept;

use goldsmith_cloud::{Execution, ExecutionStatus};
use goldsmith_model::{ExecutionFailure, ExecutionInput, ExecutionOutput};
use goldsmith_store::{
    BuildRecord, BuildStatus, Ending, ExportedObject, FailureCause, ImageRecord, ImageStatus, Keep, Scope, StateStatus,
    stamp,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use ending::{Trigger, ending};
pub(crate) use figures::figures;
use kept::{forget_checkpoint, kept, kept_amis, what_stays};
pub(crate) use kept::{kept_now, kept_of};

use crate::engine::undo::{Patience, undo_build};
use crate::error_names::ErrorName;
use crate::events::start::kept_cause;
use crate::{Context, Error, LATE, Result, Start, State};

/// How long Finish retries calls that AWS does not answer. After that, the pipeline may build again, and the reaper
/// retries the calls.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// The detail of a `Step Functions Execution Status Change` event.
#[derive(Debug, Deserialize)]
struct StatusChange {
    name: String,
}

/// Runs one invocation from the definition.
///
/// # Errors
/// Fails if a call to the table or to AWS fails; the definition tries again.
pub(crate) async fn handle(context: &Context, start: &Start) -> Result<Value> {
    let trigger = match &start.error {
        Some(error) => Trigger::Failed(Box::new(error.failure(None))),
        None => Trigger::Succeeded,
    };
    let Some(record) = context.store.build(&start.build).await? else {
        if matches!(&trigger, Trigger::Failed(cause) if cause.error == ErrorName::Refused.as_str())
            && let Some(execution) = described(context, &start.execution).await?
        {
            without_build(context, &execution, true).await?;
        }
        return Ok(without_record(&trigger));
    };
    if is_of_another_execution(&record, &trigger) {
        return Ok(without_record(&trigger));
    }
    called::is_by_the_definition(context, &record, &trigger).await?;
    let image = finish(context, record, &trigger).await?;
    match (&trigger, &image.failure) {
        // The definition fails with these texts. The image stays, because the failure came after it was published.
        (Trigger::Failed(cause), None) => Ok(failed(&FailureCause {
            message: format!("{}; the image {} is published and is kept", cause.message, image.image),
            ..(**cause).clone()
        })),
        _ => Ok(answer(&image)),
    }
}

/// Returns whether Plan has rejected this execution because an earlier build had its name. The earlier build's own
/// execution ends it. If the build itself has ended with this rejection, it belongs to this execution, and some work
/// may remain for it.
fn is_of_another_execution(record: &BuildRecord, trigger: &Trigger) -> bool {
    let Trigger::Failed(cause) = trigger else { return false };
    let ended_by = record.ending.as_ref().and_then(|ending| ending.failure.as_ref());
    record.status == BuildStatus::Closed
        && cause.error == ErrorName::Refused.as_str()
        && ended_by.is_none_or(|ended_by| *ended_by != **cause)
}

/// Runs one invocation from the execution's status event.
///
/// # Errors
/// Fails if a call to the table or to AWS fails. Lambda retries the call, and the reaper retries it later.
pub(crate) async fn handle_event(context: &Context, detail: Value) -> Result<Value> {
    let Ok(change) = serde_json::from_value::<StatusChange>(detail) else {
        tracing::warn!("dropped an event that is not the status of an execution");
        return Ok(json!({}));
    };
    let record = context.store.build(&change.name).await?;
    let execution = match &record {
        Some(record) => record.execution.clone(),
        None => context.config.execution_arn(&change.name),
    };
    // The event is only a hint. Otherwise anyone who may invoke this function could end any build.
    let Some(execution) = context.cloud.executions.execution(&execution).await? else {
        tracing::warn!(execution, "dropped an event about an unknown execution");
        return Ok(json!({}));
    };
    if execution.status == ExecutionStatus::Running {
        tracing::warn!(execution = execution.arn, "dropped an event about an execution that is still running");
        return Ok(json!({}));
    }
    match record {
        Some(record) => Ok(answer(&finish(context, record, &ended(execution.status)).await?)),
        None if execution.status == ExecutionStatus::Aborted => {
            without_build(context, &execution, false).await?;
            Ok(json!({}))
        }
        None => Ok(json!({})),
    }
}

/// Returns how a build ended if only its execution's status is known.
fn ended(status: ExecutionStatus) -> Trigger {
    let status = match status {
        ExecutionStatus::Aborted => "ABORTED",
        ExecutionStatus::TimedOut => "TIMED_OUT",
        _ => "FAILED",
    };
    Trigger::Ended(status.to_owned())
}

/// Ends a build that is still open although its execution has ended.
///
/// # Errors
/// Fails if a call to the table or to AWS fails; the reaper tries again.
pub(crate) async fn finish_lost(context: &Context, record: BuildRecord, status: ExecutionStatus) -> Result<()> {
    finish(context, record, &ended(status)).await?;
    Ok(())
}

/// Returns an execution, or `None` if it does not exist or AWS denies the read.
async fn described(context: &Context, execution: &str) -> Result<Option<Execution>> {
    match context.cloud.executions.execution(execution).await {
        Err(error) if !error.is_transient() => {
            tracing::warn!(%error, execution, "the reaper will decide whether its cause is served");
            Ok(None)
        }
        found => Ok(found?),
    }
}

/// Handles an execution that ended before Plan opened a build. If Plan rejected the execution, its cause is retried as
/// after a failed build: a source that does not exist yet may exist in an hour. If the execution was stopped, its cause
/// is not built again. If the execution failed for another reason, its cause stays pending, and the reaper starts it
/// again.
async fn without_build(context: &Context, execution: &Execution, is_refused: bool) -> Result<()> {
    let Ok(input) = serde_json::from_str::<ExecutionInput>(&execution.input) else { return Ok(()) };
    let Some(kept) = kept_cause(context, &execution.name, &input).await? else { return Ok(()) };
    let now = context.clock.now();
    match is_refused {
        true => context.store.fail_cause(&kept.pipeline, &kept.cause, &execution.name, now).await?,
        false => context.store.serve_cause(&kept.pipeline, &kept.cause, now).await?,
    }
    Ok(())
}

async fn finish(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<ImageRecord> {
    let record = close(context, record, trigger).await?;
    let ending = record.ending.clone().ok_or_else(|| Error::internal("a build was closed without an ending"))?;
    let mut image = image(context, &record, &ending).await?;
    if record.status == BuildStatus::Closed {
        // The build has ended before. Only those whom it concerns may not know yet.
        if record.after.is_untold || record.after.is_unnotified {
            after::look_again(context, &record).await?;
        }
        return Ok(image);
    }
    let scope = Scope::from(State::Finish);
    context.store.note_running(&record.build, &scope, context.clock.now()).await?;
    forget_checkpoint(context, &record, &ending).await?;
    let kept = kept(context, &record, &ending, &image).await?;
    let undone = undo_build(context, &record, &kept, patience(context, &ending)).await?;
    let is_known = |object: &ExportedObject| image.exports.contains(object);
    let more: Vec<ExportedObject> = undone.exported.iter().filter(|object| !is_known(object)).cloned().collect();
    image.exports.extend(more);
    if matches!(ending.keep, Keep::Images { .. }) {
        image.amis = kept_amis(context, &record).await?;
    }
    // The states end before the build is closed. A process that dies here finds the build still closing and repeats
    // this; after the build is closed, nobody comes back for its states and its cause.
    let (now, stays) = (context.clock.now(), what_stays(&ending.keep, &record.plan));
    context.store.end_state(&record.build, &scope, StateStatus::Succeeded, stays, None, now).await?;
    end_open_states(context, &record, &ending).await?;
    note_served(context, &record, &ending).await?;
    // This releases the lease. Only then follows what AWS may refuse for a long time.
    let owed = after::owed(&record, &ending.keep, &undone);
    context.store.finish_build(&record, &image, &owed, now + LATE).await?;
    after::settle(context, &record, &image, &kept, owed, undone.is_putting).await?;
    Ok(image)
}

/// Returns whether Finish still holds the pipeline's lease when a call fails that may succeed later. A Region that
/// never answers must not hold the lease forever.
fn patience(context: &Context, ending: &Ending) -> Patience {
    let decided = ending.at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    match decided {
        Some(at) if context.clock.now() < at + PATIENCE => Patience::Some,
        _ => Patience::None,
    }
}

/// Marks the cause as served, or schedules its retry if the build has failed. If the build was published, also records
/// which AMI the build started from, for the check of sources.
async fn note_served(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let (pipeline, cause, now) = (&record.pipeline, &record.cause, context.clock.now());
    match ending.status {
        _ if !cause.is_automatic() => {}
        ImageStatus::Failed => {
            context.store.fail_cause(pipeline, cause, &record.build, now).await?;
            count_failure(context, record).await?;
        }
        // A person who stops a build does not want it.
        _ => context.store.serve_cause(pipeline, cause, now).await?,
    }
    if ending.keep == Keep::Published && !record.plan.overridden && record.plan.is_build() {
        context.store.forget_failures(pipeline).await?;
        let source = record.plan.source.hash();
        context.store.note_built(&source, pipeline, &record.plan.source_image).await?;
    }
    Ok(())
}

/// Counts a failed automatic build. After enough failures, the pipeline no longer starts automatically. Then the cause
/// is not built again.
async fn count_failure(context: &Context, record: &BuildRecord) -> Result<()> {
    let now = context.clock.now();
    // A pipeline that was deleted in the meantime has no policy.
    let Some(pipeline) = context.store.pipeline(&record.pipeline).await? else { return Ok(()) };
    if context.store.count_failure(&pipeline, record, now).await? {
        context.store.serve_cause(&record.pipeline, &record.cause, now).await?;
    }
    Ok(())
}

/// Returns the error for a record that has disappeared since it was last read.
fn lost() -> Error {
    Error::internal("the record of this build or of its image no longer exists")
}

/// Closes the build and decides its ending. If the build was published in the meantime, it ends as published.
async fn close(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<BuildRecord> {
    let mut record = record;
    while record.status == BuildStatus::Open {
        let ending = ending(context, &record, trigger);
        record = context.store.close_build(&record.build, &ending).await?.ok_or_else(lost)?;
    }
    Ok(record)
}

/// Returns the image's record with this ending.
async fn image(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<ImageRecord> {
    let mut image = context.store.image(&record.image).await?.ok_or_else(lost)?;
    image.status = ending.status;
    image.failure.clone_from(&ending.failure);
    image.ended_at.get_or_insert_with(|| stamp(context.clock.now()));
    Ok(image)
}

/// Ends the states that are still recorded as running: after the end of its build, no state may be shown as RUNNING.
async fn end_open_states(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let now = context.clock.now();
    for state in context.store.states(&record.build).await? {
        if state.status == StateStatus::Running {
            // First, because a retry does not find the state here any more.
            context.store.leave_line(&record.build, &state, now).await?;
            let scope = state.scope();
            let status = if ending.failure.is_some() { StateStatus::Failed } else { StateStatus::Succeeded };
            let detail = ending.failure.as_ref().map_or("done", |cause| cause.message.as_str());
            context.store.end_state(&record.build, &scope, status, detail, None, now).await?;
        }
    }
    Ok(())
}

/// Returns what the definition gets: the image of a good build, the AMI that was verified, the image that was
/// distributed, or the texts of the Fail state of a failed one.
fn answer(image: &ImageRecord) -> Value {
    match &image.failure {
        None if image.is_verification => {
            json!(ExecutionOutput::Verified { image: image.image.clone(), ami: image.source_image.clone() })
        }
        None if let Some(distributed) = &image.distributes => json!(ExecutionOutput::Distributed {
            image: image.image.clone(),
            distributed: distributed.clone(),
            amis: image.amis.clone()
        }),
        None => json!(ExecutionOutput::Built { image: image.image.clone(), amis: image.amis.clone() }),
        Some(cause) => failed(cause),
    }
}

/// Returns the output for the definition if there is no record because Plan rejected the start: it passes the error on.
fn without_record(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Failed(cause) => failed(cause),
        _ => json!(ExecutionOutput::Skipped { reason: None }),
    }
}

fn failed(cause: &FailureCause) -> Value {
    json!(ExecutionFailure { error: cause.error.clone(), cause: cause.to_string() })
}

#[cfg(test)]
mod tests;
