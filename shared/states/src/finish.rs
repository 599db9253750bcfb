//! Finish: ends every build, however it ended. Closes it for new effects, undoes what is not kept as far as AWS lets it,
//! writes the image's last status and releases the lease, tells the world. What is not done then, the reaper comes back to.
//!
//! Input: the definition's Finish or FinishFailed, or the execution's own status event (no Catch runs where an execution
//! was stopped, timed out, or failed by `States.Runtime`). Output: `{outcome, image, amis}` or `{error, cause}`. It may
//! run any number of times: how a build ends is decided once, when it is closed.

pub mod after;
mod called;
mod ending;
mod kept;

use goldsmith_cloud::{Execution, ExecutionStatus};
use goldsmith_model::ExecutionInput;
use goldsmith_store::{
    BuildRecord, BuildStatus, Ending, FailureCause, ImageRecord, ImageStatus, Keep, Scope, StateStatus, stamp,
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use ending::{Trigger, ending, execution};
use kept::{kept, kept_amis, what_stays};
pub(crate) use kept::{kept_now, kept_of};

use crate::errors::ErrorName;
use crate::start::kept_cause;
use crate::undo::{Patience, undo_build};
use crate::{Context, Error, Result, Start, State};

/// How long it is waited for what AWS does not answer before the pipeline may build again without it.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Detail of `Step Functions Execution Status Change`.
#[derive(Debug, Deserialize)]
struct StatusChange {
    name: String,
}

/// Runs one invocation from the definition.
///
/// # Errors
/// What table and cloud say; the definition tries again.
pub async fn handle(context: &Context, start: &Start) -> Result<Value> {
    let trigger = match &start.error {
        Some(error) => Trigger::Failed(Box::new(error.failure(&execution()))),
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
    // Plan has refused to build under a name that was used before: that build has its own end.
    if record.status == BuildStatus::Closed
        && matches!(&trigger, Trigger::Failed(cause) if cause.error == ErrorName::Refused.as_str())
    {
        return Ok(without_record(&trigger));
    }
    called::is_by_the_definition(context, &record, &trigger).await?;
    let image = finish(context, record, &trigger).await?;
    match (&trigger, &image.failure) {
        // The definition fails with these texts: the image stays, and what failed came after it was published.
        (Trigger::Failed(cause), None) => Ok(failed(&FailureCause {
            message: format!("{}; the image {} is published and stays", cause.message, image.image),
            ..(**cause).clone()
        })),
        _ => Ok(answer(&image)),
    }
}

/// Runs one invocation from the execution's status event.
///
/// # Errors
/// What table and cloud say; Lambda tries again, and the reaper after it.
pub async fn handle_event(context: &Context, detail: Value) -> Result<Value> {
    let Ok(change) = serde_json::from_value::<StatusChange>(detail) else {
        tracing::warn!("an event that is not an execution's status was dropped");
        return Ok(json!({}));
    };
    let record = context.store.build(&change.name).await?;
    let execution = match &record {
        Some(record) => record.execution.clone(),
        None => context.config.execution_arn(&change.name),
    };
    // The event is a hint: whoever may invoke this function could otherwise end any build.
    let Some(execution) = context.cloud.executions.execution(&execution).await? else {
        tracing::warn!(execution, "an event of an execution that nobody knows was dropped");
        return Ok(json!({}));
    };
    if execution.status == ExecutionStatus::Running {
        tracing::warn!(execution = execution.arn, "an event of an execution that runs was dropped");
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

/// What ended a build, where its execution's status is all that there is to know.
fn ended(status: ExecutionStatus) -> Trigger {
    let status = match status {
        ExecutionStatus::Aborted => "ABORTED",
        ExecutionStatus::TimedOut => "TIMED_OUT",
        _ => "FAILED",
    };
    Trigger::Ended(status.to_owned())
}

/// Ends a build that nobody else ended.
///
/// # Errors
/// What table and cloud say; the reaper tries again.
pub(crate) async fn finish_lost(context: &Context, record: BuildRecord, status: ExecutionStatus) -> Result<()> {
    finish(context, record, &ended(status)).await?;
    Ok(())
}

/// An execution, as far as AWS tells of it.
async fn described(context: &Context, execution: &str) -> Result<Option<Execution>> {
    match context.cloud.executions.execution(execution).await {
        Err(error) if !error.is_transient() => {
            tracing::warn!(%error, execution, "whether its cause is served is left to the reaper");
            Ok(None)
        }
        found => Ok(found?),
    }
}

/// An execution that ended before Plan opened a build. Where its cause was refused it is tried again as after a build that
/// has failed: a source that is not there yet may be in an hour. What somebody stopped is not built again. What failed for
/// another reason stays pending, and the reaper starts it anew.
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
        if record.after.is_untold {
            after::look_again(context, &record).await?;
        }
        return Ok(image);
    }
    let scope = Scope { state: State::Finish.name().to_owned(), item: None };
    context.store.note_running(&record.build, &scope, context.clock.now()).await?;
    let kept = kept(context, &record, &ending, &image).await?;
    let undone = undo_build(context, &record, &kept, patience(context, &ending)).await?;
    if matches!(ending.keep, Keep::Images { .. }) {
        image.amis = kept_amis(context, &record).await?;
    }
    let (now, stays) = (context.clock.now(), what_stays(&ending.keep, record.plan.overridden));
    context.store.end_state(&record.build, &scope, StateStatus::Succeeded, stays, None, now).await?;
    end_open_states(context, &record, &ending).await?;
    note_served(context, &record, &ending).await?;
    let owed = after::owed(&ending.keep, &undone);
    context.store.finish_build(&record, &image, &owed, now + after::LATE).await?;
    after::settle(context, &record, &image, &kept, owed, undone.is_putting).await?;
    Ok(image)
}

/// How long a call that may work later holds the pipeline's lease: a Region that never answers must not hold it for ever.
fn patience(context: &Context, ending: &Ending) -> Patience {
    let decided = ending.at.as_ref().and_then(|at| at.parse::<Timestamp>().ok());
    match decided {
        Some(at) if context.clock.now() < at + PATIENCE => Patience::Some,
        _ => Patience::None,
    }
}

/// The cause has its build, or is tried again where that has failed. Of a build that has published, the source's watcher
/// learns which AMI it started from.
async fn note_served(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let (pipeline, cause, now) = (&record.pipeline, &record.cause, context.clock.now());
    match ending.status {
        _ if !cause.is_automatic() => {}
        ImageStatus::Failed => context.store.fail_cause(pipeline, cause, &record.build, now).await?,
        // Who stops a build does not want it.
        _ => context.store.serve_cause(pipeline, cause, now).await?,
    }
    if ending.keep == Keep::Published && !record.plan.overridden {
        let source = record.plan.source.hash();
        context.store.note_built(&source, pipeline, &record.plan.source_image).await?;
    }
    Ok(())
}

/// What was there a moment ago is not.
fn lost() -> Error {
    Error::internal("the record of this build or of its image is gone")
}

/// Closes the build and fixes its ending. Where it was published meanwhile, that decides.
async fn close(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<BuildRecord> {
    let mut record = record;
    while record.status == BuildStatus::Open {
        let ending = ending(context, &record, trigger);
        record = context.store.close_build(&record.build, &ending).await?.ok_or_else(lost)?;
    }
    Ok(record)
}

/// The image's record as this ending leaves it.
async fn image(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<ImageRecord> {
    let mut image = context.store.image(&record.image).await?.ok_or_else(lost)?;
    image.status = ending.status;
    image.failure.clone_from(&ending.failure);
    image.ended_at.get_or_insert_with(|| stamp(context.clock.now()));
    Ok(image)
}

/// No state stays RUNNING on the screen when its build has ended.
async fn end_open_states(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let now = context.clock.now();
    for state in context.store.states(&record.build).await? {
        if state.status == StateStatus::Running {
            let scope = Scope { state: state.state, item: state.item };
            let status = if ending.failure.is_some() { StateStatus::Failed } else { StateStatus::Succeeded };
            let detail = ending.failure.as_ref().map_or("done", |cause| cause.message.as_str());
            context.store.end_state(&record.build, &scope, status, detail, None, now).await?;
        }
    }
    Ok(())
}

/// What the definition gets: of a good build its image, of a failed one the texts of its Fail state.
fn answer(image: &ImageRecord) -> Value {
    match &image.failure {
        None => json!({"outcome": "built", "image": image.image.to_string(), "amis": image.amis}),
        Some(cause) => failed(cause),
    }
}

/// Plan refused the start, so there is no record: its error is passed on.
fn without_record(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Failed(cause) => failed(cause),
        _ => json!({"outcome": "skipped"}),
    }
}

fn failed(cause: &FailureCause) -> Value {
    json!({"error": cause.error, "cause": cause.to_string()})
}

#[cfg(test)]
mod tests;
