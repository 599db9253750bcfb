//! Trigger: starts builds automatically, for schedules, for patched source images, and for images of other pipelines.
//!
//! Events are hints. The event of a schedule says which pipeline to start, and for which time. An event about an image
//! or a parameter only advances the next check of all sources, and that check relies only on its own reads. No matter
//! how many such events come, the check runs at most twice a minute: an event that comes too soon is recorded, and a
//! later tick of `reap` begins the check. An unknown or malformed event is logged and dropped, and never retried.

mod joins;
mod sources;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use goldsmith_model::{Cause, ImageRef, Name, Scheduled};
use goldsmith_store::stamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::events::start::{Start, start, start_pending};
use crate::{Context, Result};

/// The calls that the stack's own parts make.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Call {
    /// From the Scheduler, as [`goldsmith_model::ScheduleInput`].
    Schedule(Scheduled),
    /// From `reap`, for events that came too soon after another event, or from a person.
    Check(Checked),
    /// From this function itself, if one invocation is not enough.
    GoOn(sources::Place),
    /// From `finish`: an image was published.
    Published(Published),
    /// From `finish`: the pipeline is free, and has pending causes.
    Pending(Name),
}

/// The sources to check.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Checked {
    Sources,
}

/// Which pipeline has published which image.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Published {
    pub(crate) pipeline: Name,
    pub(crate) image: ImageRef,
}

/// Has another invocation of this function handle this call.
///
/// # Errors
/// Fails if Lambda does not accept the call.
pub(crate) async fn call(context: &Context, call: &Call) -> Result<()> {
    context.wake("trigger", call).await
}

/// The work that an invocation requests.
enum Wanted {
    Call(Call),
    /// A check of the sources, for the event with this id, if there is one.
    Hint(Option<String>),
}

/// Runs one invocation. Returns how many builds were started.
///
/// # Errors
/// Fails if a call to the table or to AWS fails. Lambda then calls the function again, and what was recorded is not
/// lost.
pub(crate) async fn handle(context: &Context, event: Value) -> Result<Value> {
    let started = match read(event) {
        Some(Wanted::Hint(event)) => hinted(context, event).await?,
        Some(Wanted::Call(Call::Schedule(scheduled))) => schedule(context, scheduled).await?,
        Some(Wanted::Call(Call::Check(Checked::Sources))) => {
            let check = context.store.begin_check(context.clock.now()).await?;
            sources::check(context, check).await?
        }
        Some(Wanted::Call(Call::GoOn(place))) => sources::go_on(context, place).await?,
        Some(Wanted::Call(Call::Published(published))) => published_image(context, &published).await?,
        Some(Wanted::Call(Call::Pending(pipeline))) => {
            start_pending(context, &pipeline).await?;
            0
        }
        None => 0,
    };
    Ok(json!({"started": started}))
}

/// Returns the work that an event requests, or `None` if this function does not know the event.
fn read(event: Value) -> Option<Wanted> {
    // SNS wraps the vendor's announcement of a new image. Only its arrival is believed, not its content.
    if let Some(records) = event.get("Records").and_then(Value::as_array)
        && let Some(last) = records.last()
        && records.iter().all(|record| record.get("Sns").is_some())
    {
        return Some(Wanted::Hint(last["Sns"]["MessageId"].as_str().map(str::to_owned)));
    }
    if event.get("detail-type").is_none() {
        return serde_json::from_value(event)
            .map(Wanted::Call)
            .inspect_err(|error| tracing::warn!(%error, "dropped a call that no part of the stack makes"))
            .ok();
    }
    let event = serde_json::from_value::<EventBridgeEvent<Value>>(event)
        .inspect_err(|error| tracing::warn!(%error, "dropped a malformed event"))
        .ok()?;
    match event.detail_type.as_str() {
        "Scheduled Event" | "EC2 AMI State Change" | "Parameter Store Change" => Some(Wanted::Hint(event.id)),
        other => {
            tracing::warn!(detail_type = other, "dropped an unknown event");
            None
        }
    }
}

/// Checks the sources, unless another check runs or has just ended.
async fn hinted(context: &Context, event: Option<String>) -> Result<u32> {
    let now = context.clock.now();
    // Without an id, the time serves as one: at its end, a check compares ids to see whether an event has come since.
    let event = event.filter(|id| !id.is_empty()).unwrap_or_else(|| stamp(now));
    match context.store.ask_for_check(&event, now).await? {
        Some(check) => sources::check(context, check).await,
        None => Ok(0),
    }
}

async fn schedule(context: &Context, scheduled: Scheduled) -> Result<u32> {
    let Scheduled { pipeline, scheduled_time } = scheduled;
    if scheduled_time.parse::<jiff::Timestamp>().is_err() {
        tracing::warn!(%pipeline, scheduled_time, "dropped a schedule without a time");
        return Ok(0);
    }
    // Whoever may invoke this function may name any pipeline. Each unknown one would leave a cause in the table, and
    // four executions that Plan rejects.
    if context.store.pipeline(&pipeline).await?.is_none() {
        tracing::warn!(%pipeline, "dropped a schedule of an unknown pipeline");
        return Ok(0);
    }
    let started = start(context, &pipeline, &Cause::Schedule { scheduled_time }).await?;
    Ok(u32::from(started == Start::Started))
}

async fn published_image(context: &Context, published: &Published) -> Result<u32> {
    let source = goldsmith_model::SourceImage::Pipeline(published.pipeline.clone());
    let mut started = 0;
    // If this call is lost or dies half way, the check of sources finds the same image and makes the same cause.
    let hash = source.hash();
    for subscription in context.store.subscribers(&hash).await? {
        if !context.store.still_watches(&hash, &subscription).await? {
            continue;
        }
        let cause = Cause::Dependency { image: published.image.clone() };
        started += u32::from(start(context, &subscription.pipeline, &cause).await? == Start::Started);
    }
    Ok(started)
}

/// Has the sources checked if an event that came too soon has requested it, or if a check has ended without a result.
///
/// # Errors
/// Fails if a call to the table or to Lambda fails; the next tick tries again.
pub(crate) async fn check_if_due(context: &Context) -> Result<()> {
    match context.store.is_check_due(context.clock.now()).await? {
        true => sources::ask_for_another(context).await,
        false => Ok(()),
    }
}

#[cfg(test)]
mod storms;
#[cfg(test)]
mod tests;
