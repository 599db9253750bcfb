//! Anyone who may start executions may name any cause. If the stack has not kept the named cause for that very
//! execution, the build counts as manual.

use goldsmith_model::Cause;
use goldsmith_store::CauseStatus;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::events::reap;
use crate::events::trigger;
use crate::testing::Stack;

const TIME: &str = "2026-11-24T03:00:00Z";

fn cause() -> Cause {
    Cause::Schedule { scheduled_time: TIME.to_owned() }
}

/// The name of the execution that the stack starts for the cause.
fn name(attempt: u32) -> String {
    goldsmith_model::execution_name(&"web".parse().unwrap(), &cause(), attempt)
}

/// An input that names the cause and has more fields.
fn forged(more: Value) -> Value {
    let mut input = json!({"pipeline": "web", "cause": cause()});
    input.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    input
}

/// The schedule fires. Returns how many builds it has started.
async fn fire(stack: &Stack) -> Value {
    let event = json!({"schedule": {"pipeline": "web", "scheduledTime": TIME}});
    trigger::handle(&stack.context(), event).await.unwrap()["started"].clone()
}

/// Checks that the execution of this attempt builds for the real schedule, and serves it.
async fn assert_builds(stack: &Stack, attempt: u32, why: &str) {
    let runs = stack.cloud.executions().into_iter().find(|one| one.name == name(attempt)).unwrap();
    let built = stack.start_and_execute(&runs.name, serde_json::from_str(&runs.input).unwrap()).await.unwrap();
    assert_eq!(built["outcome"], "built", "{why}: {built}");
    let record = stack.store().build(&runs.name).await.unwrap().unwrap();
    assert_eq!(record.cause, cause(), "{why}");
    let kept = stack.store().cause(&record.pipeline, &cause()).await.unwrap().unwrap();
    assert_eq!(kept.status, CauseStatus::Served, "{why}");
}

#[tokio::test]
async fn a_forged_cause_makes_at_most_a_manual_build_and_the_real_one_builds() {
    for (why, more) in [
        ("alone", json!({})),
        ("with an override", json!({"sourceImage": "ssm:/source"})),
        ("with a component that does not exist, which is rejected", json!({"parameters": {"apache": {"port": "1"}}})),
        ("with a field that does not exist, which is rejected", json!({"colour": 1})),
    ] {
        let stack = Stack::new().await;
        let ended = stack.start_and_execute("somebody", forged(more)).await.unwrap();
        if let Some(record) = stack.store().build("somebody").await.unwrap() {
            assert_eq!(record.cause, Cause::Manual { id: "somebody".to_owned() }, "{why}: {ended}");
        }
        assert_eq!(fire(&stack).await, 1, "{why}: {ended}");
        assert_builds(&stack, 1, why).await;
    }
}

#[tokio::test]
async fn taking_the_executions_name_neither_serves_nor_stops_the_cause() {
    for (why, more) in [
        ("another pipeline's words", json!({"reason": "mine"})),
        ("with an override", json!({"sourceImage": "ssm:/source"})),
        ("refused", json!({"parameters": {"apache": {"port": "1"}}})),
    ] {
        for is_kept in [false, true] {
            let stack = Stack::new().await;
            if is_kept {
                let pipeline = "web".parse().unwrap();
                stack.store().keep_cause(&pipeline, &cause(), crate::Clock::now(&stack.clock)).await.unwrap();
            }
            stack.start_and_execute(&name(1), forged(more.clone())).await.unwrap();
            assert_eq!(fire(&stack).await, 1, "{why}");
            assert_builds(&stack, 2, why).await;
        }
    }
}

#[tokio::test]
async fn a_name_held_by_anothers_execution_is_skipped_once_that_has_ended() {
    let stack = Stack::new().await;
    let config = stack.context().config;
    let input = forged(json!({"reason": "mine"})).to_string();
    stack.cloud.cloud().executions.start(&config.state_machine, &name(1), &input).await.unwrap();
    assert_eq!(fire(&stack).await, 0);
    let arn = config.execution_arn(&name(1));
    stack.cloud.edit_execution(&arn, |execution| execution.status = goldsmith_cloud::ExecutionStatus::Aborted);
    let told = json!({"name": name(1), "status": "ABORTED"});
    crate::states::finish::handle_event(&stack.context(), told).await.unwrap();
    stack.clock.advance(SignedDuration::from_mins(2));
    reap::handle(&stack.context(), json!({})).await.unwrap();
    assert_builds(&stack, 2, "after a stop").await;
}
