//! Stored definitions: listed, shown, replaced, raised, switched off and deleted.

use std::fs;
use std::process::Output;

use goldsmith_cloud::Schedules as _;
use goldsmith_cloud::aws::EventBridgeScheduler;
use goldsmith_model::schedule_name;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_changed_definition_is_raised_and_a_replaced_one_is_asked_for", changed),
    ("definitions_are_listed_switched_off_and_deleted", listed),
];

/// A schedule that does not fire while the suite runs.
const SOME_DAY: &str = "schedule: {scheduleExpression: \"cron(0 3 1 1 ? 2099)\"}\nrebuildOn: [source-update]\n";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Calls the CLI, and returns what it has printed.
fn good(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.goldsmith(&[arguments, &["--local"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Calls the CLI, which must fail with this code, and returns what it has said.
fn bad(stack: &Stack, exit: i32, arguments: &[&str]) -> String {
    let output = stack.goldsmith(&[arguments, &["--local"]].concat());
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn changed(stack: &Stack) {
    let pipeline = Pipeline::quick("raised", "");
    let at = pipeline.write();
    let (path, file) = (at.path().display().to_string(), at.path().join("pipeline.yml"));
    stack.apply(at.path());
    let text = fs::read_to_string(&file).unwrap().replace("true", "false");
    fs::write(&file, &text).unwrap();
    let refused = bad(stack, 2, &["apply", &path]);
    assert!(refused.contains("the next free one is 1.0.1"), "{refused}");
    assert!(refused.contains("--bump writes the next free version into the file"), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    let applied = good(stack, &["apply", &path, "--bump"]);
    assert!(applied.contains("raised 1.0.1"), "{applied}");
    assert_eq!(fs::read_to_string(&file).unwrap(), text.replacen("1.0.0", "1.0.1", 1));
    assert!(good(stack, &["show", "component/raised/1.0.1"]).contains("false"));
    // With an `x`, nobody has to raise a version, and the file stays as it is.
    let text = text.replace("1.0.0", "1.0.x");
    for (command, version) in [("false", "1.0.1"), ("echo", "1.0.2"), ("echo", "1.0.2")] {
        let text = text.replace("false", command);
        fs::write(&file, &text).unwrap();
        let applied = good(stack, &["apply", &path]);
        assert!(applied.contains(&format!("raised {version}")), "{applied}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    // Another folder with a configuration of the same name changes the pipeline only with consent.
    let other = "kind: InfrastructureConfiguration\nname: raised\ninstanceTypes: [t3.large]\n";
    let other = folder(other);
    let other = other.path().display().to_string();
    let refused = bad(stack, 2, &["apply", &other]);
    assert!(refused.contains("pipeline outside these files uses it: raised"), "{refused}");
    assert!(good(stack, &["show", "infrastructure/raised"]).contains("t3.small"));
    let applied = good(stack, &["apply", &other, "--yes"]);
    assert!(applied.contains("changes raised"), "{applied}");
    assert!(good(stack, &["show", "infrastructure/raised"]).contains("t3.large"));
}

fn listed(stack: &Stack) {
    let pipeline = Pipeline::quick("switched-off", SOME_DAY);
    stack.apply(pipeline.write().path());
    let all = good(stack, &["definitions"]);
    for line in [
        "component/switched-off/1.0.0",
        "recipe/switched-off/1.0.0",
        "infrastructure/switched-off",
        "distribution/switched-off",
    ] {
        assert!(all.lines().any(|one| one.starts_with(line) && !one.ends_with("nothing")), "{line}: {all}");
    }
    let schedules = EventBridgeScheduler::new(stack.sdk());
    let enabled = || {
        let name = schedule_name(&"switched-off".parse().unwrap());
        let found = stack.block_on(schedules.get(stack.name(), &name));
        found.unwrap().map(|(schedule, _)| schedule.enabled)
    };
    for (command, expected) in [("disable", false), ("enable", true)] {
        good(stack, &[command, "switched-off"]);
        assert_eq!(enabled(), Some(expected));
    }
    let refused = bad(stack, 1, &["delete", "distribution/switched-off", "--yes"]);
    assert!(refused.contains("distribution/switched-off is used by pipeline/switched-off"), "{refused}");
    for what in [
        "pipeline/switched-off",
        "recipe/switched-off",
        "component/switched-off",
        "infrastructure/switched-off",
        "distribution/switched-off",
    ] {
        good(stack, &["delete", what, "--yes"]);
    }
    assert_eq!(enabled(), None);
    let left = good(stack, &["definitions"]);
    assert!(!left.contains("switched-off"), "{left}");
}
