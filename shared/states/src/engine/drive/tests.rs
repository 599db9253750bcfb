//! Tests of the tokens and waits of states that run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use goldsmith_cloud::fake::{Between, FakeCloud, Fault, HOME, OnItsWay};
use goldsmith_cloud::{ExecutionStatus, Kind};
use goldsmith_store::{Holder, Store, Table as _};
use jiff::SignedDuration;
use serde_json::json;
use tokio::sync::Notify;

use crate::states::finish;
use crate::testing::{AWAY, BUILD, Stack, Task, reach};
use crate::{Clock as _, Context, State, dispatch};

/// Holds the first SendCommand until the test releases it.
#[derive(Default)]
struct Held {
    has_come: AtomicBool,
    reached: Notify,
    released: Notify,
}

#[async_trait]
impl Between for Held {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        if call.name == "SendCommand" && !self.has_come.swap(true, Ordering::Relaxed) {
            self.reached.notify_one();
            self.released.notified().await;
        }
        None
    }
}

/// SendCommand has no client token: a command that arrives after the clean-up of the next state would run its order
/// again, since the clean-up removes the agent's records.
#[tokio::test]
async fn a_second_attempt_sends_no_command_while_the_first_one_runs() {
    let stack = reach(&Task::new(State::Build)).await;
    let held = Arc::new(Held::default());
    let context = Context { cloud: stack.cloud.behind(held.clone()).cloud(), ..stack.context() };
    let build = Task::new(State::Build);
    let retried = async {
        held.reached.notified().await;
        stack.start_with(&build, "second").await;
        held.released.notify_one();
    };
    let (first, ()) = tokio::join!(stack.run_in(&context, &build), retried);
    first.unwrap();
    assert_eq!(stack.cloud.requests().commands.len(), 1);
    assert!(stack.answer("second").unwrap().is_ok(), "who still runs answers the retry's token");
}

/// Step Functions gives each attempt its own token, and the token of an attempt that it has given up on may reach the
/// table late.
#[tokio::test]
async fn every_attempts_token_is_answered_whichever_begins_last() {
    for closes in [false, true] {
        let stack = reach(&Task::new(State::Snapshot)).await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        let tokens = ["second", "first", "third", "first"];
        for token in tokens {
            stack.start_with(&Task::new(State::Snapshot), token).await;
        }
        assert!(tokens.iter().all(|token| stack.answer(token).is_none()));
        if closes {
            stack.end_execution(ExecutionStatus::Aborted).await;
            let change = json!({"name": BUILD, "status": "ABORTED"});
            finish::handle_event(&stack.context(), change).await.unwrap();
        } else {
            stack.cloud.settle();
        }
        stack.tick_after(SignedDuration::from_mins(5)).await;
        for token in tokens {
            assert!(stack.answer(token).unwrap().is_ok() || closes, "{token}");
        }
        assert_eq!(stack.table.due("WAIT", "9999").await.unwrap(), []);
        let answers = stack.cloud.answers().len();
        stack.start_with(&Task::new(State::Snapshot), "late").await;
        assert_eq!(stack.answer("late").is_some(), !closes, "a closed build begins no state");
        assert_eq!(stack.cloud.answers().len(), answers + usize::from(!closes), "no token is answered twice");
    }
}

#[tokio::test]
async fn the_other_tokens_are_answered_if_one_answer_is_refused() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.cloud.pace(|pace| pace.until_image = 1_000);
    for token in ["first", "second"] {
        stack.start_with(&Task::new(State::Snapshot), token).await;
    }
    stack.cloud.settle();
    stack.cloud.fail_next("SendTaskSuccess", Fault::Refuse(Kind::Denied));
    stack.tick_after(SignedDuration::from_mins(5)).await;
    assert!(stack.answer("second").is_none() && stack.answer("first").unwrap().is_ok());
    stack.tick_after(SignedDuration::from_mins(5)).await;
    assert!(stack.answer("second").unwrap().is_ok());
    assert_eq!(stack.table.due("WAIT", "9999").await.unwrap(), []);
}

#[tokio::test]
async fn a_closed_builds_wait_is_removed_even_if_its_answer_always_fails() {
    for kind in [Kind::Denied, Kind::Unanswered] {
        let stack: Stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.no_capacity("t3.small", None);
        stack.cloud.no_capacity("t3a.small", None);
        stack.cloud.fail_always("SendTaskFailure", HOME, Fault::Refuse(kind));
        let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
        stack.tick_after(SignedDuration::from_mins(1)).await;
        assert_eq!(stack.table.due("WAIT", "9999").await.unwrap().len(), 1, "its execution may still wait");
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        stack.tick_after(SignedDuration::from_mins(5)).await;
        assert_eq!(stack.table.due("WAIT", "9999").await.unwrap(), []);
    }
}

