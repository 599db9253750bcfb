use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ExecutionStatus, Kind, Parameter};
use goldsmith_store::{Aftermath, Effect, EffectKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::LATE;
use crate::events::reap;
use crate::testing::{AWAY, BUILD, FIFO_TOPIC, Stack, TOPIC, Task, good, reach, reach_on};
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

/// A build that has ended while its topic refused every message.
async fn untold_topic(kind: Kind) -> Stack {
    let stack = reach_on(Stack::with_topic().await, &Task::new(State::Finish)).await;
    stack.cloud.fail_always("Publish", AWAY, Fault::Refuse(kind));
    assert!(stack.run(&Task::new(State::Finish)).await.is_ok(), "the build ends as always");
    stack
}

#[tokio::test]
async fn a_topic_that_refuses_is_told_later_and_the_event_is_sent_once() {
    for kind in [Kind::Denied, Kind::NotFound, Kind::Invalid, Kind::Throttled, Kind::Unanswered] {
        let stack = untold_topic(kind).await;
        let after = stack.record().await.after;
        assert!(!after.is_untold && after.is_unnotified && !after.is_untagged, "{kind:?}: {after:?}");
        // The lease is free.
        let next = stack.run_as("web-next-1", &Task::new(State::Plan)).await;
        assert_eq!(next.unwrap()["outcome"], "build", "{kind:?}");
        for minutes in [3, 20, 61] {
            tick(&stack, SignedDuration::from_mins(minutes)).await;
            assert!(stack.record().await.after.is_unnotified, "{kind:?} after {minutes}");
        }
        stack.cloud.heal();
        for _ in 0..2 {
            tick(&stack, SignedDuration::from_hours(7)).await;
            assert!(stack.record().await.after.is_over(), "{kind:?}");
        }
        let image = stack.image().await.image.to_string();
        let events = stack.ends();
        assert_eq!(events.iter().filter(|event| event.resources.contains(&image)).count(), 1, "{kind:?}");
        let messages = stack.cloud.messages();
        let ours = messages.iter().filter(|one| one.message.attributes["image"] == image);
        assert_eq!(ours.map(|one| one.topic.as_str()).collect::<Vec<_>>(), [TOPIC], "{kind:?}");
    }
}

#[tokio::test]
async fn a_topic_that_never_answers_does_not_repeat_the_event() {
    let stack = reach_on(Stack::with_topic().await, &Task::new(State::Finish)).await;
    stack.cloud.fail_next("Publish", Fault::KillBefore);
    stack.run_until_killed(&[good(State::Finish)]).await;
    let after = stack.record().await.after;
    assert!(!after.is_untold && after.is_unnotified, "{after:?}");
    // The definition invokes Finish again.
    assert!(stack.run(&Task::new(State::Finish)).await.is_ok());
    assert!(stack.record().await.after.is_over());
    assert_eq!((stack.ends().len(), stack.cloud.messages().len()), (1, 1));
}

#[tokio::test]
async fn an_event_that_is_refused_does_not_keep_the_message_back() {
    let stack = reach_on(Stack::with_topic().await, &Task::new(State::Finish)).await;
    stack.cloud.fail_always("PutEvents", HOME, Fault::Refuse(Kind::Denied));
    stack.run(&Task::new(State::Finish)).await.unwrap();
    let after = stack.record().await.after;
    assert!(after.is_untold && !after.is_unnotified, "{after:?}");
    stack.cloud.heal();
    tick(&stack, SignedDuration::from_mins(20)).await;
    assert!(stack.record().await.after.is_over());
    assert_eq!((stack.ends().len(), stack.cloud.messages().len()), (1, 1));
}

#[tokio::test]
async fn a_build_that_only_lacks_its_message_is_given_up_after_a_month() {
    let stack = untold_topic(Kind::NotFound).await;
    tick(&stack, SignedDuration::from_hours(29 * 24)).await;
    assert!(is_looked_after(&stack).await);
    tick(&stack, SignedDuration::from_hours(2 * 24)).await;
    assert!(!is_looked_after(&stack).await);
}

#[tokio::test]
async fn a_fifo_topic_of_another_account_gets_the_message_of_a_build_once() {
    let stack = Stack::new().await;
    stack.name_topic(FIFO_TOPIC).await;
    let stack = reach_on(stack, &Task::new(State::Finish)).await;
    // SNS has the message, and its answer is lost.
    stack.cloud.fail_next("Publish", Fault::LoseAnswer);
    stack.run(&Task::new(State::Finish)).await.unwrap();
    assert!(stack.record().await.after.is_unnotified);
    tick(&stack, SignedDuration::from_mins(20)).await;
    assert!(stack.record().await.after.is_over());
    let messages = stack.cloud.messages();
    assert_eq!((messages.len(), messages[0].topic.as_str()), (1, FIFO_TOPIC));
    assert_eq!((messages[0].message.group.as_str(), messages[0].message.id.as_str()), ("web", BUILD));
}
