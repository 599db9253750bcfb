//! Tests of launches that wait for room.

mod many;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use goldsmith_cloud::fake::{Between, FakeCloud, Fault, HOME, NEVER, OnItsWay};
use goldsmith_cloud::{ExecutionStatus, Kind};
use goldsmith_store::{Effect, EffectKind, NoRoom, Scope};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::events::signal;
use crate::states::finish;
use crate::testing::{BUILD, Stack, TABLE_READ, Task, check_state_on, reach, reach_on};
use crate::{Clock as _, ErrorInfo, State, TAG_BUILD};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A stack right before Launch, for whose types EC2 has no capacity.
async fn without_room() -> Stack {
    let stack = reach(&Task::new(State::Launch)).await;
    for instance_type in ["t3.small", "t3a.small"] {
        stack.cloud.no_capacity(instance_type, None);
    }
    stack
}

/// Returns how often EC2 was asked for an instance.
fn calls(stack: &Stack) -> usize {
    stack.cloud.effects().iter().filter(|effect| effect.name == "RunInstances").count()
}

fn instances(stack: &Stack) -> usize {
    stack.inventory().region(HOME).instances.len()
}

/// Returns what a state has reported.
async fn detail(stack: &Stack, task: &Task) -> String {
    stack.store().state(&stack.record().await.build, &task.scope()).await.unwrap().unwrap().detail
}

/// Ticks each minute until the token is answered, for at most this long.
async fn wait_for(stack: &Stack, token: &str, longest: SignedDuration) -> Option<Result<Value, ErrorInfo>> {
    let end = stack.clock.now() + longest;
    while stack.answer(token).is_none() && stack.clock.now() < end {
        stack.tick_after(MINUTE).await;
    }
    stack.answer(token)
}

/// Returns the event about an instance of the account that is in this state now.
fn end_of_an_instance(state: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
        "account": "1", "time": "2026-11-24T03:00:00Z", "region": HOME, "resources": [],
        "detail": {"instance-id": "i-elsewhere", "state": state},
    })
}

/// Delivers this event. Returns how many functions it has woken.
async fn an_instance_ends(stack: &Stack, state: &str) -> Value {
    let woken = signal::handle(&stack.context(), end_of_an_instance(state)).await.unwrap()["woken"].clone();
    stack.deliver_wakes().await;
    woken
}

#[tokio::test]
async fn a_launch_without_room_waits_and_launches_one_instance_when_there_is_room() {
    let (stack, task) = (without_room().await, Task::new(State::Launch));
    let began = stack.clock.now();
    let token = stack.start(&task).await;
    assert!(stack.clock.now() < began + SignedDuration::from_secs(1), "a pause holds no function");
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(40)).await, None);
    let told = detail(&stack, &task).await;
    let expected = "there has been no room since 2026-11-24T03:00:00Z, and the launch is tried again: t3.small: \
                    InsufficientInstanceCapacity; t3a.small: InsufficientInstanceCapacity";
    assert_eq!(told, expected);
    assert_eq!(instances(&stack), 0);
    stack.cloud.restore_capacity();
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(12)).await, Some(Ok(json!({}))));
    let launches = stack.cloud.requests().launches;
    assert_eq!((instances(&stack), launches.len(), launches[0].1.instance_type.as_str()), (1, 1, "t3.small"));
    let told = detail(&stack, &task).await;
    assert!(told.ends_with("; tried before: t3a.small: InsufficientInstanceCapacity"), "{told}");
}

#[tokio::test]
async fn a_launch_that_never_gets_room_fails_after_six_hours_and_says_so() {
    let stack = without_room().await;
    let began = stack.clock.now();
    let token = stack.start(&Task::new(State::Launch)).await;
    let error = wait_for(&stack, &token, SignedDuration::from_hours(7)).await.unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.Capacity");
    let refusals = "t3.small: InsufficientInstanceCapacity; t3a.small: InsufficientInstanceCapacity";
    assert!(error.cause.contains(&format!("no instance could be launched: {refusals}; it has waited 6h")), "{error:?}");
    let waited = stack.clock.now().duration_since(began);
    assert!((SignedDuration::from_hours(6)..SignedDuration::from_mins(363)).contains(&waited), "{waited}");
    assert!(stack.inventory().is_empty());
}

