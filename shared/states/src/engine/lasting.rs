//! Tests in which AWS rejects each call of a whole build, read or write, once, twice or forever. The build ends, and
//! its pipeline may build again while AWS still rejects the call. When AWS accepts the call again, only the documented
//! leftovers remain.

use std::collections::BTreeSet;

use goldsmith_cloud::fake::{CallName, Fault, HOME, Inventory};
use goldsmith_cloud::{ExecutionStatus, Kind};
use goldsmith_store::BuildStatus;
use jiff::SignedDuration;
use serde_json::json;

use crate::State;
use crate::events::reap;
use crate::states::finish;
use crate::testing::{BUILD, Stack, TABLE_READ, TABLE_WRITE, Task};

/// How long something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lasts {
    Times(usize),
    ForEver,
}

/// The fault of a call, and how long it lasts. The call is rejected forever or twice, fails before it reaches AWS,
/// loses its answer, or hangs, as in a Region that never answers.
const CASES: [(Fault, Lasts); 8] = [
    (Fault::Refuse(Kind::Denied), Lasts::ForEver),
    (Fault::Refuse(Kind::Invalid), Lasts::ForEver),
    (Fault::Refuse(Kind::Throttled), Lasts::ForEver),
    (Fault::Refuse(Kind::Unanswered), Lasts::ForEver),
    (Fault::Refuse(Kind::Denied), Lasts::Times(2)),
    (Fault::KillBefore, Lasts::Times(1)),
    (Fault::KillAfter, Lasts::Times(1)),
    (Fault::LoseAnswer, Lasts::Times(1)),
];

/// Runs what follows the end of an execution: its status event, which Lambda tries three times, and the reaper.
async fn look_after(stack: &Stack, ended: ExecutionStatus) {
    let arn = stack.context().config.execution_arn(BUILD);
    stack.cloud.edit_execution(&arn, |execution| execution.status = ended);
    let status = if ended == ExecutionStatus::Succeeded { "SUCCEEDED" } else { "FAILED" };
    for _ in 0..3 {
        let detail = json!({"name": BUILD, "status": status});
        let context = stack.context();
        if let Some(Ok(_)) = stack.until_killed(finish::handle_event(&context, detail)).await {
            break;
        }
    }
    for _ in 0..15 {
        pass(stack, SignedDuration::from_mins(1)).await;
    }
}

/// Lets time pass, and runs the reaper.
async fn pass(stack: &Stack, time: SignedDuration) {
    stack.clock.advance(time);
    let context = stack.context();
    // It fails where it cannot read the table, and comes again.
    let _ = stack.until_killed(reap::handle(&context, json!({"sweep": true}))).await;
}

/// A build from its start to its end, and what the reaper does after it.
async fn build(stack: &Stack) {
    let ended = stack.execute().await;
    let failed = ended.as_ref().map_or(true, |answer| answer.get("error").is_some());
    look_after(stack, if failed { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded }).await;
}

/// The calls of a build in which every call succeeds, and the resources that the build leaves.
async fn good() -> (BTreeSet<CallName>, Inventory) {
    let stack = Stack::with_topic().await;
    stack.start_execution().await;
    build(&stack).await;
    let writes = stack.cloud.effects().into_iter().skip(1).map(|effect| (effect.name, effect.region));
    let calls: BTreeSet<CallName> = writes.chain(stack.cloud.faults().reads()).collect();
    (calls, stack.inventory())
}

#[tokio::test]
async fn after_any_lasting_fault_the_pipeline_builds_and_nothing_is_left() {
    let (calls, published) = good().await;
    let mut counted = 0;
    for (name, region) in &calls {
        for (fault, lasts) in CASES {
            // Nothing at all can be done without the table, and nobody refuses it for ever but for a stack that is broken.
            if [TABLE_READ, TABLE_WRITE].contains(name) && lasts == Lasts::ForEver {
                continue;
            }
            check(Stack::with_topic().await, (name, region), fault, lasts, &published).await;
            counted += 1;
        }
    }
    assert_eq!(counted, (calls.len() - 2) * CASES.len() + 2 * 4, "{calls:?}");
}

/// A build on a spot instance, which EC2 takes back before it is online.
#[tokio::test]
async fn after_any_lasting_fault_of_spot_requests_nothing_is_left() {
    for is_doomed in [false, true] {
        let new = async || {
            let stack = Stack::new().await;
            stack.build_on_spot().await;
            if is_doomed {
                stack.cloud.next_instance_ends(1, "Server.SpotInstanceShutdown: Spot instance shutdown");
            }
            stack
        };
        let stack = new().await;
        stack.start_execution().await;
        build(&stack).await;
        let published = stack.inventory();
        for name in ["CancelSpotInstanceRequests", "DescribeSpotInstanceRequests", "RunInstances", "TerminateInstances"]
        {
            for (fault, lasts) in CASES {
                check(new().await, (name, HOME), fault, lasts, &published).await;
            }
        }
    }
}

async fn check(stack: Stack, (name, region): (&'static str, &str), fault: Fault, lasts: Lasts, published: &Inventory) {
    let what = format!("{name} in {region}, {fault:?}, {lasts:?}");
    stack.start_execution().await;
    match lasts {
        Lasts::Times(times) => (0..times).for_each(|_| stack.cloud.fail_next(name, fault)),
        Lasts::ForEver => stack.cloud.fail_always(name, region, fault),
    }
    build(&stack).await;
    let record = stack.store().build(BUILD).await.unwrap();
    // Without a record Plan has never opened a build.
    if let Some(record) = &record {
        assert_eq!(record.status, BuildStatus::Closed, "{what}: {record:?}");
    }
    stack.cloud.heal();
    let next = stack.run_as("web-next-1", &Task::new(State::Plan)).await;
    assert_eq!(next.as_ref().ok().map(|answer| answer["outcome"].clone()), Some(json!("build")), "{what}: {next:?}");
    for hours in [1, 6, 24, 73] {
        pass(&stack, SignedDuration::from_hours(hours)).await;
    }
    let left = stack.inventory();
    let is_recorded = record.is_some();
    let has_topic = record.as_ref().is_some_and(|record| record.plan.topic.is_some());
    match record {
        Some(record) if record.published => assert_eq!(&left, published, "{what}"),
        _ => assert!(left.is_empty(), "{what}: {left:?}"),
    }
    let owed = stack.store().build(BUILD).await.unwrap().map(|record| record.after).unwrap_or_default();
    assert!(owed.is_over(), "{what}: {owed:?}");
    let told = stack.cloud.events().iter().filter(|event| event.detail_type == "Goldsmith Image State Change").count();
    assert!(told >= usize::from(is_recorded), "{what}: nobody was told");
    assert!(stack.cloud.messages().len() >= usize::from(has_topic), "{what}: the topic was not told");
}
