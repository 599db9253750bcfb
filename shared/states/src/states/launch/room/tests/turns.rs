//! Whose turn it is: the order of launches in their lines, and who asks after whom.

use goldsmith_cloud::ExecutionStatus;
use jiff::SignedDuration;
use serde_json::json;

use super::{MINUTE, an_instance_ends, calls, end_of_an_instance, instances, launched, many, without_room};
use crate::State;
use crate::events::signal;
use crate::states::finish;
use crate::testing::{BUILD, Task, reach};

#[tokio::test]
async fn the_pauses_of_the_first_in_line_grow_and_the_others_do_not_ask() {
    let stack = without_room().await;
    many::plan(&stack, "api", 0).await;
    let token = stack.start(&Task::new(State::Launch)).await;
    stack.clock.advance(SignedDuration::from_secs(1));
    many::launch(&stack, "api").await;
    let (mut asked, mut minutes) = (calls(&stack), vec![0]);
    for minute in 1..=120 {
        stack.tick_after(MINUTE).await;
        if calls(&stack) > asked {
            (asked, _) = (calls(&stack), minutes.push(minute));
        }
    }
    assert_eq!((stack.answer(&token), stack.answer("token-api")), (None, None));
    let pauses: Vec<i64> = minutes.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.is_sorted() && pauses[1] < 3 && pauses.last() == Some(&5), "{pauses:?}");
    assert_eq!(calls(&stack), 2 * minutes.len(), "each attempt asks for both types");
    let told = stack.store().state("api", &State::Launch.into()).await.unwrap().unwrap().detail;
    let expected = "other launches have waited for room for longer or have priority; this launch has waited since 2026-11-24T03:00:01Z";
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_end_of_an_instance_gives_room_to_those_whose_turn_it_is() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    for (build, priority) in [("api", 0), ("shop", 10), ("mail", 0)] {
        many::plan(&stack, build, priority).await;
        stack.clock.advance(MINUTE);
        many::launch(&stack, build).await;
    }
    stack.clock.advance(SignedDuration::from_mins(20));
    stack.tick_after(MINUTE).await;
    let asked = calls(&stack);
    stack.cloud.restore_capacity();
    stack.cloud.room_for(1);
    assert_eq!(an_instance_ends(&stack, "running").await, 0);
    assert_eq!(an_instance_ends(&stack, "terminated").await, 1);
    assert_eq!((launched(&stack), calls(&stack)), (vec!["shop".to_owned()], asked + 1));
    stack.cloud.room_for(2);
    assert_eq!(an_instance_ends(&stack, "stopped").await, 1);
    assert_eq!((launched(&stack), calls(&stack)), (vec!["shop".to_owned(), BUILD.to_owned()], asked + 2));
    // More room than an instance has left: the tick asks for the next one, and that one wakes the one after it.
    stack.cloud.restore_capacity();
    stack.tick_after(MINUTE).await;
    assert_eq!(launched(&stack), ["shop", BUILD, "api", "mail"]);
    assert_eq!(an_instance_ends(&stack, "terminated").await, 0);
    assert_eq!(stack.store().all_for_room().await.unwrap(), []);
}

#[tokio::test]
async fn a_refusal_passes_the_room_on_to_those_who_ask_for_something_else() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    many::plan_with(&stack, "api", 0, "m7i.large").await;
    stack.cloud.no_capacity("m7i.large", None);
    stack.clock.advance(MINUTE);
    many::launch(&stack, "api").await;
    stack.cloud.restore_capacity();
    for instance_type in ["t3.small", "t3a.small"] {
        stack.cloud.no_capacity(instance_type, None);
    }
    assert_eq!(an_instance_ends(&stack, "terminated").await, 1);
    assert_eq!(launched(&stack), ["api"]);
}