#[tokio::test]
async fn what_can_never_fit_fails_at_once_with_ec2s_message() {
    for (has_quota, says) in [(false, "vCPU limit of 0 allows"), (true, "Unsupported (no t3")] {
        let stack = reach(&Task::new(State::Launch)).await;
        if has_quota {
            ["t3.small", "t3a.small"].iter().for_each(|one| stack.cloud.no_such_type(one, None));
        } else {
            stack.cloud.room_for(0);
        }
        let began = stack.clock.now();
        let token = stack.start(&Task::new(State::Launch)).await;
        let error = stack.answer(&token).unwrap().unwrap_err();
        assert_eq!(error.error, "Goldsmith.Capacity");
        assert!(error.cause.contains(says) && !error.cause.contains("waited"), "{}", error.cause);
        assert_eq!((calls(&stack), stack.clock.now()), (2, began));
    }
}

#[test]
fn a_type_with_more_vcpus_than_the_quota_never_fits() {
    let says = |limit: &str| {
        format!(
            "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket"
        )
    };
    for (candidate, code, message, passes) in [
        ("t3.small", "VcpuLimitExceeded", says("0"), false),
        ("t3.small", "VcpuLimitExceeded", says("5"), true),
        ("t3.small", "VcpuLimitExceeded", says("1"), false),
        ("m7i.large", "VcpuLimitExceeded", says("1"), false),
        ("m7g.medium", "VcpuLimitExceeded", says("1"), true),
        ("t3.small", "PendingVerification", "your request is being validated".to_owned(), true),
        ("c7i.2xlarge in subnet-1", "VcpuLimitExceeded", says("5"), false),
        ("c7i.2xlarge in subnet-1 (spot)", "VcpuLimitExceeded", says("8"), true),
        ("c7i.24xlarge", "VcpuLimitExceeded", says("1,152"), true),
        ("hpc7a.12xlarge", "VcpuLimitExceeded", says("24"), true),
        ("c7i.metal-24xl", "VcpuLimitExceeded", says("5"), true),
        ("c7i.2xlarge", "InstanceLimitExceeded", "your current instance limit of 2 allows".to_owned(), true),
        ("c7i.2xlarge", "InstanceLimitExceeded", "your current instance limit of 0 allows".to_owned(), false),
        ("c7i.2xlarge", "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded".to_owned(), true),
        ("c7i.2xlarge", "Unsupported", "not supported in your requested Availability Zone".to_owned(), false),
    ] {
        let kind = EffectKind::instance(candidate, false);
        let mut effect = Effect::intended(&Scope::from(State::Launch), 0, kind, HOME, "token");
        effect.refused = Some(code.to_owned());
        assert!(!super::may_pass(&effect), "journals of earlier versions have no message");
        effect.no_room = Some(NoRoom { message, since: "2026-11-24T03:00:00.000Z".to_owned() });
        assert_eq!(super::may_pass(&effect), passes, "{candidate}: {code}");
    }
}

#[tokio::test]
async fn a_type_that_the_zone_does_not_have_is_asked_for_only_once() {
    let stack = reach(&Task::new(State::Launch)).await;
    stack.cloud.no_such_type("t3.small", None);
    stack.cloud.no_capacity("t3a.small", None);
    let token = stack.start(&Task::new(State::Launch)).await;
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(30)).await, None);
    let asked = |size: &str| stack.cloud.effects().iter().filter(|one| one.detail.starts_with(size)).count();
    assert_eq!(asked("t3.small "), 1);
    assert!(asked("t3a.small ") > 3);
}

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

