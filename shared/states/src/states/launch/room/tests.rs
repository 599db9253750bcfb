//! Tests of launches that wait for room.

mod ends;
mod faults;
mod many;
mod turns;

use goldsmith_cloud::fake::HOME;
use goldsmith_store::{Effect, EffectKind, NoRoom, Scope};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::events::signal;
use crate::testing::{Stack, Task, reach};
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

/// Returns the builds whose instances EC2 has launched, in order.
fn launched(stack: &Stack) -> Vec<String> {
    stack.cloud.requests().launches.iter().map(|(_, launch)| launch.tags[TAG_BUILD].clone()).collect()
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
