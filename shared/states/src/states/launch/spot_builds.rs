//! Tests of builds on spot instances, from the launch to the end of the instance and of its request.

use goldsmith_cloud::fake::{Fault, HOME, NEVER};
use goldsmith_cloud::{Machines as _, Market};
use goldsmith_model::definitions::Definitions;
use goldsmith_store::{Scope, StateStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::State;
use crate::testing::{Stack, Task, check_state_of, check_state_on, good, reach_on, whole_build};

/// EC2's reason for a spot instance that it has stopped.
const INTERRUPTED: &str = "Server.SpotInstanceShutdown: Spot instance shutdown";
const CANCEL: &str = "CancelSpotInstanceRequests";

/// A stack whose pipeline builds on spot instances.
async fn stack() -> Stack {
    let stack = Stack::new().await;
    stack.build_on_spot().await;
    stack
}

/// The same stack with a build instance that is online.
async fn launched() -> Stack {
    reach_on(stack().await, &Task::new(State::Build)).await
}

/// The same stack after EC2 has taken the build instance back and Build has reported it.
async fn interrupted() -> Stack {
    let stack = launched().await;
    take_back(&stack);
    let error = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Interrupted", "{}", error.cause);
    stack
}

/// The same stack with another build instance.
async fn launched_again() -> Stack {
    let stack = interrupted().await;
    stack.run(&Task::new(State::LaunchAgain)).await.unwrap();
    stack
}

/// Interrupts every instance of the build.
fn take_back(stack: &Stack) {
    for id in stack.inventory().region(HOME).instances.keys() {
        stack.cloud.end_instance(HOME, id, INTERRUPTED);
    }
}

fn markets(stack: &Stack) -> Vec<bool> {
    stack.cloud.requests().launches.iter().map(|(_, launch)| launch.market.is_spot()).collect()
}

async fn detail(stack: &Stack, state: State) -> String {
    stack.store().state(&stack.record().await.build, &Scope::from(state)).await.unwrap().unwrap().detail
}

#[tokio::test]
async fn launch_survives_every_fault_on_spot() {
    check_state_on(stack, Task::new(State::Launch), &["PutEvents", "RunInstances", "SendTaskSuccess"]).await;
}

#[tokio::test]
async fn build_survives_every_fault_on_spot() {
    let effects = ["PutObject", "PutObject", "SendCommand", "SendTaskSuccess"];
    check_state_on(stack, Task::new(State::Build), &effects).await;
}

#[tokio::test]
async fn a_launch_that_is_interrupted_survives_every_fault() {
    let doomed = async || {
        let stack = stack().await;
        stack.cloud.next_instance_ends(1, INTERRUPTED);
        stack
    };
    let effects = ["PutEvents", "RunInstances", CANCEL, "TerminateInstances", "RunInstances", "SendTaskSuccess"];
    check_state_on(doomed, Task::new(State::Launch), &effects).await;
}

#[tokio::test]
async fn launch_again_survives_every_fault() {
    let task = Task::new(State::LaunchAgain);
    let effects = [CANCEL, "TerminateInstances", "RunInstances", "SendTaskSuccess"];
    check_state_of(interrupted, std::slice::from_ref(&task), task.clone(), &effects).await;
}

#[tokio::test]
async fn build_again_survives_every_fault() {
    let task = Task::new(State::BuildAgain);
    let effects = ["PutObject", "SendCommand", "SendTaskSuccess"];
    check_state_of(launched_again, std::slice::from_ref(&task), task.clone(), &effects).await;
}

#[tokio::test]
async fn snapshot_survives_every_fault_on_spot() {
    let effects =
        ["PutObject", "SendCommand", "StopInstances", "CreateImage", CANCEL, "TerminateInstances", "SendTaskSuccess"];
    check_state_on(stack, Task::new(State::Snapshot), &effects).await;
}

#[tokio::test]
async fn the_build_instance_is_launched_on_spot_for_a_request_that_ends_by_itself() {
    let stack = reach_on(stack().await, &good(State::JudgeTests)).await;
    let launches = stack.cloud.requests().launches;
    let until = stack.record().await.spot_until().unwrap();
    assert_eq!(launches[0].1.market, Market::StoppableSpot { until });
    assert_eq!(launches[1].1.market, Market::OnDemand, "the test");
    let began: jiff::Timestamp = stack.record().await.created_at.parse().unwrap();
    assert_eq!(until.duration_since(began).as_hours(), 8 * 24);
    assert!(stack.inventory().region(HOME).spot_requests.is_empty());
}

#[tokio::test]
async fn a_build_is_launched_on_demand_if_there_is_no_spot_instance_and_the_reason_is_told() {
    let stack = reach_on(stack().await, &Task::new(State::Launch)).await;
    stack.cloud.no_spot_capacity();
    stack.run(&Task::new(State::Launch)).await.unwrap();
    assert_eq!(markets(&stack), [false]);
    let told = detail(&stack, State::Launch).await;
    let reasons = "; tried before: t3.small (spot): MaxSpotInstanceCountExceeded; t3a.small (spot): \
                   MaxSpotInstanceCountExceeded";
    assert!(told.ends_with(reasons), "{told}");
}

#[tokio::test]
async fn an_interrupted_build_goes_on_on_demand_and_says_why() {
    let stack = launched().await;
    stack.cloud.pace(|pace| pace.until_command = NEVER);
    let token = stack.start(&Task::new(State::Build)).await;
    assert!(stack.answer(&token).is_none());
    take_back(&stack);
    stack.tick_after(SignedDuration::from_mins(1)).await;
    let error = stack.answer(&token).unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.Interrupted");
    assert!(error.cause.contains(INTERRUPTED) && error.cause.contains("starts again on demand"), "{}", error.cause);
    stack.cloud.pace(|pace| pace.until_command = 1);
    let tasks = whole_build();
    let rest = tasks.iter().skip_while(|task| task.state != State::Snapshot);
    for task in [Task::new(State::LaunchAgain), Task::new(State::BuildAgain)].iter().chain(rest) {
        let ended = stack.run(task).await;
        assert!(ended.is_ok(), "{}: {ended:?}", task.scope());
    }
    assert_eq!(markets(&stack), [true, false, false]);
    let told = detail(&stack, State::LaunchAgain).await;
    assert!(told.contains("; tried before: t3.small (spot): i-") && told.ends_with(" was interrupted"), "{told}");
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len(), there.images.len()), (0, 0, 1));
    let build = stack.store().state(&stack.record().await.build, &State::Build.into()).await.unwrap().unwrap();
    assert_eq!(build.status, StateStatus::Failed);
    let ended: Value = serde_json::from_str(&stack.cloud.events().last().unwrap().detail).unwrap();
    assert_eq!(ended["status"], "AVAILABLE");
    assert!(ended["interrupted"].as_str().is_some_and(|why| why.contains(INTERRUPTED)), "{ended}");
    // The same instance is not asked for again: the second launch has its own journal.
    let effects = stack.store().effects(&stack.record().await.build, &State::Launch.into()).await.unwrap();
    assert_eq!((effects.len(), effects[0].lost.as_deref()), (1, Some(INTERRUPTED)));
}

