//! Tests of many events at once, and of events at bad moments: they cost little, and none of them is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{AMAZON, Between, Fault, HOME, OnItsWay};
use goldsmith_model::{RebuildOn, SourceImage};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::Context;
use crate::events::reap;
use crate::events::trigger;
use crate::testing::Stack;

/// Counts the reads of parameters. Each read lets other tasks run first.
#[derive(Default)]
struct Looks(AtomicUsize);

#[async_trait]
impl Between for Looks {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        if call.name == "GetParameters" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
        None
    }
}

struct Watched {
    stack: Stack,
    looks: Arc<Looks>,
    delivered: usize,
}

impl Watched {
    /// A pipeline whose source was checked once, and a newer release of the source that no check has seen yet.
    async fn new() -> Self {
        let stack = Stack::new().await;
        let source = SourceImage::Parameter("/source".to_owned());
        stack.store().subscribe(&"web".parse().unwrap(), &source, RebuildOn::SourceUpdate).await.unwrap();
        trigger::handle(&stack.context(), json!({"check": "sources"})).await.unwrap();
        stack.clock.advance(SignedDuration::from_mins(1));
        Self { stack, looks: Arc::default(), delivered: 0 }
    }

    fn context(&self) -> Context {
        let mut context = self.stack.context();
        context.cloud = self.stack.cloud.behind(self.looks.clone()).cloud();
        context
    }

    async fn release(&self, name: &str) -> String {
        let image = self.stack.cloud.add_image(HOME, AMAZON, name);
        self.stack.point_source_to(&image).await;
        image
    }

    fn looks(&self) -> usize {
        self.looks.0.load(Ordering::Relaxed)
    }

    /// Returns how many builds were started for this image.
    fn started_for(&self, image: &str) -> usize {
        self.stack.cloud.executions().iter().filter(|execution| execution.input.contains(image)).count()
    }

    /// Lambda calls a function for an event, and calls it once more if the first call failed or ended early.
    async fn deliver(&self, event: Value) {
        for _ in 0..2 {
            let context = self.context();
            match self.stack.until_killed(trigger::handle(&context, event.clone())).await {
                Some(Ok(_)) => return,
                _ => self.stack.clock.advance(SignedDuration::from_mins(1)),
            }
        }
    }

    /// A minute passes and the tick comes. Then the invocations that the tick requests from Lambda arrive.
    async fn tick(&mut self) {
        self.stack.clock.advance(SignedDuration::from_mins(1));
        let context = self.context();
        let _ = self.stack.until_killed(reap::handle(&context, json!({}))).await;
        for wake in self.stack.cloud.wakes().split_off(self.delivered) {
            self.delivered += 1;
            self.deliver(serde_json::from_str(&wake.payload).unwrap()).await;
        }
    }
}

fn changed(n: usize) -> Value {
    json!({
        "version": "0", "id": format!("event-{n}"), "detail-type": "Parameter Store Change", "source": "aws.ssm",
        "account": "111122223333", "time": "2026-11-24T03:00:00Z", "region": HOME, "resources": [],
        "detail": {"operation": "Update", "name": "/source", "type": "String"},
    })
}

#[tokio::test]
async fn a_hundred_events_in_a_second_cost_two_looks_and_miss_no_change() {
    for is_at_once in [false, true] {
        let mut watched = Watched::new().await;
        let first = watched.release("debian-12.1").await;
        if is_at_once {
            let contexts: Vec<Context> = (0..99).map(|_| watched.context()).collect();
            let calls = contexts.iter().zip(0..).map(|(context, n)| trigger::handle(context, changed(n)));
            assert!(join_all(calls).await.into_iter().all(|called| called.is_ok()));
        } else {
            for n in 0..99 {
                watched.deliver(changed(n)).await;
                watched.stack.clock.advance(SignedDuration::from_millis(10));
            }
        }
        assert_eq!((watched.looks(), watched.started_for(&first)), (1, 1));
        let last = watched.release("debian-12.2").await;
        watched.deliver(changed(99)).await;
        assert_eq!((watched.looks(), watched.started_for(&last)), (1, 0), "too soon");
        watched.tick().await;
        // The pipeline's lease is not taken here, so that the second cause starts beside the first.
        assert_eq!(watched.looks(), 2);
        let kept = watched.stack.store().pending_causes(&"web".parse().unwrap()).await.unwrap();
        assert!(watched.started_for(&last) == 1 || kept.iter().any(|kept| kept.cause.to_string().ends_with(&last)));
        for _ in 0..10 {
            watched.tick().await;
        }
        assert_eq!(watched.looks(), 2, "nobody has asked since");
    }
}

#[tokio::test]
async fn events_that_come_one_by_one_are_handled_at_once() {
    let watched = Watched::new().await;
    for n in 0..5 {
        watched.deliver(changed(n)).await;
        assert_eq!(watched.looks(), n + 1);
        watched.stack.clock.advance(SignedDuration::from_secs(31));
    }
}

#[tokio::test]
async fn an_event_delivered_twice_costs_one_more_look_and_no_second_start() {
    let mut watched = Watched::new().await;
    let image = watched.release("debian-12.1").await;
    for _ in 0..2 {
        watched.deliver(changed(1)).await;
    }
    for _ in 0..5 {
        watched.tick().await;
    }
    assert_eq!((watched.looks(), watched.started_for(&image)), (2, 1));
}

#[tokio::test]
async fn no_event_is_lost_whatever_goes_wrong_at_any_effect() {
    let good = Watched::new().await;
    let before = good.stack.cloud.effects().len();
    good.release("debian-12.1").await;
    let released = good.stack.cloud.effects().len();
    good.deliver(changed(1)).await;
    let effects = good.stack.cloud.effects().len() - released;
    assert!(effects >= 4 && released > before, "{effects}");
    for n in 1..=effects {
        for fault in [Fault::Refuse(Kind::Throttled), Fault::LoseAnswer, Fault::KillBefore, Fault::KillAfter] {
            // It finds no check, or another that has just ended, and is left to the tick.
            for is_too_soon in [false, true] {
                let mut watched = Watched::new().await;
                if is_too_soon {
                    watched.deliver(changed(0)).await;
                }
                let image = watched.release("debian-12.1").await;
                watched.stack.cloud.fail_at(n, fault);
                watched.deliver(changed(1)).await;
                for _ in 0..5 {
                    watched.tick().await;
                }
                assert_eq!(watched.started_for(&image), 1, "{fault:?} at effect {n}, too soon: {is_too_soon}");
            }
        }
    }
}

#[tokio::test]
async fn after_a_failed_check_events_wait_for_the_tick() {
    let mut watched = Watched::new().await;
    let image = watched.release("debian-12.1").await;
    for call in ["GetParameters", "GetParameter"] {
        watched.stack.cloud.fail_always(call, HOME, Fault::Refuse(Kind::Throttled));
    }
    for n in 0..50 {
        let context = watched.context();
        assert_eq!(trigger::handle(&context, changed(n)).await.is_err(), n == 0, "event {n}");
    }
    assert_eq!(watched.looks(), 1);
    watched.stack.cloud.heal();
    watched.tick().await;
    assert_eq!((watched.looks(), watched.started_for(&image)), (2, 1));
}
