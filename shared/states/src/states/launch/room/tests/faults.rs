//! Calls that are throttled, lost or cut off while launches wait, and instances that are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Between, FakeCloud, Fault, HOME, NEVER, OnItsWay};
use jiff::SignedDuration;
use serde_json::json;

use super::{MINUTE, an_instance_ends, calls, detail, instances, launched, many, wait_for, without_room};
use crate::events::signal;
use crate::testing::{BUILD, Stack, TABLE_READ, Task, check_state_on, reach, reach_on};
use crate::{Clock as _, State};

#[tokio::test]
async fn the_tick_continues_where_a_function_has_ended_too_early() {
    for fault in [Fault::KillAfter, Fault::KillBefore, Fault::LoseAnswer, Fault::Refuse(Kind::Throttled)] {
        let stack = without_room().await;
        stack.start(&Task::new(State::Launch)).await;
        for build in ["api", "shop"] {
            many::plan(&stack, build, 0).await;
            stack.clock.advance(MINUTE);
            many::launch(&stack, build).await;
        }
        stack.cloud.restore_capacity();
        stack.cloud.fail_next("RunInstances", fault);
        for _ in 0..12 {
            stack.tick_after(MINUTE).await;
        }
        let mut all = launched(&stack);
        all.sort();
        assert_eq!(
            (all, instances(&stack)),
            (vec!["api".to_owned(), "shop".to_owned(), BUILD.to_owned()], 3),
            "{fault:?}"
        );
        assert_eq!(stack.store().all_for_room().await.unwrap(), [], "{fault:?}");
    }
}

#[tokio::test]
async fn a_throttled_launch_pauses_and_makes_one_instance() {
    for fault in [None, Some(Fault::LoseAnswer), Some(Fault::KillAfter)] {
        let (stack, task) = (reach(&Task::new(State::Launch)).await, Task::new(State::Launch));
        for _ in 0..3 {
            stack.cloud.fail_next("RunInstances", Fault::Refuse(Kind::Throttled));
        }
        if let Some(fault) = fault {
            stack.cloud.fail_next("RunInstances", fault);
        }
        let began = stack.clock.now();
        let token = stack.start(&task).await;
        assert_eq!((calls(&stack), stack.clock.now()), (1, began), "the function does not wait");
        let told = detail(&stack, &task).await;
        let expected =
            "EC2 limits how often the account launches instances; this launch has waited since 2026-11-24T03:00:00Z";
        assert_eq!(told, expected);
        assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(12)).await, Some(Ok(json!({}))), "{fault:?}");
        assert_eq!(instances(&stack), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_launch_that_stays_throttled_says_so_at_the_end_of_its_time() {
    let stack = reach(&Task::new(State::Launch)).await;
    stack.cloud.fail_always("RunInstances", HOME, Fault::Refuse(Kind::Throttled));
    let token = stack.start(&Task::new(State::Launch)).await;
    let error = wait_for(&stack, &token, SignedDuration::from_hours(8)).await.unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.Capacity");
    assert!(error.cause.contains("EC2 limits how often"), "{}", error.cause);
    assert!(calls(&stack) < 500, "{}", calls(&stack));
    assert!(stack.inventory().is_empty());
}

#[tokio::test]
async fn launches_that_were_throttled_together_ask_again_one_by_one() {
    let stack = reach(&Task::new(State::Launch)).await;
    for n in 0..10 {
        let build = format!("web-{n}");
        many::plan(&stack, &build, 0).await;
        stack.cloud.fail_next("RunInstances", Fault::Refuse(Kind::Throttled));
        // In a line of its own, as if it had asked before another one was in line.
        many::change(&stack, &build, |item| item["plan"]["launch"]["placement"] = json!({"hostId": build})).await;
        many::launch(&stack, &build).await;
    }
    assert_eq!(calls(&stack), 10);
    let waits = stack.store().all_for_room().await.unwrap();
    assert!(waits.len() == 10 && waits.iter().all(|(_, wait)| wait.behind), "each has its turn again with the tick");
    stack.tick_after(MINUTE).await;
    assert_eq!((calls(&stack), instances(&stack)), (20, 10));
}

#[tokio::test]
async fn a_launch_whose_calls_get_no_answer_holds_up_its_line_for_an_hour_at_most() {
    for by_tick in [true, false] {
        let mut stack = without_room().await;
        many::plan(&stack, "first", 0).await;
        many::launch(&stack, "first").await;
        stack.clock.advance(MINUTE);
        // It waits behind the first one, and then becomes the first.
        let token = stack.start(&Task::new(State::Launch)).await;
        many::plan(&stack, "api", 0).await;
        stack.clock.advance(MINUTE);
        many::launch(&stack, "api").await;
        many::change(&stack, BUILD, |item| item["plan"]["sourceImage"] = json!("ami-silent")).await;
        many::change(&stack, "first", |item| item["status"] = json!("closed")).await;
        stack.cloud.restore_capacity();
        stack.cloud = stack.cloud.behind(Arc::new(Silent));
        if !by_tick {
            an_instance_ends(&stack, "terminated").await;
        }
        let began = stack.clock.now();
        let error = wait_for(&stack, &token, SignedDuration::from_hours(3)).await.unwrap().unwrap_err();
        assert!(error.cause.contains("will try again: RunInstances"), "{}", error.cause);
        assert!(stack.clock.now().duration_since(began) < SignedDuration::from_mins(75), "{by_tick}");
        assert!(wait_for(&stack, "token-api", SignedDuration::from_mins(5)).await.is_some());
    }
}

/// Leaves the launches of an image without an answer.
struct Silent;

#[async_trait]
impl Between for Silent {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        (call.name == "RunInstances" && call.detail.contains("ami-silent")).then_some(Fault::Refuse(Kind::Unanswered))
    }
}

