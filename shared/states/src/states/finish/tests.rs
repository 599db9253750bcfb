//! Tests every way in which a build can end, and what it leaves.

use goldsmith_cloud::fake::{Fault, HOME, Outcome as CommandOutcome};
use goldsmith_cloud::{ExecutionStatus, Kind};
use goldsmith_model::definitions::Definitions;
use goldsmith_store::{BuildStatus, ImageStatus, Item, Key, StateStatus, Table as _, Write, stamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::states::finish;
use crate::testing::{AWAY, BUILD, Stack, Task, check_state, check_state_on, reach, whole_build};
use crate::{ErrorInfo, Outcome, State, TAG_EXPIRES};

#[tokio::test]
async fn finish_survives_every_fault() {
    check_state(Task::new(State::Finish), &["TerminateInstances", "TerminateInstances", "PutEvents", "Invoke"]).await;
}

#[tokio::test]
async fn finish_with_a_topic_survives_every_fault() {
    let effects = ["TerminateInstances", "TerminateInstances", "PutEvents", "Invoke", "Publish"];
    check_state_on(Stack::with_topic, Task::new(State::Finish), &effects).await;
}

/// Stops the execution: after that, no state of the definition runs, and only the status event arrives.
async fn stop(stack: &Stack) {
    stack.end_execution(ExecutionStatus::Aborted).await;
    tell(stack, "ABORTED").await;
}

/// Delivers a status event, whether true or false.
async fn tell(stack: &Stack, status: &str) {
    let detail = json!({"name": BUILD, "status": status, "executionArn": "arn"});
    finish::handle_event(&stack.context(), detail).await.unwrap();
}

/// Runs a build whose task `failing` fails, up to and including FinishFailed.
async fn fail(stack: &Stack, failing: State, error: ErrorInfo) {
    for before in whole_build().iter().take_while(|before| before.state != failing) {
        stack.run(before).await.unwrap();
    }
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
}

#[tokio::test]
async fn a_good_build_leaves_its_two_images_and_nothing_else() {
    let stack = reach(&Task::new(State::Finish)).await;
    let answer = stack.run(&Task::new(State::Finish)).await.unwrap();
    let image = stack.image().await;
    assert_eq!(image.status, ImageStatus::Available);
    assert_eq!(answer, json!({"outcome": "built", "image": "web/1.0.0/1", "amis": image.amis}));
    let inventory = stack.inventory();
    for region in [HOME, AWAY] {
        let there = inventory.region(region);
        assert_eq!((there.instances.len(), there.images.len(), there.snapshots.len()), (0, 1, 1), "{region}");
    }
    let parameters = [("/images/web".to_owned(), image.amis[HOME].clone())].into();
    assert_eq!(inventory.region(HOME).parameters, parameters, "the parameter of another channel stays as it is");
    let channels = stack.store().channels(&image.pipeline).await.unwrap();
    assert_eq!((channels.len(), channels[0].channel.as_str(), channels[0].number), (1, "candidate", 1));
    assert_eq!(channels[0].to.as_ref(), Some(&image.image));
    assert_eq!(stack.record().await.status, BuildStatus::Closed);
    assert_eq!(stack.cloud.launch_permission(AWAY, &image.amis[AWAY]).users, ["111122223333"]);
    let (shared, deprecated) = stack.cloud.terms(AWAY, &image.amis[AWAY]);
    assert_eq!(shared, [["111122223333".to_owned()].into()]);
    let created: Timestamp = image.created_at.parse().unwrap();
    assert_eq!(deprecated, Some(stamp(created + SignedDuration::from_hours(90 * 24))));
    assert_eq!(stack.cloud.terms(HOME, &image.amis[HOME]), (vec![[].into()], None));
}

#[tokio::test]
async fn a_failed_step_is_recorded_and_leaves_nothing() {
    let stack = Stack::new().await;
    let result = json!({"status": "failed", "failureMessage": "Document nginx failed!", "failureContext": {
        "document": "nginx", "phase": "build", "step": "Install", "action": "ExecuteBash", "exitCode": 1,
        "message": "exit status 1", "lastLines": ["no such package"],
    }});
    stack.cloud.next_command(CommandOutcome::failed(1, &result.to_string()));
    stack.run(&Task::new(State::Plan)).await.unwrap();
    stack.run(&Task::new(State::Launch)).await.unwrap();
    let error = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.CommandFailed");
    let answer = stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert_eq!(answer["cause"], "Build: nginx / build / Install: exit status 1");
    let failure = stack.image().await.failure.unwrap();
    assert_eq!((failure.step.as_deref(), failure.exit_code), (Some("Install"), Some(1)));
    assert_eq!(failure.last_lines, ["no such package"]);
    assert!(stack.inventory().is_empty());
    let told = stack.cloud.events().pop().unwrap();
    assert!(!told.detail.contains("lastLines") && !told.detail.contains("no such package"), "{}", told.detail);
    let detail: Value = serde_json::from_str(&told.detail).unwrap();
    assert_eq!((&detail["build"], &detail["failure"]["step"]), (&json!(BUILD), &json!("Install")));
}

#[tokio::test]
async fn a_failed_test_leaves_nothing() {
    let stack = Stack::new().await;
    let error = ErrorInfo { error: "Goldsmith.TestFailed".to_owned(), cause: "the page is empty".to_owned() };
    fail(&stack, State::DistributeRegion, error).await;
    assert!(stack.inventory().is_empty());
    assert_eq!(stack.image().await.status, ImageStatus::Failed);
}

#[tokio::test]
async fn a_failed_distribution_keeps_the_home_image_with_its_expiry() {
    let stack = Stack::new().await;
    for task in
        whole_build().iter().take_while(|task| task.scope() != Task::item(State::DistributeRegion, AWAY).scope())
    {
        stack.run(task).await.unwrap();
    }
    stack.cloud.next_image_fails(AWAY, "KMS key is disabled");
    let copy = stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap_err();
    let outcomes = [
        Outcome { item: HOME.to_owned(), outcome: "succeeded".to_owned(), cause: None },
        Outcome { item: AWAY.to_owned(), outcome: "failed".to_owned(), cause: Some(json!(copy.cause)) },
    ];
    let publish = Task { results: Some(outcomes.to_vec()), ..Task::new(State::Publish) };
    let error = stack.run(&publish).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.CopyFailed");
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();

    let inventory = stack.inventory();
    assert_eq!(inventory.regions.keys().collect::<Vec<_>>(), [HOME]);
    let home = inventory.region(HOME);
    assert_eq!((home.instances.len(), home.images.len(), home.parameters.len()), (0, 1, 0));
    assert!(home.images.values().chain(home.snapshots.values()).all(|tags| tags.contains_key(TAG_EXPIRES)));
    let failure = stack.image().await.failure.unwrap();
    assert_eq!((failure.state.as_str(), failure.region.as_deref()), ("DistributeRegion", Some(AWAY)));
    assert!(failure.message.contains("KMS key is disabled"), "{}", failure.message);
}

#[tokio::test]
async fn a_stop_at_any_effect_leaves_nothing_or_what_was_published() {
    let whole = Stack::new().await;
    for task in whole_build() {
        whole.run(&task).await.unwrap();
    }
    let published = whole.inventory();
    let effects = whole.cloud.effects().len();
    for n in 1..=effects {
        for fault in [Fault::KillBefore, Fault::KillAfter] {
            let stack = Stack::new().await;
            stack.start_execution().await;
            stack.cloud.fail_at(n, fault);
            stack.run_until_killed(&whole_build()).await;
            stop(&stack).await;
            // An image that a parameter may name goes when no function can be putting it any more.
            stack.clock.advance(crate::LATE * 2);
            crate::events::reap::handle(&stack.context(), json!({})).await.unwrap();
            let Some(record) = stack.store().build(BUILD).await.unwrap() else { continue };
            let expected = if record.published { published.clone() } else { Default::default() };
            assert_eq!(stack.inventory(), expected, "stopped with {fault:?} at effect {n} of {effects}");
            assert_eq!(record.status, BuildStatus::Closed);
            let states = stack.store().states(BUILD).await.unwrap();
            assert!(states.iter().all(|state| state.status != StateStatus::Running), "{states:?}");
        }
    }
}

#[tokio::test]
async fn a_function_that_runs_on_after_a_stop_makes_nothing() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stop(&stack).await;
    let error = stack.run(&Task::new(State::Snapshot)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Closed");
    assert!(stack.inventory().is_empty());
    assert_eq!(stack.image().await.status, ImageStatus::Cancelled);
}

#[tokio::test]
async fn an_event_of_a_running_or_unknown_execution_ends_nothing() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    tell(&stack, "ABORTED").await;
    stack.start_execution().await;
    let there = stack.inventory();
    for status in ["ABORTED", "FAILED", "TIMED_OUT"] {
        tell(&stack, status).await;
    }
    assert_eq!(stack.record().await.status, BuildStatus::Open);
    assert_eq!(stack.inventory(), there);
    assert!(stack.run(&Task::new(State::Snapshot)).await.is_ok(), "the build goes on");
    // How it has ended is asked for, too: the event says something else.
    stack.end_execution(ExecutionStatus::Aborted).await;
    tell(&stack, "TIMED_OUT").await;
    assert_eq!(stack.image().await.status, ImageStatus::Cancelled);
}

