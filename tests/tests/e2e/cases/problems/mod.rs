//! The problems that the pre-flight finds: all of them at once, by a plan and by the Plan state, and what each of them
//! would cost a build.
//!
//! Some problems exclude others. A start with parameters makes an image that stays at home, so its problems are in a
//! case of their own. If the source image is missing or may not be read, nothing can be said about it, and `apply`
//! rejects a folder that names a missing component: these are in the third case. An arm64 agent is missing only in a
//! package that has none, and only the Plan state sees the package.

mod costs;
mod world;

use std::collections::BTreeSet;

use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{Parameter, Parameters as _};
use goldsmith_model::definitions::Definitions;
use goldsmith_states::Problem;
use serde_json::{Value, json};

use super::Case;
use super::lifecycle::package;
use super::plan::plan;
use crate::definitions::{Pipeline, example, folder};
use crate::stack::{Built, Stack};
pub(in crate::cases) use world::names;
use world::{HOME, World};

pub(super) const CASES: &[(&str, Case)] = &[
    ("thirty_problems_are_found_in_one_call_and_each_would_have_cost_a_build", together),
    ("problems_of_a_start_are_found_in_one_call", of_a_start),
    ("problems_of_a_source_or_definition_that_is_not_there_are_found", not_there),
    ("the_examples_have_no_problems", examples),
];

/// The problems of [`World`] that a plan finds.
const TOGETHER: [&str; 35] = [
    "ami-name-taken",
    "key-at-home",
    "key-closed",
    "key-missing",
    "key-unusable",
    "launch-template-missing",
    "launch-template-tags",
    "license-missing",
    "never-public",
    "parameter-data-type",
    "parameter-path",
    "public-access-blocked",
    "public-snapshots-blocked",
    "region-disabled",
    "region-unknown",
    "root-device",
    "security-group-missing",
    "security-group-vpc",
    "shared-with-aws-key",
    "source-owner",
    "source-product",
    "source-unavailable",
    "subnet-missing",
    "subnet-zone",
    "target-license",
    "target-product",
    "test-type-architecture",
    "test-type-unknown",
    "too-many-tags",
    "topic-missing",
    "type-architecture",
    "type-not-offered",
    "type-unknown",
    "unchecked",
    "volume-too-small",
];
/// The problems of the other cases. `boot-mode` is in `publish.rs`, `uefi-needed` and `test-type-firmware` are in
/// `firmware.rs`, those of Dedicated Hosts are in `hosts.rs`, and those of exports are in `exports.rs`. Those of target
/// accounts are in `targets.rs`, except a Region that only the other account has not enabled: the local EC2 enables a
/// Region in all accounts or in none. The name of the suite's stack is short.
const ELSEWHERE: [&str; 33] = [
    "advisories-unusable",
    "agent-missing",
    "boot-mode",
    "component-unused",
    "definition-missing",
    "export-bucket",
    "export-encrypted",
    "export-license",
    "export-product",
    "export-role",
    "export-role-denied",
    "export-too-large",
    "export-volumes",
    "host-full",
    "host-missing",
    "host-unfit",
    "instance-type-skipped",
    "license-denied",
    "nothing-to-verify",
    "parameter-unknown",
    "parameter-value",
    "signing-key-unusable",
    "source-missing",
    "source-parameter-denied",
    "source-parameter-path",
    "target-account-closed",
    "target-account-own",
    "target-region-disabled",
    "target-role-name",
    "test-type-firmware",
    "topic-denied",
    "uefi-needed",
    "verified-profile",
];

fn together(stack: &Stack) {
    let all: BTreeSet<&str> = Problem::all().map(|problem| problem.name()).collect();
    let tested: BTreeSet<&str> = TOGETHER.into_iter().chain(ELSEWHERE).collect();
    assert_eq!(tested, all, "each problem has a case");
    let world = World::new(stack);
    let folder = world.definitions();
    let (exit, plan) = plan(stack, &folder.path().display().to_string(), &[]);
    assert_eq!((exit, names(&plan)), (Some(1), TOGETHER.map(str::to_owned).into()), "{plan:#}");
    let findings = plan["findings"].as_array().unwrap();
    assert!(findings.len() >= 30, "{}: {plan:#}", findings.len());

    let mut refused: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["severity"] == "refusal")
        .map(|finding| finding["name"].as_str().unwrap())
        .collect();
    // Only the Plan state takes on the role of other accounts.
    refused.push("target-account-closed");
    if !has_arm_agent() {
        refused.push("agent-missing");
    }
    let built = stack.build(folder.path());
    assert_refused(&built, &refused);
    let name = "problems".parse().unwrap();
    assert_eq!(stack.block_on(stack.store().running_build(&name)).unwrap(), None, "no lease was taken");
    costs::meet(&world);
    world.undo();
}

/// Returns whether the package of the functions has an agent for arm64: names are plain text in a zip file.
fn has_arm_agent() -> bool {
    let (zip, name) = (std::fs::read(package()).unwrap(), b"agent-aarch64");
    zip.windows(name.len()).any(|part| part == name)
}