#[tokio::test]
async fn an_interruption_while_the_instance_is_cleaned_fails_the_build_and_says_what_to_do() {
    let stack = reach_on(stack().await, &Task::new(State::Snapshot)).await;
    stack.cloud.pace(|pace| pace.until_command = NEVER);
    let token = stack.start(&Task::new(State::Snapshot)).await;
    assert!(stack.answer(&token).is_none());
    take_back(&stack);
    stack.tick_after(SignedDuration::from_mins(1)).await;
    let error = stack.answer(&token).unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.ImageFailed");
    let advice = "start the build again, or remove `spot` from the infrastructure configuration";
    assert!(error.cause.contains(advice), "{}", error.cause);
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}

#[tokio::test]
async fn a_failed_build_leaves_neither_an_instance_nor_a_request() {
    for state in [State::Launch, State::Build] {
        for fault in [Fault::KillBefore, Fault::KillAfter, Fault::LoseAnswer] {
            let stack = reach_on(stack().await, &Task::new(state)).await;
            stack.cloud.fail_next("RunInstances", fault);
            stack.run_until_killed(&[Task::new(state)]).await;
            let error = crate::ErrorInfo { error: "States.Timeout".to_owned(), cause: String::new() };
            stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
            assert!(stack.inventory().is_empty(), "{state} {fault:?}: {:?}", stack.inventory());
        }
    }
}

