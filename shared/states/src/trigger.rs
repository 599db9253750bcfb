//! Trigger: starts builds by themselves, for schedules, for patched source images, for other pipelines' images.
//!
//! Events are hints. A schedule's says which pipeline and which time; one about an image or a parameter only makes the
//! check of all sources run sooner, and that check believes nothing but its own look. However many such events come, it
//! runs at most twice a minute: an event that comes too soon is noted, and the tick of `reap` sees to it. An unknown or
//! malformed event is noted and dropped, never retried.

mod sources;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use goldsmith_model::{Cause, ImageRef, Name};
use goldsmith_store::stamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::start::{Start, start, start_pending};
use crate::{Context, Result};

/// What this function is called with by the stack's own parts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Call {
    /// By the Scheduler.
    Schedule(Scheduled),
    /// By `reap`, for events that came too soon after another; by a person.
    Check(Checked),
    /// By itself, where one invocation is not enough.
    GoOn(sources::Place),
    /// By `finish`: an image was published.
    Published(Published),
    /// By `finish`: the pipeline is free, and causes are kept.
    Pending(Name),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scheduled {
    pipeline: Name,
    scheduled_time: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Checked {
    Sources,
}

#[derive(Debug, Deserialize)]
struct Published {
    pipeline: Name,
    image: ImageRef,
}

/// What an invocation is for.
enum Wanted {
    Call(Call),
    /// A check of the sources, for an event of this id, if it has one.
    Hint(Option<String>),
}

/// Runs one invocation. Answers how many builds it started.
///
/// # Errors
/// What table and cloud say; Lambda calls it again, and what was written down is not lost.
pub async fn handle(context: &Context, event: Value) -> Result<Value> {
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

/// Tells what an event asks for; nothing where it is not ours.
fn read(event: Value) -> Option<Wanted> {
    // SNS wraps the vendor's announcement of a new image: that there is one is all that it is believed.
    if let Some(records) = event.get("Records").and_then(Value::as_array)
        && let Some(last) = records.last()
        && records.iter().all(|record| record.get("Sns").is_some())
    {
        return Some(Wanted::Hint(last["Sns"]["MessageId"].as_str().map(str::to_owned)));
    }
    if event.get("detail-type").is_none() {
        return serde_json::from_value(event)
            .map(Wanted::Call)
            .inspect_err(|error| tracing::warn!(%error, "an event that nobody sends was dropped"))
            .ok();
    }
    let event = serde_json::from_value::<EventBridgeEvent<Value>>(event)
        .inspect_err(|error| tracing::warn!(%error, "a malformed event was dropped"))
        .ok()?;
    match event.detail_type.as_str() {
        "Scheduled Event" | "EC2 AMI State Change" | "Parameter Store Change" => Some(Wanted::Hint(event.id)),
        other => {
            tracing::warn!(detail_type = other, "an unknown event was dropped");
            None
        }
    }
}

/// Checks the sources, unless another check runs or has just ended.
async fn hinted(context: &Context, event: Option<String>) -> Result<u32> {
    let now = context.clock.now();
    let event = event.filter(|id| !id.is_empty()).unwrap_or_else(|| stamp(now));
    match context.store.ask_for_check(&event, now).await? {
        Some(check) => sources::check(context, check).await,
        None => Ok(0),
    }
}

async fn schedule(context: &Context, scheduled: Scheduled) -> Result<u32> {
    let Scheduled { pipeline, scheduled_time } = scheduled;
    if scheduled_time.parse::<jiff::Timestamp>().is_err() {
        tracing::warn!(%pipeline, scheduled_time, "a schedule without a time was dropped");
        return Ok(0);
    }
    if context.store.pipeline(&pipeline).await?.is_none() {
        tracing::warn!(%pipeline, "a schedule of an unknown pipeline was dropped");
        return Ok(0);
    }
    let started = start(context, &pipeline, &Cause::Schedule { scheduled_time }).await?;
    Ok(u32::from(started == Start::Started))
}

async fn published_image(context: &Context, published: &Published) -> Result<u32> {
    let source = goldsmith_model::SourceImage::Pipeline(published.pipeline.clone());
    let mut started = 0;
    for subscription in context.store.subscribers(&source.hash()).await? {
        let cause = Cause::Dependency { image: published.image.clone() };
        started += u32::from(start(context, &subscription.pipeline, &cause).await? == Start::Started);
    }
    Ok(started)
}

/// Lets the sources be checked where an event has asked for it that came too soon, or whose check has died.
///
/// # Errors
/// What table and Lambda say; the next tick tries again.
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
