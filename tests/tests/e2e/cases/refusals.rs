//! What is refused: at `apply` with file and line, in Plan with the field.

use goldsmith_cloud::ExecutionStatus;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_unknown_action_is_refused_with_file_and_line", unknown_action),
    ("a_missing_component_is_refused_with_file_and_line", missing_component),
    ("bad_yaml_is_refused_with_file_and_line", bad_yaml),
    ("an_unknown_pipeline_is_refused_by_plan", unknown_pipeline),
    ("an_image_that_only_aws_has_is_rejected_and_a_local_one_is_named", only_aws),
    ("a_mistyped_input_from_the_console_is_refused_by_plan", mistyped_input),
];

/// Applies a folder that is refused; answers what was said.
fn refuse(stack: &Stack, text: &str) -> String {
    let folder = folder(text);
    let output = stack.goldsmith(&["apply", &folder.path().display().to_string(), "--local"]);
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

fn unknown_action(stack: &Stack) {
    let said = refuse(
        stack,
        "kind: Component\nname: typo\nsemanticVersion: 1.0.0\nplatform: Linux\ndata: |\n  schemaVersion: 1.0\n  \
         phases:\n    - name: build\n      steps:\n        - {name: One, action: ExecutBash, inputs: {commands: [x]}}\n",
    );
    assert!(said.contains("pipeline.yml:10:") && said.contains("ExecutBash"), "{said}");
    assert!(said.contains("did you mean `ExecuteBash`"), "{said}");
}

fn missing_component(stack: &Stack) {
    let said = refuse(
        stack,
        "kind: ImageRecipe\nname: lonely\nsemanticVersion: 1.0.0\nparentImage: ssm:/goldsmith/examples/source\n\
         components:\n  - {name: nowhere, version: 1.x.x}\n",
    );
    assert!(said.contains("pipeline.yml:6:") && said.contains("nowhere"), "{said}");
}

fn bad_yaml(stack: &Stack) {
    let said = refuse(stack, "kind: ImageRecipe\nname: [unclosed\n");
    assert!(said.contains("pipeline.yml:"), "{said}");
}

fn unknown_pipeline(stack: &Stack) {
    let execution = stack.execute("e2e-unknown-pipeline", r#"{"pipeline": "nowhere"}"#);
    assert_eq!(execution.status, ExecutionStatus::Failed);
    assert_eq!(execution.error.as_deref(), Some("Goldsmith.Refused"));
    let cause = "Plan: the field `pipeline` of the input names `nowhere`, which was never applied";
    assert_eq!(execution.cause.as_deref(), Some(cause));
}

fn only_aws(stack: &Stack) {
    let source = "ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    let folder = Pipeline { source, ..Pipeline::quick("only-aws", "") }.write();
    let output = stack.goldsmith(&["build", &folder.path().display().to_string(), "--local"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("failed in Plan: source image {source}: there is no such parameter")), "{said}");
    assert!(said.contains("such as ssm:/aws/service/goldsmith-local/debian-12\n"), "{said}");
}

fn mistyped_input(stack: &Stack) {
    stack.apply(Pipeline::new("console", &[("build", "Fine", "true")]).write().path());
    for (name, input, said) in [
        ("e2e-mistyped-1", r#"{"pipelin": "console"}"#, "the input has no field `pipelin`: did you mean `pipeline`?"),
        ("e2e-mistyped-2", r#"{"pipeline": "console", "force": "yes"}"#, "the field `force` of the input is wrong"),
        ("e2e-mistyped-3", r#"{"pipeline": "console", "sourceImage": "ami-0123456789abcdef0"}"#, "sourceImage"),
    ] {
        let execution = stack.execute(name, input);
        assert_eq!(execution.error.as_deref(), Some("Goldsmith.Refused"), "{execution:?}");
        let cause = execution.cause.unwrap();
        assert!(cause.contains(said), "{cause}");
    }
}
