//! Sends the events: one task sends them in order, and faults drop, double or swap them here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::emulator::{Emulator, EmulatorError};
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::faults::EventFault;

/// How long a swapped event waits for the next event. After this time, it is sent alone.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Returns the two ends of the queue of events.
pub(crate) fn queue() -> (UnboundedSender<Event>, UnboundedReceiver<Event>) {
    unbounded_channel()
}

/// Sends events until it is told to end, then sends the remaining ones.
pub(crate) async fn send_all(
    endpoint: Arc<Endpoint>,
    mut queue: UnboundedReceiver<Event>,
    mut told: oneshot::Receiver<()>,
) {
    let mut late = Late::default();
    loop {
        let event = tokio::select! {
            // Events that are queued are sent before the end is noticed, so that an ending endpoint loses none.
            biased;
            Some(event) = queue.recv() => event,
            () = late.wait() => {
                send(&endpoint, late.overdue(Instant::now())).await;
                continue;
            }
            _ = &mut told => break,
        };
        let fault = endpoint.faults.on_event(&event);
        let instance = event.instance.clone().filter(|_| fault == Some(EventFault::EndInstance));
        send(&endpoint, late.follow(event, fault, Instant::now())).await;
        if let Some(instance) = instance {
            // Only now, after the event: a client that acts on the event finds the instance gone.
            endpoint.clone().lose_instance(&instance);
        }
    }
    send(&endpoint, late.all()).await;
}

/// Swapped events, each with the time until which it waits, oldest first.
#[derive(Debug, Default)]
struct Late(VecDeque<(Instant, Event)>);

impl Late {
    /// Returns the events to send after this event has arrived.
    fn follow(&mut self, event: Event, fault: Option<EventFault>, now: Instant) -> Vec<Event> {
        let mut sent = match fault {
            Some(EventFault::Drop) => return Vec::new(),
            Some(EventFault::Swap) => {
                self.0.push_back((now + LONGEST_WAIT, event));
                return Vec::new();
            }
            Some(EventFault::Double) => vec![event.clone(), event],
            Some(EventFault::EndInstance) | None => vec![event],
        };
        sent.extend(self.all());
        sent
    }

    /// Returns the events that have waited too long.
    fn overdue(&mut self, now: Instant) -> Vec<Event> {
        let count = self.0.partition_point(|(end, _)| *end <= now);
        self.0.drain(..count).map(|(_, event)| event).collect()
    }

    fn all(&mut self) -> Vec<Event> {
        self.0.drain(..).map(|(_, event)| event).collect()
    }

    /// Waits until an event has waited too long; for ever if none waits.
    async fn wait(&self) {
        match self.0.front() {
            Some((end, _)) => sleep_until(*end).await,
            None => std::future::pending().await,
        }
    }
}

async fn send(endpoint: &Endpoint, events: Vec<Event>) {
    let Some(emulator) = &endpoint.emulator else { return };
    for event in events {
        if let Err(error) = put(emulator, &event).await {
            tracing::warn!(%error, event = event.detail_type, state = event.state, "an event is lost");
        }
    }
}

async fn put(emulator: &Emulator, event: &Event) -> Result<(), EmulatorError> {
    emulator.call(&event.scope, "events", "AWSEvents.PutEvents", &event.entry()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Scope;

    fn event(region: &str) -> Event {
        Event::of_parameter(Scope { account: "000000000000".to_owned(), region: region.to_owned() }, "/name")
    }

    fn regions(events: Vec<Event>) -> Vec<String> {
        events.into_iter().map(|event| event.scope.region).collect()
    }

    #[test]
    fn swapped_events_follow_the_next_that_is_not_swapped() {
        let (mut late, now) = (Late::default(), Instant::now());
        assert!(late.follow(event("a"), Some(EventFault::Swap), now).is_empty());
        assert!(late.follow(event("b"), Some(EventFault::Swap), now).is_empty());
        assert!(late.follow(event("lost"), Some(EventFault::Drop), now).is_empty());
        assert_eq!(regions(late.follow(event("c"), Some(EventFault::Double), now)), ["c", "c", "a", "b"]);
        assert_eq!(regions(late.follow(event("d"), None, now)), ["d"]);
    }

    #[test]
    fn a_swapped_event_that_nothing_follows_is_sent_in_the_end() {
        let (mut late, now) = (Late::default(), Instant::now());
        late.follow(event("a"), Some(EventFault::Swap), now);
        late.follow(event("b"), Some(EventFault::Swap), now + Duration::from_secs(1));
        assert!(late.overdue(now).is_empty());
        assert_eq!(regions(late.overdue(now + LONGEST_WAIT)), ["a"]);
        assert_eq!(regions(late.all()), ["b"]);
    }
}