/// Holds the refusal of Plan against the refusals of a plan.
pub(in crate::cases) fn assert_refused(built: &Built, problems: &[&str]) {
    assert_eq!((built.exit, built.json["failure"]["state"].as_str()), (2, Some("Plan")), "{built:?}");
    let message = built.json["failure"]["message"].as_str().unwrap();
    for problem in problems {
        assert!(message.contains(&format!("({problem}, `")), "{problem}: {message}");
    }
    if problems.len() > 1 {
        assert!(message.starts_with(&format!("{} problems:\n1. ", problems.len())), "{message}");
    }
}

fn of_a_start(stack: &Stack) {
    let pipeline = Pipeline { more: "allowOverrides: true\n", ..Pipeline::quick("started", "") };
    let declared = "  parameters:\n    - color: {type: string, default: red, allowedValues: [red, blue]}\n  phases:\n";
    let folder = folder(&pipeline.text().replacen("  phases:\n", declared, 1));
    let path = folder.path().display().to_string();
    let start =
        ["--parameter", "other.color=red", "--parameter", "started.colour=red", "--parameter", "started.color=green"];
    let expected = ["component-unused", "parameter-unknown", "parameter-value"];
    let (exit, plan) = plan(stack, &path, &start);
    assert_eq!((exit, names(&plan)), (Some(1), expected.map(str::to_owned).into()), "{plan:#}");
    let output = stack.goldsmith(&[&["build", &path, "--local", "--output", "json"][..], &start[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let built: Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = built["failure"]["message"].as_str().unwrap();
    assert!(message.starts_with("3 problems:\n1. "), "{message}");
    of_a_verification(stack);
}

/// A run that only tests an AMI, with a pipeline that has no tests and names a profile.
fn of_a_verification(stack: &Stack) {
    let text = Pipeline::quick("verifies", "").text();
    let named = "instanceTypes: [t3.small]\ninstanceProfileName: team\n";
    stack.apply(folder(&text.replace("instanceTypes: [t3.small]\n", named)).path());
    let parameters = SsmParameters::new(stack.sdk());
    let source = stack.block_on(parameters.get(HOME, "/goldsmith/examples/source")).unwrap().unwrap().value;
    let input = json!({"pipeline": "verifies", "from": {"at": "test", "image": source}});
    let cause = stack.execute("e2e-verifies", &input.to_string()).cause.unwrap();
    for problem in ["nothing-to-verify", "verified-profile"] {
        assert!(cause.contains(&format!("({problem}, `")), "{problem}: {cause}");
    }
}

fn not_there(stack: &Stack) {
    let (name, version) = ("not-there".parse().unwrap(), "1.0.0".parse().unwrap());
    let folder = Pipeline { source: "ami-0123456789abcdef0", ..Pipeline::quick("not-there", "") }.write();
    stack.apply(folder.path());
    // `apply` rejects a recipe with a missing component, so the records are written without it.
    let mut recipe = stack.block_on(stack.store().recipe(&name, version)).unwrap().unwrap();
    recipe.version = "1.0.1".parse().unwrap();
    recipe.components[0].name = "ghost".parse().unwrap();
    let definitions = Definitions { recipes: vec![recipe], ..Definitions::default() };
    stack.block_on(stack.store().apply(&definitions)).unwrap();
    let (exit, planned) = plan(stack, "not-there", &[]);
    let expected = ["definition-missing", "source-missing"];
    assert_eq!((exit, names(&planned)), (Some(1), expected.map(str::to_owned).into()), "{planned:#}");
    let execution = stack.execute("e2e-not-there", r#"{"pipeline": "not-there"}"#);
    let cause = execution.cause.unwrap();
    assert!(expected.iter().all(|problem| cause.contains(&format!("({problem}, `"))), "{cause}");

    let text = Parameter { value: "ami-0123456789abcdef0".to_owned(), data_type: "text".to_owned() };
    stack.block_on(SsmParameters::new(stack.sdk()).put(HOME, costs::UNREADABLE, &text)).unwrap();
    let folder = Pipeline { source: "ssm:/team/base", ..Pipeline::quick("not-read", "") }.write();
    let (exit, planned) = plan(stack, &folder.path().display().to_string(), &[]);
    // The person may not read it either, so the plan cannot say more.
    let expected = ["source-parameter-path", "unchecked"];
    assert_eq!((exit, names(&planned)), (Some(0), expected.map(str::to_owned).into()), "{planned:#}");
    assert_refused(&stack.build(folder.path()), &["source-parameter-denied"]);
    // A person may read every license configuration, and the stack only those that it lists.
    let license = format!("  - region: eu-west-1\n    licenseConfigurationArns: [\"{}\"]\n", costs::UNLISTED);
    let folder = crate::definitions::folder(
        &Pipeline::quick("not-licensed", "").text().replace("  - region: eu-west-1\n", &license),
    );
    assert_refused(&stack.build(folder.path()), &["license-denied"]);
    // So it is with topics.
    let types = "instanceTypes: [t3.small]\n";
    let topic = format!("{types}snsTopicArn: {}\n", costs::UNTOLD);
    let folder = crate::definitions::folder(&Pipeline::quick("not-told", "").text().replace(types, &topic));
    assert_refused(&stack.build(folder.path()), &["topic-denied"]);
}

fn examples(stack: &Stack) {
    for name in ["broken", "web-server"] {
        let (exit, plan) = plan(stack, &example(name).display().to_string(), &[]);
        assert_eq!((exit, &plan["findings"]), (Some(0), &Value::Array(vec![])), "{name}: {plan:#}");
    }
}
