//! Plans: what a build would do, and that a plan changes nothing. `problems` has what would stop a build.

use serde_json::Value;

use super::Case;
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[("a_plan_says_what_a_build_would_do_and_changes_nothing", follow)];

/// Plans, and returns the exit code and the plan.
pub(super) fn plan(stack: &Stack, what: &str, flags: &[&str]) -> (Option<i32>, Value) {
    let output = stack.goldsmith(&[&["plan", what, "--local", "--output", "json"], flags].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let plan = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), plan)
}

fn follow(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::quick("planned", "") };
    let folder = pipeline.write();
    let path = folder.path().display().to_string();
    let (exit, first) = plan(stack, &path, &["--detailed-exitcode"]);
    assert_eq!(
        (exit, &first["verdict"], &first["image"]),
        (Some(2), &"build".into(), &"planned/1.0.0/1".into()),
        "{first}"
    );
    assert_eq!(first["definitions"].as_array().unwrap().len(), 5, "{first}");
    assert_eq!(first["findings"], Value::Array(vec![]), "{first}");
    assert_eq!(
        (first["estimate"]["seconds"].as_u64(), &first["estimate"]["snapshotGib"]),
        (None, &8.into()),
        "{first}"
    );
    assert_eq!(stack.block_on(stack.store().pipeline(&"planned".parse().unwrap())).unwrap(), None);

    let built = stack.build(folder.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let (exit, same) = plan(stack, "planned", &["--detailed-exitcode"]);
    assert_eq!((exit, &same["verdict"]), (Some(0), &"unchanged".into()), "{same}");
    assert_eq!(
        (&same["newest"]["image"], &same["inputDigest"]),
        (&built.json["image"], &first["inputDigest"]),
        "{same}"
    );
    assert_eq!(same["newest"]["amis"], built.json["amis"], "{same}");

    std::fs::write(folder.path().join("pipeline.yml"), pipeline.text().replace("t3.small", "t3.medium")).unwrap();
    let (exit, changed) = plan(stack, &path, &[]);
    assert_eq!((exit, &changed["verdict"], &changed["image"]), (Some(0), &"build".into(), &"planned/1.0.0/2".into()));
    let difference = serde_json::json!([{"what": "instanceTypes", "from": "t3.small", "to": "t3.medium"}]);
    assert_eq!(changed["changes"], difference, "{changed}");
    let estimate = &changed["estimate"];
    assert_eq!(estimate["builds"], serde_json::json!([built.json["image"]]), "{changed}");
    let build = &estimate["instances"][0];
    assert_eq!(build["instanceType"], "t3.medium", "{changed}");
    assert!(build["seconds"].as_u64() <= estimate["seconds"].as_u64() && build["seconds"].is_u64(), "{changed}");
    let unknown = stack.goldsmith(&["plan", "no-such-pipeline", "--local", "--detailed-exitcode"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}
