//! Trigger: starts builds by themselves, for schedules, for patched source images, for other pipelines' images.
//!
//! Events are hints. A schedule's says which pipeline and which time; one about an image or a parameter only makes the
//! check of all sources run sooner, and that check believes nothing but its own look. An unknown or malformed event is
//! noted and dropped, never retried.

mod sources;

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use goldsmith_model::{Cause, ImageRef, Name};
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
    /// By a person or an event: all sources.
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

/// Runs one invocation. Answers how many builds it started.
///
/// # Errors
/// What table and cloud say; Lambda calls it again, and what was written down is not lost.
pub async fn handle(context: &Context, event: Value) -> Result<Value> {
    let started = match read(event) {
        Some(Call::Schedule(scheduled)) => schedule(context, scheduled).await?,
        Some(Call::Check(Checked::Sources)) => sources::check(context).await?,
        Some(Call::GoOn(place)) => sources::go_on(context, place).await?,
        Some(Call::Published(published)) => published_image(context, &published).await?,
        Some(Call::Pending(pipeline)) => {
            start_pending(context, &pipeline).await?;
            0
        }
        None => 0,
    };
    Ok(json!({"started": started}))
}

/// Tells what an event asks for; nothing where it is not ours.
fn read(event: Value) -> Option<Call> {
    // SNS wraps the vendor's announcement of a new image: that there is one is all that it is believed.
    let is_announcement = event
        .get("Records")
        .and_then(Value::as_array)
        .is_some_and(|records| !records.is_empty() && records.iter().all(|record| record.get("Sns").is_some()));
    if is_announcement {
        return Some(Call::Check(Checked::Sources));
    }
    if event.get("detail-type").is_none() {
        return serde_json::from_value(event)
            .inspect_err(|error| tracing::warn!(%error, "an event that nobody sends was dropped"))
            .ok();
    }
    let event = serde_json::from_value::<EventBridgeEvent<Value>>(event)
        .inspect_err(|error| tracing::warn!(%error, "a malformed event was dropped"))
        .ok()?;
    match event.detail_type.as_str() {
        "Scheduled Event" | "EC2 AMI State Change" | "Parameter Store Change" => Some(Call::Check(Checked::Sources)),
        other => {
            tracing::warn!(detail_type = other, "an unknown event was dropped");
            None
        }
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

#[cfg(test)]
mod tests;