/// Returns the builds whose instances EC2 has launched, in order.
fn launched(stack: &Stack) -> Vec<String> {
    stack.cloud.requests().launches.iter().map(|(_, launch)| launch.tags[TAG_BUILD].clone()).collect()
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
async fn the_tick_continues_where_a_function_has_ended_too_early() {
    for fault in [Fault::KillAfter, Fault::KillBefore, Fault::LoseAnswer, Fault::Refuse(Kind::Throttled)] {
        let stack = without_room().await;
        stack.start(&Task::new(State::Launch)).await;
        for build in ["api", "shop"] {
            many::plan(&stack, build, 0).await;
            stack.clock.advance(MINUTE);
            many::launch(&stack, build).await;
        }
        stack.cloud.restore_capacity();
        stack.cloud.fail_next("RunInstances", fault);
        for _ in 0..12 {
            stack.tick_after(MINUTE).await;
        }
        let mut all = launched(&stack);
        all.sort();
        assert_eq!(
            (all, instances(&stack)),
            (vec!["api".to_owned(), "shop".to_owned(), BUILD.to_owned()], 3),
            "{fault:?}"
        );
        assert_eq!(stack.store().all_for_room().await.unwrap(), [], "{fault:?}");
    }
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
async fn a_throttled_launch_pauses_and_makes_one_instance() {
    for fault in [None, Some(Fault::LoseAnswer), Some(Fault::KillAfter)] {
        let (stack, task) = (reach(&Task::new(State::Launch)).await, Task::new(State::Launch));
        for _ in 0..3 {
            stack.cloud.fail_next("RunInstances", Fault::Refuse(Kind::Throttled));
        }
        if let Some(fault) = fault {
            stack.cloud.fail_next("RunInstances", fault);
        }
        let began = stack.clock.now();
        let token = stack.start(&task).await;
        assert_eq!((calls(&stack), stack.clock.now()), (1, began), "the function does not wait");
        let told = detail(&stack, &task).await;
        let expected =
            "EC2 limits how often the account launches instances; this launch has waited since 2026-11-24T03:00:00Z";
        assert_eq!(told, expected);
        assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(12)).await, Some(Ok(json!({}))), "{fault:?}");
        assert_eq!(instances(&stack), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_launch_that_stays_throttled_says_so_at_the_end_of_its_time() {
    let stack = reach(&Task::new(State::Launch)).await;
    stack.cloud.fail_always("RunInstances", HOME, Fault::Refuse(Kind::Throttled));
    let token = stack.start(&Task::new(State::Launch)).await;
    let error = wait_for(&stack, &token, SignedDuration::from_hours(8)).await.unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.Capacity");
    assert!(error.cause.contains("EC2 limits how often"), "{}", error.cause);
    assert!(calls(&stack) < 500, "{}", calls(&stack));
    assert!(stack.inventory().is_empty());
}

#[tokio::test]
async fn launches_that_were_throttled_together_ask_again_one_by_one() {
    let stack = reach(&Task::new(State::Launch)).await;
    for n in 0..10 {
        let build = format!("web-{n}");
        many::plan(&stack, &build, 0).await;
        stack.cloud.fail_next("RunInstances", Fault::Refuse(Kind::Throttled));
        // In a line of its own, as if it had asked before another one was in line.
        many::change(&stack, &build, |item| item["plan"]["launch"]["placement"] = json!({"hostId": build})).await;
        many::launch(&stack, &build).await;
    }
    assert_eq!(calls(&stack), 10);
    let waits = stack.store().all_for_room().await.unwrap();
    assert!(waits.len() == 10 && waits.iter().all(|(_, wait)| wait.behind), "each has its turn again with the tick");
    stack.tick_after(MINUTE).await;
    assert_eq!((calls(&stack), instances(&stack)), (20, 10));
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
async fn a_launch_whose_calls_get_no_answer_holds_up_its_line_for_an_hour_at_most() {
    for by_tick in [true, false] {
        let mut stack = without_room().await;
        many::plan(&stack, "first", 0).await;
        many::launch(&stack, "first").await;
        stack.clock.advance(MINUTE);
        // It waits behind the first one, and then becomes the first.
        let token = stack.start(&Task::new(State::Launch)).await;
        many::plan(&stack, "api", 0).await;
        stack.clock.advance(MINUTE);
        many::launch(&stack, "api").await;
        many::change(&stack, BUILD, |item| item["plan"]["sourceImage"] = json!("ami-silent")).await;
        many::change(&stack, "first", |item| item["status"] = json!("closed")).await;
        stack.cloud.restore_capacity();
        stack.cloud = stack.cloud.behind(Arc::new(Silent));
        if !by_tick {
            an_instance_ends(&stack, "terminated").await;
        }
        let began = stack.clock.now();
        let error = wait_for(&stack, &token, SignedDuration::from_hours(3)).await.unwrap().unwrap_err();
        assert!(error.cause.contains("will try again: RunInstances"), "{}", error.cause);
        assert!(stack.clock.now().duration_since(began) < SignedDuration::from_mins(75), "{by_tick}");
        assert!(wait_for(&stack, "token-api", SignedDuration::from_mins(5)).await.is_some());
    }
}

/// Leaves the launches of an image without an answer.
struct Silent;

#[async_trait]
impl Between for Silent {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        (call.name == "RunInstances" && call.detail.contains("ami-silent")).then_some(Fault::Refuse(Kind::Unanswered))
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
async fn what_else_is_due_is_woken_though_the_lines_cannot_be_read() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.cloud.pace(|pace| pace.until_image = 1_000);
    stack.start(&Task::new(State::Snapshot)).await;
    stack.clock.advance(MINUTE);
    struct NoLines(AtomicUsize);
    #[async_trait]
    impl Between for NoLines {
        async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
            // The second read of a tick is that of the lines.
            let is_second = call.name == TABLE_READ && self.0.fetch_add(1, Ordering::Relaxed) == 1;
            is_second.then_some(Fault::Refuse(Kind::Throttled))
        }
    }
    let before = stack.cloud.wakes().len();
    let context = stack.context_behind(Arc::new(NoLines(AtomicUsize::new(0))));
    signal::handle(&context, json!({})).await.unwrap_err();
    assert_eq!(stack.cloud.wakes().len(), before + 1);
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

/// Gives room for `t3.small` before the third call that asks for it.
struct RoomLater {
    cloud: FakeCloud,
    asked: AtomicUsize,
}

#[async_trait]
impl Between for RoomLater {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        let is_asked = call.name == "RunInstances" && call.detail.starts_with("t3.small ");
        if is_asked && self.asked.fetch_add(1, Ordering::Relaxed) == 2 {
            self.cloud.restore_capacity();
        }
        None
    }
}

#[tokio::test]
async fn a_launch_that_waits_for_room_survives_every_fault() {
    // Launch uses the other type, so that LaunchTest is the first that waits.
    let new = async || {
        let mut stack = Stack::new().await;
        stack.cloud.no_capacity("t3.small", None);
        let later = RoomLater { cloud: stack.cloud.clone(), asked: AtomicUsize::new(0) };
        stack.cloud = stack.cloud.behind(Arc::new(later));
        stack
    };
    // Between the two attempts, and until the instance is online, the tick wakes the function.
    let effects = ["PutEvents", "RunInstances", "Invoke", "RunInstances", "Invoke", "Invoke", "SendTaskSuccess"];
    check_state_on(new, Task::item(State::LaunchTest, "t3.small"), &effects).await;
}

#[tokio::test]
async fn a_lost_answer_to_a_later_attempt_leaves_one_instance() {
    for fault in [Fault::LoseAnswer, Fault::KillAfter, Fault::KillBefore] {
        let stack = without_room().await;
        let token = stack.start(&Task::new(State::Launch)).await;
        stack.cloud.restore_capacity();
        stack.cloud.fail_next("RunInstances", fault);
        assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(6)).await, Some(Ok(json!({}))), "{fault:?}");
        assert_eq!(instances(&stack), 1, "{fault:?}");
    }
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
    stack.cloud.pace(|pace| pace.until_online = goldsmith_cloud::fake::NEVER);
    stack.cloud.restore_capacity();
    let began = stack.clock.now();
    let error = wait_for(&stack, &token, SignedDuration::from_hours(2)).await.unwrap().unwrap_err();
    assert_eq!(error.error, "Goldsmith.Timeout");
    let took = stack.clock.now().duration_since(began).as_mins();
    assert!((50..=65).contains(&took), "{took} minutes");
}

#[tokio::test]
async fn a_retried_state_goes_on_waiting_since_its_first_refusal() {
    let (stack, task) = (without_room().await, Task::new(State::Launch));
    stack.start(&task).await;
    stack.clock.advance(SignedDuration::from_secs(20));
    let asked = calls(&stack);
    stack.start_with(&task, "token-again").await;
    assert_eq!(calls(&stack), asked);
    assert!(detail(&stack, &task).await.contains("since 2026-11-24T03:00:00Z"));
    stack.cloud.restore_capacity();
    assert_eq!(wait_for(&stack, "token-again", SignedDuration::from_mins(6)).await, Some(Ok(json!({}))));
    assert_eq!(instances(&stack), 1);
}

#[tokio::test]
async fn after_a_lost_spot_instance_only_on_demand_waits_for_room() {
    let stack = Stack::new().await;
    stack.build_on_spot().await;
    let stack = reach_on(stack, &Task::new(State::Launch)).await;
    stack.cloud.pace(|pace| pace.until_online = NEVER);
    let markets = || -> Vec<bool> {
        let launches = stack.cloud.requests().launches;
        launches.iter().map(|(_, launch)| launch.market.is_spot()).collect()
    };
    let token = stack.start(&Task::new(State::Launch)).await;
    for instance_type in ["t3.small", "t3a.small"] {
        stack.cloud.no_capacity(instance_type, None);
    }
    for id in stack.inventory().region(HOME).instances.keys() {
        stack.cloud.end_instance(HOME, id, "Server.SpotInstanceShutdown: Spot instance shutdown");
    }
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(30)).await, None);
    assert_eq!(markets(), [true]);
    stack.cloud.pace(|pace| pace.until_online = 1);
    stack.cloud.restore_capacity();
    assert_eq!(wait_for(&stack, &token, SignedDuration::from_mins(12)).await, Some(Ok(json!({}))));
    assert_eq!(markets(), [true, false]);
    let there = stack.inventory().region(HOME);
    assert_eq!((there.instances.len(), there.spot_requests.len()), (1, 0));
}
