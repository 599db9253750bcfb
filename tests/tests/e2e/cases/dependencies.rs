//! Pipelines that build on each other, and pipelines that must not start by themselves for a while.

use std::process::Output;

use goldsmith_model::Cause;
use goldsmith_store::{ImageRecord, ImageStatus};
use serde_json::{Value, json};

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("failures_in_a_row_disable_a_pipeline_until_it_is_enabled", disabled_by_failures),
    ("the_join_of_a_diamond_is_built_once_and_the_graph_shows_it", diamond),
    ("a_frozen_pipeline_waits_and_a_build_by_hand_is_warned", frozen),
];

const NO_TESTS: &str = "imageTestsConfiguration: {imageTestsEnabled: false}\n";
const ON_DEPENDENCY: &str = "rebuildOn: [dependency]\nimageTestsConfiguration: {imageTestsEnabled: false}\n";
const ON_UPDATE: &str = "rebuildOn: [source-update]\nimageTestsConfiguration: {imageTestsEnabled: false}\n";

fn images(stack: &Stack, name: &str) -> Vec<ImageRecord> {
    stack.block_on(stack.store().images(name)).unwrap()
}

/// Waits until the pipeline has so many images and the last one has ended; all of them.
fn built(stack: &Stack, name: &str, number: usize) -> Vec<ImageRecord> {
    stack.wait_for("the images", || {
        let images = images(stack, name);
        let ended = images.len() >= number && images.iter().all(|image| image.status != ImageStatus::Building);
        ended.then_some(images)
    })
}

/// What a good call of the CLI prints.
fn good(stack: &Stack, arguments: &[&str]) -> Output {
    let output = stack.goldsmith(&[arguments, &["--local"]].concat());
    assert!(output.status.success(), "{output:?}");
    output
}

fn json_of(stack: &Stack, arguments: &[&str]) -> Value {
    serde_json::from_slice(&good(stack, &[arguments, &["--output", "json"]].concat()).stdout).unwrap()
}

fn disabled_by_failures(stack: &Stack) {
    let name = "disabled-by-failures";
    let more = "schedule: {scheduleExpression: rate(1 minute), autoDisablePolicy: {failureCount: 1}}\n";
    let pipeline = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new(name, &[("build", "Fails", "exit 7")]) };
    stack.apply(pipeline.write().path());
    let failed = built(stack, name, 1);
    assert_eq!(failed[0].status, ImageStatus::Failed, "{failed:?}");
    let shown = stack.wait_for("the stop", || {
        let shown = json_of(stack, &["show", name]);
        shown["autoDisabled"].is_object().then_some(shown)
    });
    assert_eq!((&shown["autoDisabled"]["count"], &shown["pipeline"]["status"]), (&json!(1), &json!("ENABLED")));
    assert_eq!(stack.left_of(&failed[0].build).counts(), (0, 0, 0));
    let listed = good(stack, &["pipelines"]);
    let remark = format!("{name} is disabled after 1 failed build in a row, the last one {}: ", failed[0].image);
    assert!(String::from_utf8_lossy(&listed.stderr).contains(&remark), "{listed:?}");
    // Its schedule still fires, and starts nothing.
    let fires = json!({"schedule": {"pipeline": name, "scheduledTime": "2026-11-24T03:00:00Z"}});
    assert_eq!(stack.invoke("trigger", &fires)["started"], 0);
    assert_eq!(images(stack, name).len(), 1);
    let definition = format!("pipeline/{name}");
    good(stack, &["disable", &definition]);
    assert_eq!(json_of(stack, &["show", name])["autoDisabled"]["count"], 1);
    good(stack, &["enable", &definition]);
    assert!(json_of(stack, &["show", name])["autoDisabled"].is_null());
    good(stack, &["disable", &definition]);
    assert_eq!(json_of(stack, &["show", name])["pipeline"]["status"], "DISABLED");
}

