//! Tests of pipelines that must not start automatically for a while, because their builds have failed or because they
//! are frozen.

use goldsmith_model::{AutoDisablePolicy, ImagePipeline, RebuildOn, Status};
use goldsmith_store::{CauseStatus, ImageStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::retried::{build, images, kept, pass, release, told};
use crate::events::trigger;
use crate::testing::Stack;

/// A stack whose pipeline watches the releases of its source, has seen the first release, and is then changed by the
/// test.
async fn watching(change: impl FnOnce(&mut ImagePipeline)) -> Stack {
    let stack = Stack::new().await;
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.rebuild_on = vec![RebuildOn::SourceUpdate];
    change(&mut web);
    stack.put_pipeline(web).await;
    pass(&stack, 1).await;
    stack
}

/// The schedule fires. Returns how many builds it has started.
async fn fire(stack: &Stack, time: &str) -> Value {
    let event = json!({"schedule": {"pipeline": "web", "scheduledTime": time}});
    trigger::handle(&stack.context(), event).await.unwrap()["started"].clone()
}

#[tokio::test]
async fn failures_in_a_row_stop_a_pipeline_until_a_person_enables_it() {
    let stack = watching(|web| web.auto_disable_policy = Some(AutoDisablePolicy { failure_count: 2 })).await;
    let (store, web) = (stack.store(), "web".parse().unwrap());
    let first = release(&stack, "debian-12.1").await;
    pass(&stack, 1).await;
    assert_eq!(build(&stack, true).await.len(), 1);
    assert_eq!((&told(&stack)["pipelineDisabled"], told(&stack)["triedAgainAt"].is_string()), (&json!(null), true));
    pass(&stack, 61).await;
    assert_eq!(build(&stack, true).await.len(), 1);
    let failures = store.failures(&web).await.unwrap().unwrap();
    assert_eq!(told(&stack)["pipelineDisabled"], json!({"at": failures.stopped_at, "failures": 2}));
    assert_eq!(told(&stack)["triedAgainAt"], json!(null));
    assert_eq!(kept(&stack, &first).await.status, CauseStatus::Served);
    // Nothing starts it: no retry, no schedule, no release.
    release(&stack, "debian-12.2").await;
    for (hours, time) in [(1, "2026-11-24T05:00:00Z"), (6, "2026-11-24T11:00:00Z"), (24, "2026-11-25T11:00:00Z")] {
        pass(&stack, hours * 60).await;
        assert_eq!(fire(&stack, time).await, 0, "{time}");
        assert!(build(&stack, false).await.is_empty());
    }
    assert!(store.pending_causes(&web).await.unwrap().is_empty());
    // A good build by hand enables nothing.
    stack.start_and_execute("by-hand", json!({"pipeline": "web"})).await.unwrap();
    assert!(store.is_stopped(&web).await.unwrap());
    store.switch_pipeline(&web, Status::Enabled).await.unwrap();
    release(&stack, "debian-12.3").await;
    pass(&stack, 61).await;
    assert_eq!(build(&stack, false).await[0]["outcome"], "built");
    assert_eq!(store.failures(&web).await.unwrap(), None);
}

#[tokio::test]
async fn a_release_that_came_while_a_pipeline_was_stopped_is_built_once_it_is_enabled() {
    let stack = watching(|web| web.auto_disable_policy = Some(AutoDisablePolicy { failure_count: 1 })).await;
    fire(&stack, "2026-11-24T03:00:00Z").await;
    build(&stack, true).await;
    release(&stack, "debian-12.1").await;
    pass(&stack, 120).await;
    assert!(build(&stack, false).await.is_empty());
    stack.store().switch_pipeline(&"web".parse().unwrap(), Status::Enabled).await.unwrap();
    pass(&stack, 1).await;
    assert_eq!(build(&stack, false).await[0]["outcome"], "built");
}

#[tokio::test]
async fn builds_by_hand_are_not_counted_and_a_good_one_resets_the_count() {
    let stack = watching(|web| web.auto_disable_policy = Some(AutoDisablePolicy { failure_count: 2 })).await;
    let (store, web) = (stack.store(), "web".parse().unwrap());
    for time in ["2026-11-24T03:00:00Z", "2026-11-24T09:00:00Z"] {
        assert_eq!(fire(&stack, time).await, 1, "{time}");
        build(&stack, true).await;
        assert_eq!(store.failures(&web).await.unwrap().unwrap().count, 1, "{time}");
        stack.start_and_execute(&format!("by-hand-{}", &time[11..13]), json!({"pipeline": "web"})).await.unwrap();
        assert_eq!(store.failures(&web).await.unwrap(), None, "{time}");
        stack.clock.advance(SignedDuration::from_hours(2));
    }
}

/// A stack whose pipeline is frozen for the first two days.
async fn frozen() -> Stack {
    watching(|web| web.freeze = serde_json::from_value(json!([{"from": "2026-11-24", "until": "2026-11-26"}])).unwrap())
        .await
}

#[tokio::test]
async fn what_comes_during_a_freeze_makes_one_build_after_it() {
    let stack = frozen().await;
    for time in ["2026-11-24T03:00:00Z", "2026-11-25T03:00:00Z"] {
        assert_eq!(fire(&stack, time).await, 0, "{time}");
        release(&stack, &format!("debian at {time}")).await;
        pass(&stack, 20 * 60).await;
        assert!(stack.cloud.executions().is_empty(), "{time}");
    }
    let waits = stack.store().pending_causes(&"web".parse().unwrap()).await.unwrap();
    assert_eq!(waits.len(), 4);
    assert!(waits.iter().all(|wait| wait.not_before.is_some() && wait.failures == 0), "{waits:?}");
    for _ in 0..10 {
        pass(&stack, 61).await;
        build(&stack, false).await;
    }
    let built = images(&stack).await;
    assert_eq!(built.len(), 1, "{built:?}");
    assert_eq!((built[0].status, built[0].source_image.clone()), (ImageStatus::Available, stack.source().await));
    assert!(stack.store().pending_causes(&"web".parse().unwrap()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_freeze_that_is_taken_out_of_the_definition_ends_within_an_hour() {
    let stack = frozen().await;
    assert_eq!(fire(&stack, "2026-11-24T03:00:00Z").await, 0);
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.freeze.clear();
    stack.put_pipeline(web).await;
    pass(&stack, 61).await;
    assert_eq!(build(&stack, false).await[0]["outcome"], "built");
}

#[tokio::test]
async fn a_build_by_hand_during_a_freeze_does_the_work_of_what_was_put_off() {
    let stack = frozen().await;
    assert_eq!(fire(&stack, "2026-11-24T03:00:00Z").await, 0);
    pass(&stack, 60).await;
    stack.start_and_execute("by-hand", json!({"pipeline": "web"})).await.unwrap();
    for _ in 0..4 {
        pass(&stack, 24 * 60).await;
        build(&stack, false).await;
    }
    assert_eq!(images(&stack).await.len(), 1);
    assert!(stack.store().pending_causes(&"web".parse().unwrap()).await.unwrap().is_empty());
    // The next time of the schedule builds as ever.
    assert_eq!(fire(&stack, "2026-11-28T03:00:00Z").await, 1);
    build(&stack, false).await;
    assert_eq!(images(&stack).await.len(), 2);
}
