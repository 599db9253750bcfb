//! Tests of automatic builds: failed builds are retried, and at most one build starts per hour.

use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{AMAZON, Fault, HOME, Outcome};
use goldsmith_model::{Cause, RebuildOn, SourceImage};
use goldsmith_store::{CauseRecord, CauseStatus, ImageRecord, ImageStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::Clock as _;
use crate::events::reap;
use crate::events::trigger;
use crate::testing::Stack;

/// A stack whose pipeline is rebuilt for releases of its source, and has seen the first release.
async fn watching() -> Stack {
    let stack = Stack::new().await;
    let source = SourceImage::Parameter("/source".to_owned());
    stack.store().subscribe(&"web".parse().unwrap(), &source, RebuildOn::SourceUpdate).await.unwrap();
    pass(&stack, 1).await;
    stack
}

/// Publishes a release of the source, and returns the cause that it makes.
pub(super) async fn release(stack: &Stack, name: &str) -> Cause {
    let image = stack.cloud.add_image(HOME, AMAZON, name);
    stack.point_source_to(&image).await;
    Cause::SourceUpdate { source: "ssm:/source".to_owned(), image_id: image }
}

/// Lets minutes pass, then checks the sources and runs a tick.
pub(super) async fn pass(stack: &Stack, minutes: i64) {
    stack.clock.advance(SignedDuration::from_mins(minutes));
    trigger::handle(&stack.context(), json!({"check": "sources"})).await.unwrap();
    reap::handle(&stack.context(), json!({})).await.unwrap();
}

/// Runs the builds that were started until they end. Either all of these builds fail in their component, or none does.
pub(super) async fn build(stack: &Stack, fails: bool) -> Vec<Value> {
    let mut ended = Vec::new();
    for run in stack.cloud.executions() {
        if run.status == goldsmith_cloud::ExecutionStatus::Running {
            if fails {
                let result = json!({"status": "failed", "failureMessage": "the mirror is down"});
                stack.cloud.next_command(Outcome::failed(1, &result.to_string()));
            }
            let input = serde_json::from_str(&run.input).unwrap();
            ended.push(stack.start_and_execute(&run.name, input).await.unwrap());
        }
    }
    ended
}

pub(super) async fn images(stack: &Stack) -> Vec<ImageRecord> {
    stack.store().images("web").await.unwrap()
}

pub(super) async fn kept(stack: &Stack, cause: &Cause) -> CauseRecord {
    stack.store().cause(&"web".parse().unwrap(), cause).await.unwrap().unwrap()
}

/// The last event that a build sends at its end.
pub(super) fn told(stack: &Stack) -> Value {
    serde_json::from_str(&stack.cloud.events().last().unwrap().detail).unwrap()
}

#[tokio::test]
async fn a_release_is_retried_until_a_build_of_it_is_published() {
    let stack = watching().await;
    let cause = release(&stack, "debian-12.1").await;
    pass(&stack, 1).await;
    for (failures, pause) in [(1, 60), (2, 6 * 60)] {
        assert_eq!(build(&stack, true).await.len(), 1);
        let record = kept(&stack, &cause).await;
        assert_eq!((record.status, record.failures), (CauseStatus::Pending, failures));
        assert_eq!(told(&stack)["triedAgainAt"], json!(record.not_before.unwrap()));
        for minutes in [1, pause - 10] {
            pass(&stack, minutes).await;
            assert!(build(&stack, false).await.is_empty(), "too early");
        }
        pass(&stack, 10).await;
    }
    assert_eq!(build(&stack, false).await[0]["outcome"], "built");
    assert_eq!(kept(&stack, &cause).await.status, CauseStatus::Served);
    for hours in [1, 6, 24, 100] {
        pass(&stack, hours * 60).await;
        assert!(build(&stack, false).await.is_empty(), "a fourth");
    }
    assert_eq!(images(&stack).await.len(), 3);
}

#[tokio::test]
async fn a_release_whose_builds_all_fail_is_reported_and_the_next_is_built() {
    let stack = watching().await;
    let cause = release(&stack, "debian-12.1").await;
    let mut built = 0;
    for hours in [0, 1, 6, 24, 100, 1_000] {
        pass(&stack, hours * 60 + 1).await;
        built += build(&stack, true).await.len();
    }
    assert_eq!(built, 4);
    let record = kept(&stack, &cause).await;
    assert_eq!((record.status, record.given_up, record.failures), (CauseStatus::Served, true, 4));
    assert_eq!((&told(&stack)["givenUp"], &told(&stack)["triedAgainAt"]), (&json!(true), &json!(null)));
    release(&stack, "debian-12.2").await;
    pass(&stack, 1).await;
    assert_eq!(build(&stack, false).await[0]["outcome"], "built");
}

#[tokio::test]
async fn a_release_that_another_build_has_published_is_not_retried() {
    for by_a_person in [true, false] {
        let stack = watching().await;
        let cause = release(&stack, "debian-12.1").await;
        pass(&stack, 1).await;
        build(&stack, true).await;
        if by_a_person {
            stack.start_and_execute("by-hand", json!({"pipeline": "web"})).await.unwrap();
        } else {
            release(&stack, "debian-12.2").await;
            pass(&stack, 61).await;
            assert_eq!(build(&stack, false).await[0]["outcome"], "built");
        }
        let images_before = images(&stack).await.len();
        pass(&stack, 70).await;
        build(&stack, false).await;
        pass(&stack, 1).await;
        assert_eq!(kept(&stack, &cause).await.status, CauseStatus::Served, "by a person: {by_a_person}");
        assert_eq!(images(&stack).await.len(), images_before);
    }
}

#[tokio::test]
async fn a_schedule_is_retried_unless_it_was_stopped_or_disabled() {
    let event = json!({"schedule": {"pipeline": "web", "scheduledTime": "2026-11-24T03:00:00Z"}});
    let cause = Cause::Schedule { scheduled_time: "2026-11-24T03:00:00Z".to_owned() };
    for (is_disabled, expected) in [(false, 2), (true, 1)] {
        let stack = Stack::new().await;
        trigger::handle(&stack.context(), event.clone()).await.unwrap();
        build(&stack, true).await;
        if is_disabled {
            let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
            web.status = goldsmith_model::Status::Disabled;
            stack.put_pipeline(web).await;
        }
        pass(&stack, 61).await;
        build(&stack, false).await;
        assert_eq!(images(&stack).await.len(), expected);
        assert_eq!(kept(&stack, &cause).await.status, CauseStatus::Served);
    }
    let stack = Stack::new().await;
    trigger::handle(&stack.context(), event).await.unwrap();
    let run = stack.cloud.executions().remove(0);
    stack.cloud.edit_execution(&run.arn, |run| run.status = goldsmith_cloud::ExecutionStatus::Aborted);
    let told = json!({"name": run.name, "status": "ABORTED"});
    crate::states::finish::handle_event(&stack.context(), told).await.unwrap();
    assert_eq!(kept(&stack, &cause).await.status, CauseStatus::Served);
}

#[tokio::test]
async fn many_releases_make_one_build_an_hour_and_the_newest_is_built() {
    let stack = watching().await;
    let mut began = Vec::new();
    let mut newest = None;
    for n in 0..36 {
        newest = Some(release(&stack, &format!("debian-12.{n}")).await);
        pass(&stack, 10).await;
        for _ in build(&stack, n % 5 == 0).await {
            began.push(stack.clock.now());
        }
    }
    assert!((5..=7).contains(&began.len()), "{began:?}");
    for _ in 0..12 {
        pass(&stack, 60 * 6).await;
        build(&stack, false).await;
    }
    let Some(Cause::SourceUpdate { image_id, .. }) = newest else { panic!("released") };
    let last = images(&stack).await.into_iter().rfind(|image| image.status == ImageStatus::Available);
    assert_eq!(last.unwrap().source_image, image_id);
    assert!(stack.store().pending_causes(&"web".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_error_of_aws_before_the_build_is_retried_too() {
    let stack = watching().await;
    let cause = release(&stack, "debian-12.1").await;
    pass(&stack, 1).await;
    stack.cloud.fail_always("DescribeInstanceTypes", HOME, Fault::Refuse(Kind::Denied));
    build(&stack, false).await;
    stack.cloud.heal();
    pass(&stack, 2).await;
    let record = kept(&stack, &cause).await;
    assert_eq!((record.status, record.failures), (CauseStatus::Pending, 1));
    pass(&stack, 61).await;
    assert_eq!(build(&stack, false).await[0]["outcome"], "built");
}

#[tokio::test]
async fn a_cause_that_always_fails_is_retried_less_and_less_often() {
    use goldsmith_cloud::ExecutionStatus;
    let stack = crate::testing::Stack::new().await;
    let pipeline: goldsmith_model::Name = "web".parse().unwrap();
    let cause = goldsmith_model::Cause::Schedule { scheduled_time: "2026-11-24T03:00:00Z".into() };
    super::start(&stack.context(), &pipeline, &cause).await.unwrap();
    for _ in 0..2 * 24 * 60 {
        for execution in stack.cloud.executions() {
            stack.cloud.edit_execution(&execution.arn, |execution| {
                (execution.status, execution.error) = (ExecutionStatus::Failed, Some("Goldsmith.Throttled".to_owned()));
            });
        }
        stack.clock.advance(jiff::SignedDuration::from_mins(1));
        crate::events::reap::handle(&stack.context(), serde_json::json!({})).await.unwrap();
    }
    let tried = stack.cloud.executions().len();
    assert!((10..20).contains(&tried), "{tried} executions in two days");
    assert_eq!(stack.store().pending_causes(&pipeline).await.unwrap().len(), 1, "it is not lost");
}