fn diamond(stack: &Stack) {
    let source = "pipeline:diamond-base";
    let slow = [("build", "Slow", "sleep 40")];
    let left = |more| Pipeline { source, ..Pipeline::quick("diamond-side-left", more) };
    let right = |more| Pipeline { source, more, regions: &["eu-west-1"], ..Pipeline::new("diamond-side-right", &slow) };
    let join =
        Pipeline { source: "{owners: [self], name: \"diamond-side-*\"}", ..Pipeline::quick("diamond-join", ON_UPDATE) };
    let apply = |pipelines: &[Pipeline]| {
        let text: Vec<String> = pipelines.iter().map(Pipeline::text).collect();
        stack.apply(folder(&text.join("---\n")).path());
    };
    apply(&[Pipeline::quick("diamond-base", NO_TESTS), left(NO_TESTS), right(NO_TESTS)]);
    good(stack, &["build", "diamond-base"]);
    good(stack, &["build", "diamond-side-left"]);
    apply(&[left(ON_DEPENDENCY), right(ON_DEPENDENCY), join]);
    stack.check_sources(); // what the join begins with
    shown_as_graph(stack);

    good(stack, &["build", "diamond-base"]);
    let newer = built(stack, "diamond-side-left", 2);
    assert!(matches!(newer[1].cause, Cause::Dependency { .. }), "{newer:?}");
    stack.check_sources();
    assert_eq!(images(stack, "diamond-join"), [], "the other side is still built");
    let other = built(stack, "diamond-side-right", 1);
    stack.wait_for("the start of the join", || {
        stack.check_sources();
        (!images(stack, "diamond-join").is_empty()).then_some(())
    });
    let joined = built(stack, "diamond-join", 1);
    assert_eq!(joined[0].status, ImageStatus::Available, "{joined:?}");
    assert_eq!(joined[0].source_image, other[0].amis["eu-west-1"]);
    stack.check_sources();
    let waits = stack.block_on(stack.store().pending_causes(&"diamond-join".parse().unwrap())).unwrap();
    assert_eq!((images(stack, "diamond-join").len(), waits), (1, Vec::new()));
    for name in ["diamond-side-left", "diamond-side-right", "diamond-join"] {
        good(stack, &["disable", name]);
    }
}

fn shown_as_graph(stack: &Stack) {
    let graph = json_of(stack, &["graph"]);
    let stage = |name: &str| graph.as_array().unwrap().iter().find(|one| one["pipeline"] == name).unwrap().clone();
    let from = json!([{"pipeline": "diamond-side-left", "by": "filter"},
                      {"pipeline": "diamond-side-right", "by": "filter"}]);
    assert_eq!(stage("diamond-join")["startsFrom"], from);
    let base = json!([{"pipeline": "diamond-base", "by": "pipeline"}]);
    assert_eq!((&stage("diamond-side-left")["startsFrom"], &stage("diamond-base")["startsFrom"]), (&base, &json!([])));
    let text = String::from_utf8(good(stack, &["graph"]).stdout).unwrap();
    assert!(text.contains("─ diamond-base  (by hand)  → eu-west-1\n"), "{text}");
    let mermaid = String::from_utf8(good(stack, &["graph", "--mermaid"]).stdout).unwrap();
    assert!(mermaid.starts_with("flowchart LR\n") && mermaid.contains("[\"diamond-join\"]\n"), "{mermaid}");
}

fn frozen(stack: &Stack) {
    let name = "frozen";
    let more = "schedule: {scheduleExpression: rate(1 minute)}\nfreeze: [{from: 2020-01-01, until: 2100-01-01}]\n\
                imageTestsConfiguration: {imageTestsEnabled: false}\n";
    stack.apply(Pipeline::quick(name, more).write().path());
    stack.wait_for("the cause that is put off", || {
        let kept = stack.block_on(stack.store().pending_causes(&name.parse().unwrap())).unwrap();
        kept.iter().any(|kept| kept.not_before.is_some()).then_some(())
    });
    assert_eq!(images(stack, name), []);
    let listed = json_of(stack, &["pipelines"]);
    let listed = listed.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(listed["frozenUntil"], "2100-01-01T00:00:00+00:00");
    let by_hand = good(stack, &["build", name]);
    let warning = "warning: pipeline `frozen` is frozen until 2100-01-01T00:00:00Z; a manual start builds anyway";
    assert!(String::from_utf8_lossy(&by_hand.stderr).contains(warning), "{by_hand:?}");
    let images = images(stack, name);
    assert!(images.len() == 1 && matches!(images[0].cause, Cause::Manual { .. }), "{images:?}");
    good(stack, &["disable", name]);
}
