//! Builds that fail: their recorded cause, and what they leave.

use goldsmith_model::State;
use goldsmith_store::{BuildStatus, ImageRecord, ImageStatus};
use serde_json::json;

use super::Case;
use crate::definitions::{Pipeline, example};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_component_that_exits_1_leaves_nothing", exits_1),
    ("the_broken_example_says_why", broken_example),
    ("a_failing_test_leaves_nothing", failing_test),
    ("one_region_that_fails_leaves_the_home_image_with_its_expiry", failing_region),
    ("a_region_that_refuses_everything_for_good_holds_no_pipeline_up", refusing_region),
    ("a_stop_from_outside_leaves_nothing", stopped),
    ("an_instance_that_dies_leaves_nothing", dying_instance),
];

/// Builds a pipeline that fails and answers its image.
pub(super) fn fail(stack: &Stack, pipeline: &Pipeline) -> ImageRecord {
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (1, Some("failed")), "{built:?}");
    stack.image(built.image())
}

pub(super) fn assert_nothing_left(stack: &Stack, image: &ImageRecord) {
    let left = stack.left_of(&image.build);
    assert_eq!(left.counts(), (0, 0, 0), "{left:?}");
}

fn exits_1(stack: &Stack) {
    let image = fail(stack, &Pipeline::new("exits", &[("build", "Fails", "echo the last words\nexit 1")]));
    assert_eq!(image.status, ImageStatus::Failed);
    let failure = image.failure.clone().unwrap();
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("Build", "Goldsmith.CommandFailed"));
    let place = (failure.document.as_deref(), failure.phase.as_deref(), failure.step.as_deref());
    assert_eq!(place, (Some("exits"), Some("build"), Some("Fails")));
    assert_eq!((failure.action.as_deref(), failure.exit_code), (Some("ExecuteBash"), Some(1)));
    assert_eq!(failure.last_lines, ["the last words"]);
    assert_nothing_left(stack, &image);
}

fn broken_example(stack: &Stack) {
    let built = stack.build(&example("broken"));
    assert_eq!(built.exit, 1, "{built:?}");
    assert_eq!(built.json["failure"]["phase"], "validate");
    assert_nothing_left(stack, &stack.image(built.image()));
}

fn failing_test(stack: &Stack) {
    let steps = [("build", "Fine", "true"), ("test", "Fails", "echo no page\nexit 7")];
    let image = fail(stack, &Pipeline { copies_with_tests: true, ..Pipeline::new("untested", &steps) });
    let begun = stack.block_on(stack.store().state(&image.build, &State::BeginCopies.into())).unwrap().unwrap();
    assert!(begun.detail.ends_with("has begun in us-east-1"), "a copy had to be removed: {}", begun.detail);
    let failure = image.failure.clone().unwrap();
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("ExecuteTest", "Goldsmith.TestFailed"));
    assert_eq!((failure.step.as_deref(), failure.exit_code), (Some("Fails"), Some(7)));
    assert_nothing_left(stack, &image);
}

fn failing_region(stack: &Stack) {
    stack.arm(&json!([{"when": {"action": "CopyImage", "nth": 1, "region": "us-east-1"}, "do": "fail", "code": "UnauthorizedOperation"}]));
    let image = fail(stack, &Pipeline::new("one-region", &[("build", "Fine", "true")]));
    let failure = image.failure.clone().unwrap();
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("DistributeRegion", "Goldsmith.CopyFailed"));
    assert_eq!(
        (failure.region.as_deref(), failure.code.as_deref()),
        (Some("us-east-1"), Some("UnauthorizedOperation"))
    );
    let left = stack.left_of(&image.build);
    assert_eq!(left.counts(), (0, 1, 1), "{left:?}");
    for kept in left.images.iter().chain(&left.snapshots) {
        assert_eq!(kept.region, "eu-west-1");
        assert!(kept.tags.contains_key("goldsmith:expires"), "{kept:?}");
        assert_eq!(kept.tags["goldsmith:status"], "unpublished");
    }
}

/// As a Region does that is not enabled in the account, or that a policy of the organisation denies.
fn refusing_region(stack: &Stack) {
    let everything = json!({"action": "*", "probability": 1.0, "region": "us-east-1"});
    stack.arm(&json!([{"when": everything, "do": "fail", "code": "AuthFailure"}]));
    let pipeline = Pipeline::new("refused-there", &[("build", "Fine", "true")]);
    let images = [fail(stack, &pipeline), fail(stack, &pipeline)];
    for image in &images {
        let failure = image.failure.clone().unwrap();
        assert_eq!((failure.region.as_deref(), failure.code.as_deref()), (Some("us-east-1"), Some("AuthFailure")));
        let record = stack.block_on(stack.store().build(&image.build)).unwrap().unwrap();
        assert_eq!(record.status, BuildStatus::Closed);
        assert!(record.after.left.iter().all(|left| left.region == "us-east-1"), "{:?}", record.after);
        let shown = stack.goldsmith(&["show", &image.build, "--local"]);
        let shown = String::from_utf8_lossy(&shown.stdout);
        assert!(shown.contains("\nleft ") && shown.contains(" in us-east-1: "), "{shown}");
    }
    stack.disarm();
}

fn stopped(stack: &Stack) {
    let folder = Pipeline::new("stopped", &[("build", "Long", "sleep 600")]).write();
    let (built, ()) = stack.build_meanwhile(folder.path(), || {
        let build = stack.wait_for("the build instance", || {
            let instances = stack.inventory().instances;
            let ours = instances.into_iter().find(|one| one.tags["goldsmith:image"].starts_with("stopped/"))?;
            ours.tags.get("goldsmith:build").cloned()
        });
        stack.stop(&stack.execution_arn(&build));
    });
    assert_eq!(built.exit, 1, "{built:?}");
    let image = stack.wait_for("the image's end", || {
        Some(stack.image(built.image())).filter(|image| image.status != ImageStatus::Building)
    });
    assert_eq!(image.status, ImageStatus::Cancelled);
    let failure = image.failure.clone().unwrap();
    assert_eq!(failure.message, "the execution was stopped");
    assert_nothing_left(stack, &image);
}

fn dying_instance(stack: &Stack) {
    stack.arm(&json!([{"when": {"action": "SendCommand", "nth": 1}, "do": "end-instance"}]));
    let image = fail(stack, &Pipeline::new("dying", &[("build", "Long", "sleep 600")]));
    let failure = image.failure.clone().unwrap();
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("Build", "Goldsmith.CommandFailed"));
    assert!(failure.message.contains("terminated"), "{failure:?}");
    assert_eq!(failure.region.as_deref(), Some("eu-west-1"));
    assert_nothing_left(stack, &image);
}
