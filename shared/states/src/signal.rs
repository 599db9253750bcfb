//! Signal: wakes the owners of waits, when an AWS event names their resource and when the tick finds them due.
//!
//! It reads waits and invokes their owners, nothing more: only an owner acts and answers. Events are hints, so an
//! unknown or malformed one is noted and dropped.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use goldsmith_store::Wait;
use serde_json::{Value, json};

use crate::{Context, Result};

/// Runs one invocation. Anything that is not an event about a resource is the tick.
///
/// # Errors
/// What table and cloud say; the next tick tries again.
pub async fn handle(context: &Context, event: Value) -> Result<Value> {
    let waits = match resource(event) {
        Called::Resource(id) => context.store.waits_on(&id).await?,
        Called::Tick => context.store.due_waits(context.clock.now()).await?,
        Called::Unknown => vec![],
    };
    for wait in &waits {
        wake(context, wait).await?;
    }
    Ok(json!({"woken": waits.len()}))
}

enum Called {
    Resource(String),
    Tick,
    Unknown,
}

/// The id of the resource that an event is about.
fn resource(event: Value) -> Called {
    let is_tick = event.as_object().is_none_or(serde_json::Map::is_empty);
    if is_tick {
        return Called::Tick;
    }
    let Ok(event) = serde_json::from_value::<EventBridgeEvent<Value>>(event) else {
        tracing::warn!("an event that is not EventBridge's was dropped");
        return Called::Unknown;
    };
    let field = match event.detail_type.as_str() {
        "Scheduled Event" => return Called::Tick,
        "EC2 AMI State Change" => "ImageId",
        "EC2 Instance State-change Notification" => "instance-id",
        "EC2 Command Invocation Status-change Notification" => "command-id",
        other => {
            tracing::warn!(detail_type = other, "an unknown event was dropped");
            return Called::Unknown;
        }
    };
    match event.detail.get(field).and_then(Value::as_str) {
        Some(id) => Called::Resource(id.to_owned()),
        None => {
            tracing::warn!(detail_type = event.detail_type, field, "an event without its field was dropped");
            Called::Unknown
        }
    }
}

async fn wake(context: &Context, wait: &Wait) -> Result<()> {
    let function = format!("{}-{}", context.config.stack, wait.owner);
    let payload = json!({"wake": {"build": wait.build, "state": wait.state, "item": wait.item}});
    Ok(context.cloud.functions.wake(&function, &payload.to_string()).await?)
}