#[tokio::test]
async fn what_else_is_due_is_woken_though_the_lines_cannot_be_read() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.cloud.pace(|pace| pace.until_image = 1_000);
    stack.start(&Task::new(State::Snapshot)).await;
    stack.clock.advance(MINUTE);
    struct NoLines(AtomicUsize);
    #[async_trait]
    impl Between for NoLines {
        async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
            // The second read of a tick is that of the lines.
            let is_second = call.name == TABLE_READ && self.0.fetch_add(1, Ordering::Relaxed) == 1;
            is_second.then_some(Fault::Refuse(Kind::Throttled))
        }
    }
    let before = stack.cloud.wakes().len();
    let context = stack.context_behind(Arc::new(NoLines(AtomicUsize::new(0))));
    signal::handle(&context, json!({})).await.unwrap_err();
    assert_eq!(stack.cloud.wakes().len(), before + 1);
}

/// Gives room for `t3.small` before the third call that asks for it.
struct RoomLater {
    cloud: FakeCloud,
    asked: AtomicUsize,
}

#[async_trait]
impl Between for RoomLater {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        let is_asked = call.name == "RunInstances" && call.detail.starts_with("t3.small ");
        if is_asked && self.asked.fetch_add(1, Ordering::Relaxed) == 2 {
            self.cloud.restore_capacity();
        }
        None
    }
}

#[tokio::test]
async fn a_launch_that_waits_for_room_survives_every_fault() {
    // Launch uses the other type, so that LaunchTest is the first that waits.
    let new = async || {
        let mut stack = Stack::new().await;
        stack.cloud.no_capacity("t3.small", None);
        let later = RoomLater { cloud: stack.cloud.clone(), asked: AtomicUsize::new(0) };
        stack.cloud = stack.cloud.behind(Arc::new(later));
        stack
    };
    // Between the two attempts, and until the instance is online, the tick wakes the function.
    let effects = ["PutEvents", "RunInstances", "Invoke", "RunInstances", "Invoke", "Invoke", "SendTaskSuccess"];
    check_state_on(new, Task::item(State::LaunchTest, "t3.small"), &effects).await;
}

#[tokio::test]
async fn a_lost_answer_to_a_later_attempt_leaves_one_instance() {
    for fault in [Fault::LoseAnswer, Fault::KillAfter, Fault::KillBefore] {
        let stack = without_room().await;
        let token = stack.start(&Task::new(State::Launch)).await;
        stack.cloud.restore_capacity();
        stack.cloud.fail_next("RunInstances", fault);
        assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(6)).await, Some(Ok(json!({}))), "{fault:?}");
        assert_eq!(instances(&stack), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_retried_state_goes_on_waiting_since_its_first_refusal() {
    let (stack, task) = (without_room().await, Task::new(State::Launch));
    stack.start(&task).await;
    stack.clock.advance(SignedDuration::from_secs(20));
    let asked = calls(&stack);
    stack.start_with(&task, "token-again").await;
    assert_eq!(calls(&stack), asked);
    assert!(detail(&stack, &task).await.contains("since 2026-11-24T03:00:00Z"));
    stack.cloud.restore_capacity();
    assert_eq!(wait_for(&stack, "token-again", SignedDuration::from_mins(6)).await, Some(Ok(json!({}))));
    assert_eq!(instances(&stack), 1);
}

#[tokio::test]
async fn after_a_lost_spot_instance_only_on_demand_waits_for_room() {
    let stack = Stack::new().await;
    stack.build_on_spot().await;
    let stack = reach_on(stack, &Task::new(State::Launch)).await;
    stack.cloud.pace(|pace| pace.until_online = NEVER);
    let markets = || -> Vec<bool> {
        let launches = stack.cloud.requests().launches;
        launches.iter().map(|(_, launch)| launch.market.is_spot()).collect()
    };
    let token = stack.start(&Task::new(State::Launch)).await;
    for instance_type in ["t3.small", "t3a.small"] {
        stack.cloud.no_capacity(instance_type, None);
    }
    for id in stack.inventory().region(HOME).instances.keys() {
        stack.cloud.end_instance(HOME, id, "Server.SpotInstanceShutdown: Spot instance shutdown");
    }
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(30)).await, None);
    assert_eq!(markets(), [true]);
    stack.cloud.pace(|pace| pace.until_online = 1);
    stack.cloud.restore_capacity();
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(12)).await, Some(Ok(json!({}))));
    assert_eq!(markets(), [true, false]);
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 0));
}