/// Lets the AMI become available before the `n`th call after it was made, with the wake of its event.
struct EventAtCall {
    cloud: FakeCloud,
    context: Context,
    n: usize,
    calls: AtomicUsize,
}

#[async_trait]
impl Between for EventAtCall {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        let is_made = call.name == "CreateImage" || self.calls.load(Ordering::Relaxed) > 0;
        if is_made && self.calls.fetch_add(1, Ordering::Relaxed) == self.n {
            self.cloud.settle();
            let wake = json!({"wake": {"build": BUILD, "state": "Snapshot"}});
            dispatch(&self.context, "snapshot", wake).await.unwrap();
        }
        None
    }
}

/// The holder of the lock may have looked a moment before the event, and unlock a moment after it.
#[tokio::test]
async fn an_event_at_any_moment_of_the_first_invocation_ends_the_wait_without_a_tick() {
    for n in 1.. {
        let stack = reach(&Task::new(State::Snapshot)).await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        let (cloud, context) = (stack.cloud.clone(), stack.context());
        let event = Arc::new(EventAtCall { cloud, context, n, calls: AtomicUsize::new(0) });
        let token = "token";
        stack.cloud.open_token(token);
        let behind = stack.context_behind(event.clone());
        let behind = Context { cloud: stack.cloud.behind(event.clone()).cloud(), ..behind };
        let payload = json!({"build": BUILD, "state": "Snapshot", "token": token, "execution": stack.context().config.execution_arn(BUILD)});
        dispatch(&behind, "snapshot", payload).await.unwrap();
        let calls = event.calls.load(Ordering::Relaxed);
        if calls <= n {
            assert!(n > 3, "the first invocation made only {n} calls");
            assert_eq!(stack.answer(token), None, "no event has come");
            break;
        }
        assert_eq!(stack.answer(token), Some(Ok(json!({}))), "call {n} of {calls}");
    }
}

/// The seconds for which the first invocation of a state looks, if nothing happens.
async fn looks_for(task: Task, change: impl Fn(&Stack)) -> i64 {
    let stack = reach(&task).await;
    change(&stack);
    let began = stack.clock.now();
    let token = stack.start(&task).await;
    assert_eq!(stack.answer(&token), None);
    stack.clock.now().duration_since(began).as_secs()
}

#[tokio::test]
async fn a_function_leaves_if_an_event_will_wake_it_and_stays_if_none_will_and_the_end_is_near() {
    let launch = Task::new(State::Launch);
    let boots = looks_for(launch.clone(), |stack| stack.cloud.pace(|pace| pace.until_running = 1_000)).await;
    assert!((1..3).contains(&boots), "the instance boots: {boots} s");
    for (age, seconds) in [(SignedDuration::ZERO, 55..60), (SignedDuration::from_mins(2), 10..16)] {
        let silent = looks_for(launch.clone(), |stack| {
            stack.cloud.pace(|pace| pace.until_online = 1_000);
            stack.cloud.consoles_say("", stack.clock.now() - age);
        });
        let silent = silent.await;
        assert!(seconds.contains(&silent), "the agent of an instance that is {age} old is not online: {silent} s");
    }
    let copy = Task::item(State::DistributeRegion, AWAY);
    let copied = looks_for(copy, |stack| stack.cloud.pace(|pace| pace.until_image = 1_000)).await;
    assert!((10..16).contains(&copied), "the copy is in another Region: {copied} s");
}

/// Knocks before each look of the holder.
struct Knocks(Store);

#[async_trait]
impl Between for Knocks {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        if call.name == "DescribeImages" {
            self.0.knock(BUILD, &State::Snapshot.into()).await.unwrap();
        }
        None
    }
}

#[tokio::test]
async fn knocks_without_end_do_not_keep_a_function_beyond_its_time() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.cloud.pace(|pace| pace.until_image = 1_000);
    let knocks = Arc::new(Knocks(stack.store()));
    let context = Context { cloud: stack.cloud.behind(knocks).cloud(), ..stack.context() };
    let began = stack.clock.now();
    stack.run_in(&context, &Task::new(State::Snapshot)).await.unwrap();
    let held = stack.clock.now().duration_since(began).as_secs();
    assert!((55..60).contains(&held), "{held} s");
    let lock = stack.store().lock(BUILD, &State::Snapshot.into(), Holder::Wake, stack.clock.now()).await.unwrap();
    assert!(lock.is_some(), "it has unlocked");
}
