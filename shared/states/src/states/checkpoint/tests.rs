//! Tests of Checkpoint, and of what becomes of its AMI.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use goldsmith_cloud::fake::{Between, Fault, HOME, NEVER, OnItsWay};
use goldsmith_cloud::{InstanceState, Kind, Machines as _, TAG_STATUS};
use goldsmith_store::{CheckpointRecord, StateStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::State;
use crate::error_names::ErrorName;
use crate::events::reap;
use crate::testing::{Stack, TABLE_READ, Task, check_state_of, reach_on_in, whole_build_with_checkpoint};

/// Without an event, the tick sees that the instance is back.
const EFFECTS: [&str; 6] = ["StopInstances", "CreateImage", "StartInstances", "Invoke", "Invoke", "SendTaskSuccess"];

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A stack right before this state, in a build that makes a checkpoint.
async fn before(state: State) -> Stack {
    reach_on_in(Stack::with_checkpoint().await, &whole_build_with_checkpoint(), &Task::new(state)).await
}

async fn checkpoint(stack: &Stack) -> Option<CheckpointRecord> {
    stack.store().checkpoint(&"web".parse().unwrap()).await.unwrap()
}

async fn detail(stack: &Stack, state: State) -> String {
    stack.store().state(&stack.record().await.build, &state.into()).await.unwrap().unwrap().detail
}

/// The AMIs in the home Region that the stack has made.
fn images(stack: &Stack) -> Vec<String> {
    stack.inventory().region(HOME).images.into_keys().collect()
}

async fn sweep_after(stack: &Stack, time: SignedDuration) {
    stack.clock.advance(time);
    reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
}

/// Begins Checkpoint, and returns its token.
async fn begun(stack: &Stack) -> String {
    stack.start(&Task::new(State::Checkpoint)).await
}

async fn fail(stack: &Stack, error: crate::ErrorInfo) {
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
}

fn late() -> crate::ErrorInfo {
    crate::ErrorInfo { error: "Goldsmith.Timeout".to_owned(), cause: "too late".to_owned() }
}

#[tokio::test]
async fn checkpoint_survives_every_fault() {
    let task = Task::new(State::Checkpoint);
    check_state_of(Stack::with_checkpoint, &whole_build_with_checkpoint(), task, &EFFECTS).await;
}

#[tokio::test]
async fn checkpoint_survives_every_fault_on_spot() {
    let on_spot = async || {
        let stack = Stack::with_checkpoint().await;
        stack.build_on_spot().await;
        stack
    };
    let task = Task::new(State::Checkpoint);
    check_state_of(on_spot, &whole_build_with_checkpoint(), task, &EFFECTS).await;
}

#[tokio::test]
async fn the_build_goes_on_while_the_image_is_pending_and_the_instance_runs_again() {
    let stack = before(State::Checkpoint).await;
    stack.cloud.pace(|pace| pace.until_image = NEVER);
    stack.run(&Task::new(State::Checkpoint)).await.unwrap();
    let there = stack.inventory().region(HOME);
    let (id, tags) = there.images.first_key_value().unwrap();
    assert_eq!(tags[TAG_STATUS], "checkpoint");
    assert_eq!(checkpoint(&stack).await.unwrap().image, *id);
    let instance = there.instances.first_key_value().unwrap().0.clone();
    assert_eq!(stack.cloud.instance(HOME, &instance).await.unwrap().unwrap().state, InstanceState::Running);
    let told = detail(&stack, State::Checkpoint).await;
    assert_eq!(told, format!("the checkpoint is {id}; {instance} is online again"));
    stack.run(&Task::new(State::BuildRest)).await.unwrap();
}

#[tokio::test]
async fn a_build_runs_each_document_once_and_a_checkpoint_is_no_image() {
    let stack = Stack::with_checkpoint().await;
    stack.execute().await.unwrap();
    let phases = ["Build", "BuildRest", "ExecuteTest/t3.small"];
    let counts = phases.map(|scope| stack.ordered(scope).documents.len());
    assert_eq!(counts, [1, 2, 3]);
    let image = stack.image().await;
    let kept = checkpoint(&stack).await.unwrap().image;
    assert_ne!(image.amis[HOME], kept);
    assert_eq!(images(&stack).len(), 2);
    let tags = &stack.inventory().region(HOME).images[&kept];
    assert_eq!(tags[TAG_STATUS], "checkpoint", "publishing the image marks only the image");
}

#[tokio::test]
async fn without_its_image_the_build_goes_on() {
    for kind in [Kind::Denied, Kind::Invalid] {
        let stack = before(State::Checkpoint).await;
        stack.cloud.fail_always("CreateImage", HOME, Fault::Refuse(kind));
        stack.run(&Task::new(State::Checkpoint)).await.unwrap();
        let told = detail(&stack, State::Checkpoint).await;
        assert!(told.starts_with("there is no checkpoint: ") && told.ends_with(" is online again"), "{told}");
        stack.run(&Task::new(State::BuildRest)).await.unwrap();
        assert_eq!((images(&stack).len(), checkpoint(&stack).await), (0, None));
    }
}

#[tokio::test]
async fn without_an_answer_and_then_denied_the_build_goes_on_and_leaves_nothing() {
    let stack = before(State::Checkpoint).await;
    stack.cloud.fail_next("CreateImage", Fault::LoseAnswer);
    for _ in 0..9 {
        stack.cloud.fail_next("CreateImage", Fault::Refuse(Kind::Denied));
    }
    stack.run(&Task::new(State::Checkpoint)).await.unwrap();
    stack.run(&Task::new(State::BuildRest)).await.unwrap();
    assert_eq!((images(&stack).len(), checkpoint(&stack).await), (1, None));
    fail(&stack, late()).await;
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}

#[tokio::test]
async fn an_instance_for_which_there_is_no_room_is_replaced() {
    let run = whole_build_with_checkpoint();
    let stack = before(State::Checkpoint).await;
    stack.cloud.no_capacity("t3.small", None);
    let error = stack.run(&Task::new(State::Checkpoint)).await.unwrap_err();
    assert_eq!(error.error, ErrorName::Interrupted.as_str());
    let told = [" again: StartInstances in eu-west-1 failed: ", "InsufficientInstanceCapacity"];
    assert!(told.iter().all(|told| error.cause.contains(told)), "{}", error.cause);
    stack.cloud.restore_capacity();
    for state in [State::LaunchAgain, State::BuildAgain] {
        stack.run(&Task::new(state)).await.unwrap();
    }
    let there = stack.inventory().region(HOME);
    assert_eq!(there.instances.len(), 1, "the stopped instance is gone");
    assert_eq!(stack.ordered("BuildAgain").documents.len(), 3, "nothing of the first instance is used again");
    for task in run.iter().skip_while(|task| task.state != State::Snapshot) {
        stack.run(task).await.unwrap();
    }
    assert!(stack.inventory().region(HOME).instances.is_empty());
    let event: Value = serde_json::from_str(&stack.cloud.events().last().unwrap().detail).unwrap();
    assert!(event["interrupted"].as_str().is_some_and(|why| error.cause.contains(why)), "{event}");
}

#[tokio::test]
async fn an_instance_is_started_again_as_soon_as_there_is_room() {
    let stack = before(State::Checkpoint).await;
    stack.cloud.no_capacity("t3.small", None);
    let token = stack.start(&Task::new(State::Checkpoint)).await;
    for _ in 0..5 {
        stack.tick_after(SignedDuration::from_mins(1)).await;
    }
    assert!(stack.answer(&token).is_none());
    let told = detail(&stack, State::Checkpoint).await;
    assert!(told.ends_with("cannot start again yet: InsufficientInstanceCapacity"), "{told}");
    stack.cloud.restore_capacity();
    for _ in 0..5 {
        stack.tick_after(SignedDuration::from_mins(1)).await;
    }
    stack.answer(&token).unwrap().unwrap();
    stack.run(&Task::new(State::BuildRest)).await.unwrap();
}

#[tokio::test]
async fn a_checkpoint_outlives_its_failed_build_and_the_next_build_begins_with_it() {
    let stack = before(State::BuildRest).await;
    let kept = checkpoint(&stack).await.unwrap();
    stack.cloud.next_command(goldsmith_cloud::fake::Outcome::failed(1, "{}"));
    let error = stack.run(&Task::new(State::BuildRest)).await.unwrap_err();
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert_eq!(images(&stack), std::slice::from_ref(&kept.image));
    assert!(stack.inventory().region(HOME).instances.is_empty());
    sweep_after(&stack, DAY).await;
    assert_eq!(images(&stack), std::slice::from_ref(&kept.image), "the sweep leaves it");
    stack.start_and_execute("build-2", json!({"pipeline": "web"})).await.unwrap();
    let second = stack.store().build("build-2").await.unwrap().unwrap();
    assert_eq!(second.plan.checkpoint.unwrap().found, Some(kept.clone()));
    let launches = stack.cloud.requests().launches;
    assert_eq!(launches.iter().filter(|(_, launch)| launch.image == kept.image).count(), 1);
    assert_eq!(checkpoint(&stack).await, Some(kept));
}

#[tokio::test]
async fn a_checkpoint_is_removed_when_it_is_old_or_replaced_or_its_pipeline_is_deleted() {
    let built = async || {
        let stack = Stack::with_checkpoint().await;
        stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
        stack
    };
    let stack = built().await;
    let first = checkpoint(&stack).await.unwrap().image;
    sweep_after(&stack, DAY * 9).await;
    assert!(images(&stack).contains(&first), "a build that was planned with it may still run");
    sweep_after(&stack, DAY).await;
    assert!(!images(&stack).contains(&first));

    let stack = built().await;
    let first = checkpoint(&stack).await.unwrap().image;
    let source = stack.cloud.add_image(HOME, goldsmith_cloud::fake::AMAZON, "debian-12-newer");
    stack.point_source_to(&source).await;
    stack.start_and_execute("build-2", json!({"pipeline": "web"})).await.unwrap();
    let second = checkpoint(&stack).await.unwrap().image;
    sweep_after(&stack, SignedDuration::from_hours(1)).await;
    assert!(!images(&stack).contains(&first) && images(&stack).contains(&second));

    stack.store().delete_definition(&"pipeline/web".parse().unwrap()).await.unwrap();
    sweep_after(&stack, SignedDuration::from_hours(1)).await;
    assert!(!images(&stack).contains(&second));
}

#[tokio::test]
async fn a_checkpoint_stays_as_soon_as_its_snapshots_have_begun_and_not_before() {
    for (has_begun, left) in [(true, 1), (false, 0)] {
        let stack = before(State::Checkpoint).await;
        stack.cloud.pace(|pace| {
            pace.until_online = NEVER;
            pace.hide_new = if has_begun { 0 } else { NEVER };
        });
        let token = begun(&stack).await;
        stack.cloud.close_token(&token);
        assert_eq!((images(&stack).len(), checkpoint(&stack).await.is_some()), (1, has_begun));
        fail(&stack, late()).await;
        let there = stack.inventory().region(HOME);
        assert_eq!((there.images.len(), there.snapshots.len(), there.instances.len()), (left, left, 0));
    }
}

#[tokio::test]
async fn a_build_without_snapshots_or_an_answer_for_long_continues_without_its_checkpoint() {
    let hidden = |stack: &Stack| stack.cloud.pace(|pace| pace.hide_new = NEVER);
    let throttled = |stack: &Stack| {
        stack.cloud.fail_always("CreateImage", HOME, Fault::Refuse(Kind::Throttled));
    };
    for make_slow in [&hidden as &dyn Fn(&Stack), &throttled] {
        let stack = before(State::Checkpoint).await;
        make_slow(&stack);
        let token = begun(&stack).await;
        for _ in 0..25 {
            stack.tick_after(SignedDuration::from_mins(1)).await;
        }
        stack.answer(&token).unwrap().unwrap();
        let told = detail(&stack, State::Checkpoint).await;
        assert!(told.starts_with("there is no checkpoint: "), "{told}");
        stack.cloud.heal();
        stack.run(&Task::new(State::BuildRest)).await.unwrap();
        assert_eq!(checkpoint(&stack).await, None);
        fail(&stack, late()).await;
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    }
}

#[tokio::test]
async fn an_instance_that_ec2_starts_and_stops_again_is_replaced() {
    let stack = before(State::Checkpoint).await;
    stack.cloud.pace(|pace| pace.until_running = NEVER);
    let token = begun(&stack).await;
    let instance = stack.inventory().region(HOME).instances.first_key_value().unwrap().0.clone();
    stack.cloud.stop_instance(HOME, &instance, "Client.InternalError: Client error on launch");
    stack.tick_after(SignedDuration::from_mins(1)).await;
    let error = stack.answer(&token).unwrap().unwrap_err();
    assert_eq!(error.error, ErrorName::Interrupted.as_str());
    assert!(error.cause.contains("did not start again: Client.InternalError"), "{}", error.cause);
    assert!(checkpoint(&stack).await.is_some(), "the checkpoint itself is good");
}

#[tokio::test]
async fn a_checkpoint_is_forgotten_if_its_disk_may_be_the_reason_of_a_failure() {
    let run = whole_build_with_checkpoint();
    for (state, error, stays) in [
        (State::BuildRest, ErrorName::CommandFailed, true),
        // LaunchAgain has launched the source image.
        (State::LaunchAgain, ErrorName::NotOnline, true),
        (State::Snapshot, ErrorName::CommandFailed, false),
        (State::Snapshot, ErrorName::RebootLimit, false),
        (State::Snapshot, ErrorName::ImageFailed, true),
        (State::JudgeTests, ErrorName::TestFailed, false),
        (State::JudgeTests, ErrorName::AuditFailed, false),
        (State::JudgeTests, ErrorName::Vulnerable, false),
        (State::Publish, ErrorName::CopyFailed, true),
    ] {
        let stack = reach_on_in(Stack::with_checkpoint().await, &run, &Task::new(State::Snapshot)).await;
        fail(&stack, stack.failed_in(state, error)).await;
        assert_eq!(checkpoint(&stack).await.is_some(), stays, "{state}: {error:?}");
    }
    for (state, error, stays) in [
        (State::Launch, ErrorName::NotOnline, false),
        (State::Launch, ErrorName::Timeout, false),
        (State::Launch, ErrorName::Capacity, true),
        (State::LaunchAgain, ErrorName::NotOnline, false),
        (State::LaunchAgain, ErrorName::Capacity, true),
    ] {
        let stack = Stack::with_checkpoint().await;
        stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
        let begun = reach_on_in(stack, &run, &Task::new(State::Launch)).await;
        fail(&begun, begun.failed_in(state, error)).await;
        assert_eq!(checkpoint(&begun).await.is_some(), stays, "{state}: {error:?}");
        begun.start_and_execute("build-3", json!({"pipeline": "web"})).await.unwrap();
        let planned = begun.store().build("build-3").await.unwrap().unwrap().plan.checkpoint.unwrap();
        assert_eq!(planned.found.is_some(), stays);
    }
}

#[tokio::test]
async fn an_instance_that_ends_or_stays_silent_ends_the_state() {
    let stack = before(State::Checkpoint).await;
    let instance = |stack: &Stack| stack.inventory().region(HOME).instances.first_key_value().unwrap().0.clone();
    stack.cloud.end_instance(HOME, &instance(&stack), "Client.UserInitiatedShutdown: User initiated shutdown");
    let error = stack.run(&Task::new(State::Checkpoint)).await.unwrap_err();
    assert_eq!(error.error, ErrorName::ImageFailed.as_str());

    let stack = before(State::Checkpoint).await;
    stack.cloud.pace(|pace| pace.until_online = NEVER);
    let error = stack.run(&Task::new(State::Checkpoint)).await.unwrap_err();
    assert_eq!(error.error, ErrorName::Interrupted.as_str());
    assert!(error.cause.contains("its SSM agent does not register"), "{}", error.cause);
}

/// Throttles one read of the table, by its number.
struct Throttled {
    n: usize,
    reads: AtomicUsize,
}

#[async_trait]
impl Between for Throttled {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        let is_it = call.name == TABLE_READ && self.reads.fetch_add(1, Ordering::Relaxed) + 1 == self.n;
        is_it.then_some(Fault::Refuse(Kind::Throttled))
    }
}

#[tokio::test]
async fn a_read_of_the_table_that_fails_once_does_not_end_the_build() {
    for state in [State::Checkpoint, State::BuildRest, State::Snapshot] {
        for n in 1.. {
            let stack = before(state).await;
            let between = Arc::new(Throttled { n, reads: AtomicUsize::new(0) });
            let context = stack.context_behind(between.clone());
            let task = Task::new(state);
            let ended = match stack.run_in(&context, &task).await {
                // The definition calls the state again.
                Err(error) if error.error == ErrorName::Throttled.as_str() => stack.run(&task).await,
                ended => ended,
            };
            assert!(ended.is_ok(), "{state} with read {n}: {ended:?}");
            for _ in 0..12 {
                stack.tick_after(SignedDuration::from_mins(1)).await;
            }
            let ended = stack.store().state(&stack.record().await.build, &state.into()).await.unwrap().unwrap();
            assert_eq!(ended.status, StateStatus::Succeeded, "{state} with read {n}: {}", ended.detail);
            if between.reads.load(Ordering::Relaxed) < n {
                break;
            }
        }
    }
}
