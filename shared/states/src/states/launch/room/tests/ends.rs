//! How a wait ends: with an instance that has its own time, with a failure, or because the build is stopped.

use goldsmith_cloud::fake::NEVER;
use jiff::SignedDuration;
use serde_json::json;

use super::{MINUTE, calls, many, wait_for, without_room};
use crate::testing::{BUILD, Stack, Task, reach, reach_on};
use crate::{Clock as _, ErrorInfo, State};

#[tokio::test]
async fn the_state_knows_how_long_it_has_waited() {
    for (restored, waited) in [(true, 5..8), (false, 360..362)] {
        let stack = without_room().await;
        let token = stack.start(&Task::new(State::Launch)).await;
        stack.clock.advance(SignedDuration::from_mins(5));
        if restored {
            stack.cloud.restore_capacity();
        }
        let _ = wait_for(&stack, &token, SignedDuration::from_hours(7)).await.unwrap();
        let state = stack.store().state(BUILD, &State::Launch.into()).await.unwrap().unwrap();
        assert!(waited.contains(&(state.waited_for_room.unwrap() / 60)), "{state:?}");
    }
    let stack = reach(&Task::new(State::Build)).await;
    let state = stack.store().state(BUILD, &State::Launch.into()).await.unwrap().unwrap();
    assert_eq!(state.waited_for_room, None);
}

#[tokio::test]
async fn the_time_of_a_launch_begins_when_it_is_launched() {
    for others in [false, true] {
        let stack = without_room().await;
        if others {
            many::plan(&stack, "api", 10).await;
            many::launch(&stack, "api").await;
        }
        let token = stack.start(&Task::new(State::Launch)).await;
        stack.clock.advance(SignedDuration::from_mins(5));
        stack.cloud.pace(|pace| pace.until_online = NEVER);
        stack.cloud.restore_capacity();
        let began = stack.clock.now();
        let error = wait_for(&stack, &token, SignedDuration::from_hours(8)).await.unwrap().unwrap_err();
        let took = stack.clock.now().duration_since(began).as_mins();
        assert_eq!((error.error.as_str(), (50..=70).contains(&took)), ("Goldsmith.Timeout", true), "{took} minutes");
    }
}

#[tokio::test]
async fn all_who_have_waited_in_vain_end_without_a_rush() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    for n in 0..20 {
        let build = format!("web-{n}");
        many::plan(&stack, &build, 0).await;
        stack.clock.advance(SignedDuration::from_millis(10));
        many::launch(&stack, &build).await;
    }
    stack.clock.advance(SignedDuration::from_mins(355));
    let mut busiest = 0;
    for _ in 0..15 {
        let asked = calls(&stack);
        stack.tick_after(MINUTE).await;
        busiest = busiest.max(calls(&stack) - asked);
    }
    assert!(busiest <= 4, "{busiest} calls");
    for n in 0..20 {
        let error = stack.answer(&format!("token-web-{n}")).unwrap().unwrap_err();
        assert!(
            error.error == "Goldsmith.Capacity" && error.cause.contains("has waited 6h for room"),
            "{}",
            error.cause
        );
    }
}

#[tokio::test]
async fn a_build_that_is_stopped_while_it_waits_leaves_nothing() {
    let (stack, task) = (without_room().await, Task::new(State::Launch));
    let token = stack.start(&task).await;
    stack.tick_after(MINUTE).await;
    stack.cloud.close_token(&token);
    let error = ErrorInfo { error: "States.Timeout".to_owned(), cause: String::new() };
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    let asked = calls(&stack);
    stack.cloud.restore_capacity();
    stack.tick_after(SignedDuration::from_mins(10)).await;
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    assert_eq!(calls(&stack), asked);
    assert_eq!(stack.store().all_for_room().await.unwrap(), []);
}

#[tokio::test]
async fn the_wait_for_room_does_not_count_toward_the_limit_of_a_test() {
    let task = Task::item(State::LaunchTest, "t3.small");
    let stack = Stack::new().await;
    let mut pipeline = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    pipeline.image_tests_configuration.timeout_minutes = 60;
    stack.put_pipeline(pipeline).await;
    let stack = reach_on(stack, &task).await;
    stack.cloud.no_capacity("t3.small", None);
    let token = stack.start(&task).await;
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_hours(3)).await, None);
    stack.cloud.restore_capacity();
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(12)).await, Some(Ok(json!({}))));
}

#[tokio::test]
async fn an_instance_that_hangs_after_the_wait_has_the_usual_time() {
    let stack = without_room().await;
    let token = stack.start(&Task::new(State::Launch)).await;
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_hours(5)).await, None);
    stack.cloud.pace(|pace| pace.until_online = NEVER);
    stack.cloud.restore_capacity();
    let began = stack.clock.now();
    let error = wait_for(&stack, &token, SignedDuration::from_hours(2)).await.unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.Timeout");
    let took = stack.clock.now().duration_since(began).as_mins();
    assert!((50..=65).contains(&took), "{took} minutes");
}
