//! An execution is stopped before and after each effect of a build in two Regions, and its status event arrives or is
//! lost: two runs of `reap` later nothing is left. A stop after Publish leaves the published images.

use std::thread::sleep;
use std::time::{Duration, Instant};

use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{Parameter, Parameters as _};
use goldsmith_store::{BuildStatus, Effect, EffectKind, ImageStatus};
use serde_json::json;

use super::Case;
use crate::definitions::Pipeline;
use crate::process::kill;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_stop_at_any_effect_leaves_nothing", |stack| at_every_effect(stack, true)),
    ("a_stop_at_any_effect_whose_event_is_lost_leaves_nothing", |stack| at_every_effect(stack, false)),
    ("a_stop_after_publish_leaves_the_published_images", |stack| after_publish(stack, true)),
    ("a_stop_after_publish_whose_event_is_lost_leaves_them_too", |stack| after_publish(stack, false)),
];

/// An effect of the build: its state, what it makes, and which call makes it.
type Point = (&'static str, fn(&EffectKind) -> bool, &'static str, u32);

const POINTS: [Point; 9] = [
    ("Launch", EffectKind::is_instance, "RunInstances", 1),
    ("Build", EffectKind::is_command, "SendCommand", 1),
    ("Snapshot", EffectKind::is_command, "SendCommand", 2),
    ("Snapshot", EffectKind::is_image, "CreateImage", 1),
    ("LaunchTest", EffectKind::is_instance, "RunInstances", 2),
    ("ExecuteTest", EffectKind::is_command, "SendCommand", 3),
    ("DistributeRegion", EffectKind::is_image, "CopyImage", 1),
    ("Publish", EffectKind::is_parameter, "PutParameter", 1),
    ("Publish", EffectKind::is_parameter, "PutParameter", 2),
];

/// How old the reaper lets a build become before it looks at its execution, and a little.
const YOUNG: Duration = Duration::from_secs(62);
/// The longest time that a released call needs to have its effect.
const MOMENT: Duration = Duration::from_millis(500);
/// How long a function that was refused goes on trying the same call.
const LAST_CALL: Duration = Duration::from_secs(6);

fn at_every_effect(stack: &Stack, delivered: bool) {
    stack.deliver_status_events(delivered);
    let mut builds = Vec::new();
    for (number, point) in POINTS.iter().enumerate() {
        for is_made in [false, true] {
            let name = format!("stop-{number}-{is_made}-{delivered}");
            builds.push(stop_at(stack, &name, point, is_made));
        }
    }
    assert_cleared(stack, &builds, delivered);
    for build in &builds {
        assert_eq!(status(stack, build), ImageStatus::Cancelled, "{build}");
        let is_clear = || stack.left_of(build).counts() == (0, 0, 0) && parameters(stack, build) == [None, None];
        // A parameter that was asked for may be put after Finish has looked. It is put back when no function of the build can run any
        // more, and the image that it would name stays until then.
        if effects(stack, build).iter().any(|effect| effect.kind.is_parameter()) {
            stack.wait_for(&format!("what {build} has put to be put back"), || is_clear().then_some(()));
        }
        assert!(is_clear(), "{build}: {:?}, {:?}", stack.left_of(build), parameters(stack, build));
    }
}

fn effects(stack: &Stack, build: &str) -> Vec<Effect> {
    stack.block_on(stack.store().all_effects(build)).unwrap()
}

/// The parameter that a build puts, in each of its Regions.
fn parameters(stack: &Stack, build: &str) -> [Option<Parameter>; 2] {
    let (client, name) = (SsmParameters::new(stack.sdk()), format!("/images/{}", build.trim_start_matches("e2e-")));
    ["eu-west-1", "us-east-1"].map(|region| stack.block_on(client.get(region, &name)).unwrap())
}

/// Builds until an effect is in the journal and the call is made or kept from being made, and stops there.
fn stop_at(stack: &Stack, name: &str, point: &Point, is_made: bool) -> String {
    let (state, _, action, nth) = *point;
    let steps = [("build", "Nothing", "true"), ("test", "Nothing", "true")];
    stack.apply(Pipeline { parameters: true, ..Pipeline::new(name, &steps) }.write().path());
    stack.arm(&match is_made {
        true => json!([{"when": {"action": action, "nth": nth}, "do": "hold"}]),
        false => json!([{"when": {"action": action, "nth": nth, "times": 1000}, "do": "cut"}]),
    });
    let build = format!("e2e-{name}");
    let arn = stack.start(&build, &json!({"pipeline": name}).to_string());
    stack.wait_for("the effect", || is_open(stack, &build, point).then_some(()));
    sleep(MOMENT);
    stack.stop(&arn);
    if state == "Publish" {
        // It would go on, and publish before anybody has closed the build: then the image rightly stays.
        kill(stack, "publish");
    }
    stack.disarm();
    // The function goes on; what it still calls must not count for the next case.
    let stopped = Instant::now();
    while is_open(stack, &build, point) && stopped.elapsed() < LAST_CALL {
        sleep(MOMENT);
    }
    build
}

/// Whether the effect is in the journal without its answer.
fn is_open(stack: &Stack, build: &str, (state, is_kind, ..): &Point) -> bool {
    let is_meant = |scope: &str| scope == *state || scope.starts_with(&format!("{state}#"));
    effects(stack, build).iter().any(|one| is_kind(&one.kind) && one.id.is_none() && is_meant(&one.scope))
}

/// Two runs of the reaper, once the builds are closed or as old as it wants them.
fn assert_cleared(stack: &Stack, builds: &[String], delivered: bool) {
    let closed = |build: &String| record(stack, build).status == BuildStatus::Closed;
    if delivered {
        stack.wait_for("the end of the builds", || builds.iter().all(closed).then_some(()));
    } else {
        let last = builds.last().expect("a build was stopped");
        assert!(!closed(last), "nobody has told the stack of the stop");
        sleep(YOUNG);
        stack.deliver_status_events(true);
    }
    for _ in 0..2 {
        stack.invoke("reap", &json!({"sweep": true}));
        sleep(MOMENT);
    }
    assert!(builds.iter().all(closed));
}

fn after_publish(stack: &Stack, delivered: bool) {
    stack.deliver_status_events(delivered);
    let name = format!("stop-published-{delivered}");
    stack.apply(Pipeline::new(&name, &[("build", "Nothing", "true")]).write().path());
    // Finish looks for what is left before it ends. A sweep of earlier builds may look first, so each look is held.
    stack.arm(&json!([{"when": {"action": "DescribeSnapshots", "nth": 1, "times": 1000}, "do": "hold"}]));
    let build = format!("e2e-{name}");
    let arn = stack.start(&build, &json!({"pipeline": name}).to_string());
    stack.wait_for("the published record", || {
        stack.block_on(stack.store().build(&build)).unwrap().filter(|record| record.published).map(drop)
    });
    sleep(MOMENT);
    stack.stop(&arn);
    kill(stack, "finish");
    stack.disarm();
    assert_cleared(stack, std::slice::from_ref(&build), delivered);
    assert_eq!(status(stack, &build), ImageStatus::Available);
    assert_eq!(stack.left_of(&build).counts(), (0, 2, 2));
}

fn record(stack: &Stack, build: &str) -> goldsmith_store::BuildRecord {
    stack.block_on(stack.store().build(build)).unwrap().expect("Plan opened it")
}

fn status(stack: &Stack, build: &str) -> ImageStatus {
    stack.image(&record(stack, build).image.to_string()).status
}