#[tokio::test]
async fn a_status_event_waits_for_the_answer_of_step_functions() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.end_execution(ExecutionStatus::Aborted).await;
    stack.cloud.fail_next("DescribeExecution", Fault::Refuse(Kind::Unanswered));
    let detail = json!({"name": BUILD, "status": "ABORTED"});
    let error = finish::handle_event(&stack.context(), detail).await.unwrap_err();
    assert!(error.is_transient(), "Lambda tries it again: {error}");
    tell(&stack, "ABORTED").await;
    assert_eq!(stack.record().await.status, BuildStatus::Closed);
}

/// A build whose state Build has failed because a component no longer exists, and its task FinishFailed. The instance
/// is kept.
async fn refused_by_build() -> (Stack, Task) {
    let stack = Stack::new().await;
    let mut infrastructure = stack.store().infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    infrastructure.keep_on_failure = SignedDuration::from_hours(4);
    let definitions = Definitions { infrastructures: vec![infrastructure], ..Definitions::default() };
    stack.store().apply(&definitions).await.unwrap();
    for state in [State::Plan, State::Launch] {
        stack.run(&Task::new(state)).await.unwrap();
    }
    let text = |item: &Item, name: &str| item[name].as_str().unwrap().to_owned();
    for item in stack.table.dump().into_iter().filter(|item| text(item, "pk") == "COMPONENT#nginx") {
        let key = Key::new(text(&item, "pk"), text(&item, "sk"));
        stack.table.write(vec![Write::Delete { key, checks: vec![] }]).await.unwrap();
    }
    let error = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Refused", "{error:?}");
    (stack, Task { error: Some(error), ..Task::new(State::FinishFailed) })
}