#[tokio::test]
async fn a_new_launch_asks_at_once_unless_others_are_before_it() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    stack.cloud.no_capacity("m7i.large", None);
    stack.cloud.no_capacity("m7i.xlarge", None);
    for (build, priority, instance_type, asks) in [
        ("other", 0, "m7i.large", 1), // another line of the same priority
        ("same", 0, "m7i.large", 0),
        ("urgent", 10, "m7i.large", 1),
        ("late", 10, "m7i.large", 0),
        ("low", 0, "m7i.xlarge", 0), // a line with a higher priority waits
    ] {
        many::plan_with(&stack, build, priority, instance_type).await;
        let asked = calls(&stack);
        stack.clock.advance(SignedDuration::from_secs(1));
        many::launch(&stack, build).await;
        assert_eq!(calls(&stack) - asked, asks, "{build}");
    }
    // The tick gives every first one of a line its turn.
    let asked = calls(&stack);
    stack.tick_after(SignedDuration::from_secs(1)).await;
    assert_eq!(calls(&stack) - asked, 1, "low");
}

#[tokio::test]
async fn the_tests_of_an_image_come_before_other_builds() {
    let test = Task::item(State::LaunchTest, "t3.small");
    let stack = reach(&test).await;
    ["t3.small", "t3a.small"].iter().for_each(|one| stack.cloud.no_capacity(one, None));
    many::plan_with(&stack, "api", 0, "t3.small").await;
    many::launch(&stack, "api").await;
    stack.clock.advance(MINUTE);
    let asked = calls(&stack);
    let token = stack.start(&test).await;
    assert_eq!(calls(&stack), asked + 1, "it asks, since it is the first in its line");
    stack.cloud.restore_capacity();
    an_instance_ends(&stack, "terminated").await;
    assert_eq!((stack.answer(&token), instances(&stack)), (Some(Ok(json!({}))), 1));
    stack.tick_after(MINUTE).await;
    assert_eq!(instances(&stack), 2);
}

#[tokio::test]
async fn launches_that_began_at_the_same_moment_have_their_turns_too() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    for build in ["api", "xyz"] {
        many::plan(&stack, build, 0).await;
        many::launch(&stack, build).await;
    }
    let places: Vec<_> = stack.store().all_for_room().await.unwrap().into_iter().map(|(place, _)| place).collect();
    assert!(places.windows(2).all(|two| two[0] == two[1]), "{places:?}");
    // There is room, and no instance has ended.
    stack.cloud.restore_capacity();
    for _ in 0..7 {
        stack.tick_after(MINUTE).await;
    }
    assert_eq!(instances(&stack), 3);
}

#[tokio::test]
async fn a_stopped_build_leaves_its_line_with_the_next_tick_and_asks_nobody() {
    let stack = without_room().await;
    many::plan(&stack, "web-00", 0).await;
    many::launch(&stack, "web-00").await;
    stack.clock.advance(SignedDuration::from_secs(1));
    let token = stack.start(&Task::new(State::Launch)).await;
    assert_eq!((stack.store().all_for_room().await.unwrap().len(), stack.answer(&token)), (2, None));
    let asked = calls(&stack);
    stack.end_execution(ExecutionStatus::Aborted).await;
    finish::handle_event(&stack.context(), json!({"name": BUILD, "status": "ABORTED"})).await.unwrap();
    stack.tick_after(SignedDuration::from_secs(1)).await;
    let waits = stack.store().all_for_room().await.unwrap();
    assert_eq!(waits.into_iter().map(|(_, wait)| wait.build).collect::<Vec<_>>(), ["web-00"]);
    assert_eq!(calls(&stack), asked);
}

#[tokio::test]
async fn one_function_launches_all_for_which_there_is_room_in_its_time() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    for n in 0..30 {
        let build = format!("web-{n:02}");
        many::plan(&stack, &build, 0).await;
        stack.clock.advance(SignedDuration::from_secs(1));
        many::launch(&stack, &build).await;
    }
    stack.clock.advance(SignedDuration::from_mins(6));
    stack.cloud.restore_capacity();
    let before = stack.cloud.wakes().len();
    stack.tick_after(MINUTE).await;
    let woken = stack.cloud.wakes().len() - before;
    assert_eq!((instances(&stack), woken), (31, 1));
}

#[tokio::test]
async fn a_line_without_room_does_not_hold_up_another_one_with_room() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    stack.cloud.no_capacity("m7i.large", None);
    for n in 0..20 {
        let build = format!("web-{n:02}");
        many::plan_with(&stack, &build, 0, "m7i.large").await;
        stack.clock.advance(SignedDuration::from_secs(1));
        many::launch(&stack, &build).await;
    }
    stack.clock.advance(SignedDuration::from_mins(6));
    stack.cloud.restore_capacity();
    ["t3.small", "t3a.small"].iter().for_each(|one| stack.cloud.no_capacity(one, None));
    stack.tick_after(MINUTE).await;
    assert_eq!(instances(&stack), 20);
}

