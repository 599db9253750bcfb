//! Finish: ends every build, however it ended. Closes it for new effects, undoes what is not kept, releases the lease,
//! writes the image's last status, tells the world.
//!
//! Input: the definition's Finish or FinishFailed, or the execution's own status event (no Catch runs where an execution
//! was stopped, timed out, or failed by `States.Runtime`). Output: `{outcome, image, amis}` or `{error, cause}`. It may
//! run any number of times: how a build ends is decided once, when it is closed.

use std::collections::BTreeMap;

use goldsmith_store::{
    BuildRecord, BuildStatus, Ending, FailureCause, ImageRecord, ImageStatus, Keep, Scope, StateStatus, stamp,
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::ErrorName;
use crate::undo::{Kept, tag_expiry, undo_build};
use crate::{Context, Error, Result, Start, State};

/// How long the AMIs of a failed distribution are kept, so that it can be repeated.
const KEEP_IMAGES: SignedDuration = SignedDuration::from_hours(72);

/// How a build came here.
#[derive(Debug, Clone, PartialEq)]
enum Trigger {
    /// Through Publish.
    Succeeded,
    /// A Catch.
    Failed(Box<FailureCause>),
    /// The execution's status event: it was stopped, timed out, or failed without a Catch.
    Ended(String),
}

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
        return Ok(without_record(&trigger));
    };
    let image = finish(context, record, &trigger).await?;
    Ok(answer(&image))
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
    let Some(record) = context.store.build(&change.name).await? else { return Ok(json!({})) };
    let image = finish(context, record, &Trigger::Ended(change.status)).await?;
    Ok(answer(&image))
}

async fn finish(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<ImageRecord> {
    let record = close(context, record, trigger).await?;
    let ending = record.ending.clone().ok_or(Error::Closed)?;
    let mut image = image(context, &record, &ending).await?;
    if record.status == BuildStatus::Closed {
        return Ok(image);
    }
    let kept = kept(context, &record, &ending, &image).await?;
    undo_build(context, &record, &kept).await?;
    tag_expiry(context, &record, &ending.keep, &kept).await?;
    if matches!(ending.keep, Keep::Images { .. }) {
        image.amis = kept_amis(context, &record).await?;
    }
    end_open_states(context, &record, &ending).await?;
    emit(context, &image).await?;
    context.store.finish_build(&record, &image).await?;
    Ok(image)
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

/// Decides how a build ends.
fn ending(context: &Context, record: &BuildRecord, trigger: &Trigger) -> Ending {
    if record.published {
        return Ending { status: ImageStatus::Available, keep: Keep::Published, failure: None };
    }
    let until = |time: SignedDuration| stamp(context.clock.now() + time);
    let (status, keep, failure) = match trigger {
        Trigger::Succeeded => {
            let cause = Error::failed(ErrorName::Closed, "the execution ended without publishing");
            (ImageStatus::Failed, Keep::Nothing, cause.cause(&execution()))
        }
        Trigger::Failed(cause) => {
            let keep_instance = record.plan.launch.keep_on_failure_seconds;
            let keep = match cause.state.as_str() {
                "DistributeRegion" | "Publish" => Keep::Images { until: until(KEEP_IMAGES) },
                "Launch" | "Build" | "Snapshot" if keep_instance > 0 => {
                    let seconds = i64::try_from(keep_instance).unwrap_or(i64::MAX);
                    Keep::Instance { until: until(SignedDuration::from_secs(seconds)) }
                }
                _ => Keep::Nothing,
            };
            (ImageStatus::Failed, keep, (**cause).clone())
        }
        Trigger::Ended(status) => {
            let (image, message) = match status.as_str() {
                "ABORTED" => (ImageStatus::Cancelled, "the execution was stopped"),
                "TIMED_OUT" => (ImageStatus::Failed, "the execution timed out"),
                _ => (ImageStatus::Failed, "the execution failed outside of every Catch"),
            };
            let cause = FailureCause {
                state: "Execution".to_owned(),
                error: format!("Execution.{status}"),
                message: message.to_owned(),
                ..FailureCause::default()
            };
            (image, Keep::Nothing, cause)
        }
    };
    Ending { status, keep, failure: Some(failure) }
}

/// The image's record as this ending leaves it.
async fn image(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<ImageRecord> {
    let mut image = context.store.image(&record.image).await?.ok_or(Error::Closed)?;
    image.status = ending.status;
    image.failure.clone_from(&ending.failure);
    image.ended_at.get_or_insert_with(|| stamp(context.clock.now()));
    Ok(image)
}

/// The resources that this ending keeps.
async fn kept(context: &Context, record: &BuildRecord, ending: &Ending, image: &ImageRecord) -> Result<Kept> {
    let mut kept = Kept::default();
    match &ending.keep {
        Keep::Nothing => {}
        Keep::Published => {
            kept.parameters = true;
            kept.images = image.amis.values().cloned().collect();
        }
        Keep::Images { .. } => kept.images = kept_amis(context, record).await?.into_values().collect(),
        Keep::Instance { .. } => {
            let launch = Scope { state: State::Launch.name().to_owned(), item: None };
            let effects = context.store.effects(&record.build, &launch).await?;
            kept.instances = effects.into_iter().filter_map(|effect| effect.id).collect();
        }
    }
    Ok(kept)
}

/// The home AMI and the copies whose Region succeeded.
async fn kept_amis(context: &Context, record: &BuildRecord) -> Result<BTreeMap<String, String>> {
    let states = context.store.states(&record.build).await?;
    let mut good: Vec<String> = states
        .into_iter()
        .filter(|state| state.state == State::DistributeRegion.name() && state.status == StateStatus::Succeeded)
        .filter_map(|state| state.item)
        .collect();
    good.push(record.plan.home_region.clone());
    crate::publish::amis(context, record, &good).await
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

fn execution() -> Scope {
    Scope { state: "Execution".to_owned(), item: None }
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
