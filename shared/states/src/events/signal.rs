//! Signal: wakes the states that wait, either when an AWS event names the resource of a wait, or when the tick finds
//! that a wait is due. When an instance ends, it also wakes the launch that waits for room and whose turn it is. If EC2
//! refuses that one, its function continues with the next line.
//!
//! It reads waits and invokes the functions of their states, and does nothing else: only those functions act and
//! answer. Events are hints, so an unknown or malformed event is logged and dropped.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use goldsmith_store::Wait;
use serde_json::{Value, json};

use crate::states::launch::is_rested;
use crate::{Context, Invocation, Result, Wake, WokenBy};

/// Runs one invocation. An empty event counts as the tick. An event of an unknown kind is dropped.
///
/// # Errors
/// Fails if a call to the table or to AWS fails; the next tick tries again.
pub(crate) async fn handle(context: &Context, event: Value) -> Result<Value> {
    let (store, now) = (&context.store, context.clock.now());
    let called = resource(event);
    let (by, waits, in_line) = match called {
        Called::Resource(id) => (WokenBy::Event, store.waits_on(&id).await?, Ok(vec![])),
        Called::End(id) => (WokenBy::Event, store.waits_on(&id).await?, whose_turn(context).await),
        Called::Tick => (WokenBy::Tick, store.due_waits(now).await?, now_first(context).await),
        Called::Unknown => return Ok(json!({"woken": 0})),
    };
    let by_line = if by == WokenBy::Event { WokenBy::Room } else { by };
    // If the lines cannot be read, or an owner cannot be woken, that must not keep the others from being woken.
    let (mut first, in_line) = match in_line {
        Ok(in_line) => (Ok(()), in_line),
        Err(error) => (Err(error), vec![]),
    };
    let mut woken = 0;
    for (wait, by) in waits.iter().map(|wait| (wait, by)).chain(in_line.iter().map(|wait| (wait, by_line))) {
        match wake(context, wait, by).await {
            Ok(()) => woken += 1,
            Err(error) => {
                tracing::warn!(%error, owner = wait.owner, build = wait.build, "the next tick will wake it");
                first = first.and(Err(error));
            }
        }
    }
    first.map(|()| json!({"woken": woken}))
}

/// Returns the launch whose turn it is if there is room for one, or none if EC2 has just refused all.
async fn whose_turn(context: &Context) -> Result<Vec<Wait>> {
    let now = context.clock.now();
    let first = context.store.first_for_room().await?.into_iter();
    Ok(first.map(|(_, wait)| wait).filter(|wait| is_rested(wait, now)).take(1).collect())
}

/// Returns the launches that have not asked since they became the first of their lines: the one before them was
/// launched in the room of an instance that had ended, or was given up, or its function has ended too early.
async fn now_first(context: &Context) -> Result<Vec<Wait>> {
    let first = context.store.first_for_room().await?;
    Ok(first.into_iter().map(|(_, wait)| wait).filter(|wait| wait.behind).collect())
}

enum Called {
    Resource(String),
    /// An instance uses no vCPUs any more.
    End(String),
    Tick,
    Unknown,
}

/// Returns the id of the resource that an event is about.
fn resource(event: Value) -> Called {
    let is_tick = event.is_null() || event.as_object().is_some_and(serde_json::Map::is_empty);
    if is_tick {
        return Called::Tick;
    }
    let Ok(event) = serde_json::from_value::<EventBridgeEvent<Value>>(event) else {
        tracing::warn!("dropped an event that is not an EventBridge event");
        return Called::Unknown;
    };
    let field = match event.detail_type.as_str() {
        "Scheduled Event" => return Called::Tick,
        // Each of these events spells the name of its field in another way.
        "EC2 AMI State Change" => "ImageId",
        "EC2 Instance State-change Notification" => "instance-id",
        "EC2 Command Invocation Status-change Notification" => "command-id",
        other => {
            tracing::warn!(detail_type = other, "dropped an unknown event");
            return Called::Unknown;
        }
    };
    match event.detail.get(field).and_then(Value::as_str) {
        Some(id) if field == "instance-id" && has_ended(&event.detail) => Called::End(id.to_owned()),
        Some(id) => Called::Resource(id.to_owned()),
        None => {
            tracing::warn!(detail_type = event.detail_type, field, "dropped an event that lacks its field");
            Called::Unknown
        }
    }
}

