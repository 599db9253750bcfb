//! Builds under rules of EC2's that the defaults of the local AWS do not show.

use goldsmith_store::ImageStatus;
use serde_json::json;

use super::Case;
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("volumes_of_a_source_that_keeps_its_own_go_with_their_instances", keeping_source),
    ("what_is_new_and_unknown_for_a_while_is_asked_for_again", unknown_for_a_while),
];

fn keeping_source(stack: &Stack) {
    let steps = [("build", "Write", "echo built > /etc/e2e-root"), ("test", "IsThere", "grep -x built /etc/e2e-root")];
    let source = "ssm:/aws/service/goldsmith-local/debian-12-sda1";
    let built = stack.build(Pipeline { source, ..Pipeline::new("keeping-source", &steps) }.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    // The first number counts volumes too: one would be the build's, one the test's.
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
}

fn unknown_for_a_while(stack: &Stack) {
    stack.set(&json!({"unknownFor": 4}));
    let steps = [("build", "Nothing", "true"), ("test", "Nothing", "true")];
    let built = stack.build(Pipeline::new("unknown", &steps).write().path());
    stack.set(&json!({"unknownFor": 0}));
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    assert_eq!(stack.image(built.image()).status, ImageStatus::Available);
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
}