#[tokio::test]
async fn what_cannot_be_removed_is_reported_and_kept_if_finish_dies() {
    let (whole, task) = refused_by_build().await;
    let before = whole.cloud.effects().len();
    let ended = whole.run(&task).await;
    assert_eq!(ended.as_ref().unwrap()["error"], "Goldsmith.Refused");
    let kept = whole.inventory();
    let effects = whole.cloud.effects().split_off(before);
    for call in ["PutEvents", "CreateTags"] {
        assert!(effects.iter().any(|effect| effect.name == call), "{call} is no effect: {effects:?}");
    }
    for n in 1..=effects.len() {
        for fault in [Fault::KillBefore, Fault::KillAfter] {
            let (stack, task) = refused_by_build().await;
            stack.cloud.fail_at(n, fault);
            for _ in 0..2 {
                assert_eq!(stack.run(&task).await, ended, "{fault:?} at effect {n}");
            }
            assert!(!stack.cloud.events().is_empty(), "nobody was told with {fault:?} at effect {n}");
            assert!(stack.record().await.after.is_over(), "{fault:?} at effect {n}");
            let instances = stack.inventory().region(HOME).instances;
            assert_eq!(instances.len(), 1, "{fault:?} at effect {n}");
            assert!(instances.values().all(|tags| tags.contains_key(TAG_EXPIRES)), "{fault:?} at effect {n}");
            assert_eq!(instances.len(), kept.region(HOME).instances.len());
        }
    }
}