#[tokio::test]
async fn a_build_that_ends_before_ec2_shows_its_instance_leaves_no_request() {
    let stack = reach_on(stack().await, &Task::new(State::Launch)).await;
    stack.cloud.pace(|pace| pace.hide_new = 3);
    let token = stack.start(&Task::new(State::Launch)).await;
    stack.cloud.close_token(&token);
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 1));
    let error = crate::ErrorInfo { error: "States.Timeout".to_owned(), cause: String::new() };
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}

#[tokio::test]
async fn what_a_request_has_launched_after_a_persons_termination_ends_too() {
    let stack = launched().await;
    let id = stack.inventory().region(HOME).instances.into_keys().next().unwrap();
    stack.cloud.terminate(HOME, &id).await.unwrap();
    let error = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_ne!(error.error, "Goldsmith.Interrupted", "a person has ended it");
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 1));
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}

#[tokio::test]
async fn what_a_cancelled_request_had_launched_ends_too() {
    let stack = launched().await;
    let there = stack.inventory().region(HOME);
    let (id, request) = (there.instances.keys().next().unwrap(), there.spot_requests.keys().next().unwrap());
    stack.cloud.terminate(HOME, id).await.unwrap();
    assert!(stack.cloud.cancel_spot_request(HOME, request).await.unwrap());
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 0), "neither tags nor the journal lead to it");
    let error = stack.run(&Task::new(State::Build)).await.unwrap_err();
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}

/// Fails the build in its state Build, after this has happened to the instance. The instance is to be kept.
async fn fail_and_keep(happens: impl AsyncFnOnce(&Stack, &str)) -> Stack {
    let stack = stack().await;
    let mut infrastructure = stack.store().infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    infrastructure.keep_on_failure = SignedDuration::from_hours(4);
    let definitions = Definitions { infrastructures: vec![infrastructure], ..Definitions::default() };
    stack.store().apply(&definitions).await.unwrap();
    let stack = reach_on(stack, &Task::new(State::Build)).await;
    let id = stack.inventory().region(HOME).instances.into_keys().next().unwrap();
    happens(&stack, &id).await;
    let cause = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "a step failed"});
    let error = crate::ErrorInfo { error: "Goldsmith.CommandFailed".to_owned(), cause: cause.to_string() };
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    stack
}

#[tokio::test]
async fn a_kept_instance_loses_its_request_which_would_launch_another_one() {
    let stack = fail_and_keep(async |_, _| ()).await;
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 0));
    let id = there.instances.into_keys().next().unwrap();
    stack.cloud.terminate(HOME, &id).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}

#[tokio::test]
async fn a_kept_instance_that_is_stopped_keeps_its_request_because_ec2_would_terminate_it() {
    let stack = fail_and_keep(async |stack, id| {
        stack.cloud.stop(HOME, id).await.unwrap();
        stack.cloud.settle();
    })
    .await;
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 1));
}

#[tokio::test]
async fn nothing_of_an_instance_is_kept_that_ec2_has_ended() {
    let stack = fail_and_keep(async |stack, id| {
        stack.cloud.end_instance(HOME, id, "Server.InternalError: Internal error on launch");
    })
    .await;
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
}
