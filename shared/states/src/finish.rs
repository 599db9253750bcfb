//! Finish: ends every build, however it ended. Closes it for new effects, undoes what is not kept, releases the lease,
//! writes the image's last status, tells the world.
//!
//! Input: the definition's Finish or FinishFailed, or the execution's own status event (no Catch runs where an execution
//! was stopped, timed out, or failed by `States.Runtime`). Output: `{outcome, image, amis}` or `{error, cause}`. It may
//! run any number of times: how a build ends is decided once, when it is closed.

mod ending;
mod kept;
pub mod late;

use goldsmith_cloud::ExecutionStatus;
use goldsmith_model::{Cause, ExecutionInput};
use goldsmith_store::{BuildRecord, BuildStatus, Ending, FailureCause, ImageRecord, Keep, Scope, StateStatus, stamp};
use serde::Deserialize;
use serde_json::{Value, json};

use ending::{Trigger, ending, execution};
pub(crate) use kept::kept_now;
use kept::{kept, kept_amis, what_stays};

use crate::errors::ErrorName;
use crate::undo::{tag_expiry, undo_build};
use crate::{Context, Error, Result, Start, State};

/// Detail of `Step Functions Execution Status Change`.
#[derive(Debug, Deserialize)]
struct StatusChange {
    name: String,
    status: String,
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
        if matches!(&trigger, Trigger::Failed(cause) if cause.error == ErrorName::Refused.as_str()) {
            serve_without_record(context, &start.execution).await?;
        }
        return Ok(without_record(&trigger));
    };
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
    let Some(record) = context.store.build(&change.name).await? else {
        if change.status == "ABORTED" {
            serve_without_record(context, &context.config.execution_arn(&change.name)).await?;
        }
        return Ok(json!({}));
    };
    let image = finish(context, record, &Trigger::Ended(change.status)).await?;
    Ok(answer(&image))
}

/// Ends a build that nobody else ended.
///
/// # Errors
/// What table and cloud say; the reaper tries again.
pub(crate) async fn finish_lost(context: &Context, record: BuildRecord, status: ExecutionStatus) -> Result<()> {
    let status = match status {
        ExecutionStatus::Aborted => "ABORTED",
        ExecutionStatus::TimedOut => "TIMED_OUT",
        _ => "FAILED",
    };
    finish(context, record, &Trigger::Ended(status.to_owned())).await?;
    Ok(())
}

/// An execution that ended before Plan opened a build, because its cause was refused or somebody stopped it: it is not
/// built again. What failed for another reason stays pending, and the reaper starts it anew.
async fn serve_without_record(context: &Context, execution: &str) -> Result<()> {
    let Some(execution) = context.cloud.executions.execution(execution).await? else { return Ok(()) };
    let input: Option<ExecutionInput> = serde_json::from_str(&execution.input).ok();
    if let Some((pipeline, cause)) = input.and_then(|input| Some((input.pipeline, input.cause?))) {
        context.store.serve_cause(&pipeline, &cause, context.clock.now()).await?;
    }
    Ok(())
}

async fn finish(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<ImageRecord> {
    let record = close(context, record, trigger).await?;
    let ending = record.ending.clone().ok_or(Error::Closed)?;
    let mut image = image(context, &record, &ending).await?;
    if record.status == BuildStatus::Closed {
        return Ok(image);
    }
    let scope = Scope { state: State::Finish.name().to_owned(), item: None };
    context.store.note_running(&record.build, &scope, context.clock.now()).await?;
    let kept = kept(context, &record, &ending, &image).await?;
    let are_back = undo_build(context, &record, &kept).await?;
    tag_expiry(context, &record, &ending.keep, &kept).await?;
    if matches!(ending.keep, Keep::Images { .. }) {
        image.amis = kept_amis(context, &record).await?;
    }
    context
        .store
        .end_state(
            &record.build,
            &scope,
            StateStatus::Succeeded,
            what_stays(&ending.keep, record.plan.overridden),
            None,
            context.clock.now(),
        )
        .await?;
    end_open_states(context, &record, &ending).await?;
    emit(context, &image).await?;
    note_served(context, &record).await?;
    let look_again = (!are_back).then(|| context.clock.now() + late::LATE);
    context.store.finish_build(&record, &image, look_again).await?;
    go_on(context, &record, &ending).await?;
    Ok(image)
}

/// The cause has its build, and the source's watcher learns which AMI that build started from.
async fn note_served(context: &Context, record: &BuildRecord) -> Result<()> {
    if !matches!(record.cause, Cause::Manual { .. }) {
        context.store.serve_cause(&record.pipeline, &record.cause, context.clock.now()).await?;
    }
    if !record.plan.overridden {
        let source = record.plan.source.hash();
        context.store.note_built(&source, &record.pipeline, &record.plan.source_image).await?;
    }
    Ok(())
}

/// Tells `trigger` what can be built now. What is lost here the reaper and the next check of sources find.
async fn go_on(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let trigger = format!("{}-trigger", context.config.stack);
    if ending.keep == Keep::Published && !record.plan.overridden {
        let published = json!({"published": {"pipeline": record.pipeline, "image": record.image}});
        context.cloud.functions.wake(&trigger, &published.to_string()).await?;
    }
    if !context.store.pending_causes(&record.pipeline).await?.is_empty() {
        let pending = json!({"pending": record.pipeline});
        context.cloud.functions.wake(&trigger, &pending.to_string()).await?;
    }
    Ok(())
}

/// Closes the build and fixes its ending. Where it was published meanwhile, that decides.
async fn close(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<BuildRecord> {
    let mut record = record;
    while record.status == BuildStatus::Open {
        let ending = ending(context, &record, trigger);
        record = context.store.close_build(&record.build, &ending).await?.ok_or(Error::Closed)?;
    }
    Ok(record)
}

/// The image's record as this ending leaves it.
async fn image(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<ImageRecord> {
    let mut image = context.store.image(&record.image).await?.ok_or(Error::Closed)?;
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

async fn emit(context: &Context, image: &ImageRecord) -> Result<()> {
    let detail = json!({
        "image": image.image.to_string(),
        "pipeline": image.pipeline,
        "status": image.status,
        "cause": image.cause,
        "amis": image.amis,
        "failure": image.failure,
    });
    let resources = [image.image.to_string(), image.pipeline.to_string()];
    Ok(context.cloud.events.emit("Goldsmith Image State Change", &resources, &detail.to_string()).await?)
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