#[tokio::test]
async fn ends_at_the_same_moment_give_room_to_several_lines() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    for (build, size) in [("api", "m7i.large"), ("shop", "m7i.xlarge")] {
        many::plan_with(&stack, build, 0, size).await;
        stack.cloud.no_capacity(size, None);
        stack.clock.advance(SignedDuration::from_secs(1));
        many::launch(&stack, build).await;
    }
    stack.clock.advance(MINUTE);
    stack.cloud.restore_capacity();
    // All three events are there before the first function has run.
    for _ in 0..3 {
        signal::handle(&stack.context(), end_of_an_instance("terminated")).await.unwrap();
    }
    stack.deliver_wakes().await;
    assert_eq!(instances(&stack), 3);
}

#[tokio::test]
async fn an_end_that_gives_no_room_is_followed_by_a_short_pause() {
    let stack = without_room().await;
    let token = stack.start(&Task::new(State::Launch)).await;
    let asked = calls(&stack);
    for n in 1..=3 {
        stack.clock.advance(SignedDuration::from_secs(15));
        assert_eq!(an_instance_ends(&stack, "terminated").await, 1);
        // Ends in quick succession are one.
        assert_eq!(an_instance_ends(&stack, "terminated").await, 0);
        assert_eq!(calls(&stack), asked + 2 * n);
    }
    stack.tick_after(SignedDuration::from_secs(30)).await;
    assert_eq!((calls(&stack), stack.answer(&token)), (asked + 6, None));
    stack.cloud.restore_capacity();
    stack.tick_after(SignedDuration::from_secs(40)).await;
    assert_eq!(instances(&stack), 1, "EC2 has counted the ended instance for a while");
}

#[tokio::test]
async fn a_storm_of_ends_does_not_become_a_storm_of_calls() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    for n in 0..10 {
        let (build, size) = (format!("web-{n}"), format!("m7i.{n}xlarge"));
        many::plan_with(&stack, &build, 0, &size).await;
        stack.cloud.no_capacity(&size, None);
        stack.clock.advance(SignedDuration::from_secs(1));
        many::launch(&stack, &build).await;
    }
    let asked = calls(&stack);
    for _ in 0..100 {
        stack.clock.advance(SignedDuration::from_millis(500));
        an_instance_ends(&stack, "terminated").await;
    }
    assert!(calls(&stack) - asked <= 5 * 12, "{} calls in 50 seconds", calls(&stack) - asked);
}

#[tokio::test]
async fn who_waits_for_another_zone_is_in_another_line() {
    let stack = without_room().await;
    stack.start(&Task::new(State::Launch)).await;
    many::plan(&stack, "api", 0).await;
    many::change(&stack, "api", |item| item["plan"]["launch"]["placement"] = json!({"availabilityZone": "eu-west-1b"}))
        .await;
    stack.clock.advance(MINUTE);
    let asked = calls(&stack);
    many::launch(&stack, "api").await;
    assert_eq!(calls(&stack), asked + 2);
}

#[tokio::test]
async fn stopped_builds_in_a_line_cost_no_turn() {
    let stack = without_room().await;
    for n in 0..10 {
        let build = format!("web-{n}");
        many::plan(&stack, &build, 10).await;
        stack.clock.advance(SignedDuration::from_secs(1));
        many::launch(&stack, &build).await;
    }
    stack.start(&Task::new(State::Launch)).await;
    for n in 0..10 {
        many::change(&stack, &format!("web-{n}"), |item| item["status"] = json!("closed")).await;
    }
    stack.clock.advance(MINUTE);
    stack.cloud.restore_capacity();
    stack.cloud.room_for(1);
    assert_eq!(an_instance_ends(&stack, "terminated").await, 1);
    assert_eq!(launched(&stack), [BUILD]);
    assert_eq!(stack.store().all_for_room().await.unwrap(), []);
}