/// Returns whether an instance is terminated, or stopped: a stopped instance does not count toward the quota of vCPUs.
fn has_ended(detail: &Value) -> bool {
    matches!(detail.get("state").and_then(Value::as_str), Some("stopped" | "terminated"))
}

async fn wake(context: &Context, wait: &Wait, by: WokenBy) -> Result<()> {
    // The call is asynchronous, because an owner looks for seconds, and one tick may have to wake many of them.
    let wake = Wake { build: wait.build.clone(), state: wait.state, item: wait.item.clone(), by };
    context.wake(&wait.owner, &Invocation::Wake { wake }).await
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::{Fault, HOME};
    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use crate::State;
    use crate::events::signal;
    use crate::testing::{Stack, Task, reach};

    fn event(detail_type: &str, detail: Value) -> Value {
        json!({
            "version": "0", "id": "1", "detail-type": detail_type, "source": "aws.ec2", "account": "1",
            "time": "2026-11-24T03:00:00Z", "region": HOME, "resources": [], "detail": detail,
        })
    }

    async fn woken(stack: &Stack, event: Value) -> Value {
        signal::handle(&stack.context(), event).await.unwrap()["woken"].clone()
    }

    #[tokio::test]
    async fn an_event_wakes_the_owner_of_the_wait_and_the_wait_then_ends() {
        let stack = reach(&Task::new(State::Snapshot)).await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        let token = stack.start(&Task::new(State::Snapshot)).await;
        let image = stack.cloud.inventory().region(HOME).images.into_keys().next().unwrap();
        assert!(stack.answer(&token).is_none());

        // Ten events before the image is available: each is a look, none is an answer.
        let available = event("EC2 AMI State Change", json!({"ImageId": image, "State": "available"}));
        for _ in 0..10 {
            assert_eq!(woken(&stack, available.clone()).await, 1);
            stack.deliver_wakes().await;
            assert!(stack.answer(&token).is_none());
        }
        stack.cloud.settle();
        woken(&stack, available.clone()).await;
        stack.deliver_wakes().await;
        assert!(stack.answer(&token).unwrap().is_ok());
        assert_eq!(woken(&stack, available).await, 0, "the wait is gone");
    }

    #[tokio::test]
    async fn an_unwakeable_owner_or_unreadable_item_does_not_block_other_waits() {
        let stack = reach(&Task::new(State::Snapshot)).await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        let token = stack.start(&Task::new(State::Snapshot)).await;
        stack.cloud.settle();
        stack
            .put_item(json!({"pk": "WAIT#i-0", "sk": "A", "open": "WAIT", "nextLook": "2026-01-01T00:00:00.000Z"}))
            .await;
        stack.copy_wait_to_the_front("i-1").await;
        stack.cloud.fail_next("Invoke", Fault::Refuse(Kind::NotFound));
        stack.clock.advance(SignedDuration::from_mins(1));
        let error = signal::handle(&stack.context(), json!({})).await.unwrap_err();
        assert!(error.to_string().contains("Invoke"), "{error}");
        stack.deliver_wakes().await;
        assert!(stack.answer(&token).unwrap().is_ok());
    }

    #[tokio::test]
    async fn unknown_and_malformed_events_are_dropped() {
        // A wait is due, which the tick would wake.
        let stack = reach(&Task::new(State::Snapshot)).await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        stack.start(&Task::new(State::Snapshot)).await;
        stack.clock.advance(SignedDuration::from_mins(1));
        for dropped in [
            event("EC2 Spot Instance Interruption Warning", json!({})),
            event("EC2 AMI State Change", json!({"State": "available"})),
            json!({"surprise": true}),
            json!([1]),
        ] {
            assert_eq!(woken(&stack, dropped).await, 0);
        }
        assert_eq!(woken(&stack, json!({})).await, 1, "the tick");
    }
}
