use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ExecutionStatus, Kind, Parameter};
use goldsmith_store::{Aftermath, Effect, EffectKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::LATE;
use crate::events::reap;
use crate::testing::{BUILD, Stack, Task, good, reach};
use crate::{Clock as _, State};

/// A build that was stopped and closed when Publish was about to write a parameter, and the journal entry for that
/// parameter.
async fn closed_while_putting() -> (Stack, Effect) {
    let stack = reach(&Task::new(State::Publish)).await;
    stack.start_execution().await;
    stack.cloud.fail_next("PutParameter", Fault::KillBefore);
    stack.run_until_killed(&[good(State::Publish)]).await;
    let arn = stack.context().config.execution_arn(BUILD);
    stack.cloud.edit_execution(&arn, |execution| execution.status = ExecutionStatus::Aborted);
    tick(&stack, SignedDuration::from_mins(5)).await;
    // The images stay until no parameter can name them any more.
    let left = stack.inventory().regions;
    assert!(left.values().all(|region| region.instances.is_empty() && region.parameters.is_empty()), "{left:?}");
    let effects = stack.store().all_effects(BUILD).await.unwrap();
    let entry = effects.into_iter().find(|effect| effect.kind.is_parameter()).unwrap();
    (stack, entry)
}

/// Returns the value that the function of the entry writes.
fn value(entry: &Effect) -> &str {
    let EffectKind::Parameter { value, .. } = &entry.kind else { panic!("{entry:?} is no parameter") };
    value
}

/// What the function does afterwards.
async fn put(stack: &Stack, entry: &Effect, value: &str) {
    let value = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
    stack.context().cloud.parameters.put(&entry.region, &entry.name, &value).await.unwrap();
}

async fn tick(stack: &Stack, later: SignedDuration) {
    stack.clock.advance(later);
    reap::handle(&stack.context(), json!({})).await.unwrap();
}

async fn is_looked_after(stack: &Stack) -> bool {
    !stack.store().open_builds(Timestamp::MAX).await.unwrap().is_empty()
}

#[tokio::test]
async fn a_parameter_written_after_the_end_is_restored_once_functions_ended() {
    let (stack, entry) = closed_while_putting().await;
    tick(&stack, LATE).await;
    assert!(is_looked_after(&stack).await, "a function may still run");
    put(&stack, &entry, value(&entry)).await;
    let made = Effect { id: Some(value(&entry).to_owned()), ..entry.clone() };
    assert!(!stack.store().complete(&stack.record().await, &made).await.unwrap(), "the build is closed");
    for _ in 0..2 {
        tick(&stack, LATE).await;
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
        assert!(!is_looked_after(&stack).await);
    }
}

#[tokio::test]
async fn an_early_look_does_not_replace_the_look_for_late_parameters() {
    let (stack, entry) = closed_while_putting().await;
    let record = stack.record().await;
    let untold = Aftermath { is_untold: true, ..Aftermath::default() };
    stack.store().look_again(&record, &untold, Some(stack.clock.now())).await.unwrap();
    stack.end_execution(ExecutionStatus::Aborted).await;
    let detail = json!({"name": BUILD, "status": "ABORTED"});
    crate::states::finish::handle_event(&stack.context(), detail).await.unwrap();
    put(&stack, &entry, value(&entry)).await;
    tick(&stack, LATE * 2).await;
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    assert!(!is_looked_after(&stack).await);
}

#[tokio::test]
async fn a_parameter_that_was_written_again_since_stays() {
    let (stack, entry) = closed_while_putting().await;
    put(&stack, &entry, "ami-somebody").await;
    tick(&stack, LATE * 2).await;
    assert_eq!(stack.inventory().region(&entry.region).parameters[&entry.name], "ami-somebody");
    assert!(!is_looked_after(&stack).await);
}

#[tokio::test]
async fn a_failed_restore_is_retried_and_after_a_month_once_a_week() {
    for kind in [Kind::Denied, Kind::Unanswered] {
        let (stack, entry) = closed_while_putting().await;
        put(&stack, &entry, value(&entry)).await;
        stack.cloud.fail_next("DeleteParameter", Fault::Refuse(kind));
        tick(&stack, LATE * 2).await;
        assert!(is_looked_after(&stack).await && !stack.inventory().is_empty());
        tick(&stack, SignedDuration::from_mins(20)).await;
        assert!(!is_looked_after(&stack).await && stack.inventory().is_empty());
    }
    let (stack, entry) = closed_while_putting().await;
    put(&stack, &entry, value(&entry)).await;
    stack.cloud.fail_always("DeleteParameter", &entry.region, Fault::Refuse(Kind::Denied));
    tick(&stack, SignedDuration::from_hours(31 * 24)).await;
    stack.cloud.heal();
    tick(&stack, SignedDuration::from_hours(6 * 24)).await;
    assert!(is_looked_after(&stack).await && !stack.inventory().is_empty(), "not more often than once a week");
    tick(&stack, SignedDuration::from_hours(2 * 24)).await;
    assert!(!is_looked_after(&stack).await && stack.inventory().is_empty());
}

#[tokio::test]
async fn a_build_that_only_lacks_its_event_is_given_up_after_a_month() {
    let (stack, _) = closed_while_putting().await;
    let untold = Aftermath { is_untold: true, ..Aftermath::default() };
    stack.store().look_again(&stack.record().await, &untold, Some(stack.clock.now())).await.unwrap();
    stack.cloud.fail_always("PutEvents", HOME, Fault::Refuse(Kind::Denied));
    tick(&stack, SignedDuration::from_hours(29 * 24)).await;
    assert!(is_looked_after(&stack).await);
    tick(&stack, SignedDuration::from_hours(2 * 24)).await;
    assert!(!is_looked_after(&stack).await);
}
