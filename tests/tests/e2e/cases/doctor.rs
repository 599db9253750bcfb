//! `goldsmith doctor`: what it says of a healthy stack, and of one with many faults at once.
//!
//! The faults are planted in a stack of the case's own, because no other case could build in that stack at the same
//! time.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde_json::{Value, json};

use super::Case;
use crate::definitions::folder;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] =
    &[("doctor_names_thirteen_planted_faults_and_none_in_a_healthy_stack", faults)];

const STACK: &str = "e2e-doctor";
const REGION: &str = "eu-west-1";
/// What the planted faults are called.
const FAULTS: [&str; 13] = [
    "agents",
    "default-key",
    "functions",
    "instance-rights",
    "keys",
    "public-images",
    "regions",
    "rules",
    "security-groups",
    "sharing",
    "subnets",
    "vcpus",
    "way-out",
];

fn faults(others: &Stack) {
    // Where the AWS CLI is not to be had, nothing can be planted.
    if others.aws_cli(&["sts", "get-caller-identity"]).is_none() {
        return;
    }
    let stack = Stack::up(STACK);
    let outcome = catch_unwind(AssertUnwindSafe(|| with_and_without_faults(&stack)));
    stack.down();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

fn with_and_without_faults(stack: &Stack) {
    let healthy = findings(stack, 0);
    assert_eq!(problems(&healthy), BTreeSet::new(), "{healthy}");
    assert!(!unseen(&healthy), "{healthy}");

    let planted = plant(stack);
    let sick = findings(stack, 1);
    assert_eq!(problems(&sick), FAULTS.into(), "{sick}");
    for finding in sick.as_array().unwrap() {
        let has_remedy = finding["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty());
        assert!(finding["verdict"] == "good" || has_remedy, "{finding}");
    }
    let text = stack.goldsmith_by_endpoint(&["doctor"]);
    let text = String::from_utf8(text.stdout).unwrap();
    for name in FAULTS {
        assert!(text.contains(&format!("PROBLEM  {name} ")), "{name}: {text}");
    }
    assert!(text.contains("\n13 problems, "), "{text}");

    take_back(stack, &planted);
    let healthy = findings(stack, 0);
    assert_eq!(problems(&healthy), BTreeSet::new(), "{healthy}");
}

/// What the doctor says, as JSON.
fn findings(stack: &Stack, exit: i32) -> Value {
    let output = stack.goldsmith_by_endpoint(&["doctor", "--output", "json"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn problems(findings: &Value) -> BTreeSet<&str> {
    let all = findings.as_array().unwrap().iter();
    all.filter(|one| one["verdict"] == "problem").map(|one| one["name"].as_str().unwrap()).collect()
}

fn unseen(findings: &Value) -> bool {
    findings.as_array().unwrap().iter().any(|one| one["verdict"] == "unseen")
}

/// What takes the faults back has to know.
struct Planted {
    table: String,
    gateway: String,
    group: String,
    role: String,
    policy: String,
    rule: String,
    key: String,
}

fn aws(stack: &Stack, arguments: &[&str]) -> Value {
    stack.aws_cli(arguments).unwrap()
}

fn plant(stack: &Stack) -> Planted {
    let aws = |arguments: &[&str]| aws(stack, arguments);
    let made = aws(&["cloudformation", "list-stack-resources", "--stack-name", STACK]);
    let made = made["StackResourceSummaries"].as_array().unwrap();
    let physical = |is_it: &dyn Fn(&Value) -> bool| {
        made.iter().find(|one| is_it(one)).unwrap()["PhysicalResourceId"].as_str().unwrap().to_owned()
    };
    let named = |logical: &str| physical(&|one| one["LogicalResourceId"] == logical);

    // The network: no way out of the default VPC, and a group that lets nothing out.
    let default = "Name=is-default,Values=true";
    let vpc = aws(&["ec2", "describe-vpcs", "--filters", default])["Vpcs"][0]["VpcId"].as_str().unwrap().to_owned();
    let of_vpc = format!("Name=vpc-id,Values={vpc}");
    let table = aws(&["ec2", "describe-route-tables", "--filters", &of_vpc])["RouteTables"][0].clone();
    let out = table["Routes"].as_array().unwrap().iter().find(|one| one["DestinationCidrBlock"] == "0.0.0.0/0");
    let gateway = out.unwrap()["GatewayId"].as_str().unwrap().to_owned();
    let table = table["RouteTableId"].as_str().unwrap().to_owned();
    aws(&["ec2", "delete-route", "--route-table-id", &table, "--destination-cidr-block", "0.0.0.0/0"]);
    let group = named("BuildSecurityGroup");
    aws(&["ec2", "revoke-security-group-egress", "--group-id", &group, "--ip-permissions", EVERYTHING]);

    // The stack's parts: the instances' rights, a function that may not run, a rule that is off.
    let (role, policy) = (named("BuildRole"), named("ServeCommands"));
    aws(&["iam", "detach-role-policy", "--role-name", &role, "--policy-arn", &policy]);
    aws(&["lambda", "put-function-concurrency", "--function-name", &reap(), "--reserved-concurrent-executions", "0"]);
    let rule = physical(&|one| one["ResourceType"] == "AWS::Events::Rule");
    aws(&["events", "disable-rule", "--name", &rule]);

    // Encryption: at home by a key that is disabled, in us-east-1 by AWS's own.
    let key = aws(&["kms", "create-key"])["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    aws(&["kms", "disable-key", "--key-id", &key]);
    aws(&["ec2", "modify-ebs-default-kms-key-id", "--kms-key-id", &key]);
    aws(&["ec2", "enable-ebs-encryption-by-default"]);
    aws(&["ec2", "enable-image-block-public-access", "--image-block-public-access-state", "block-new-sharing"]);
    other_region(stack, true);
    stack.set(&json!({"regions": {"disabled": ["ca-central-1"]}}));
    stack.apply(folder(&definitions(true)).path());
    Planted { table, gateway, group, role, policy, rule, key }
}

fn take_back(stack: &Stack, planted: &Planted) {
    let aws = |arguments: &[&str]| aws(stack, arguments);
    let Planted { table, gateway, group, role, policy, rule, key } = planted;
    let to = ["--destination-cidr-block", "0.0.0.0/0", "--gateway-id", gateway];
    aws(&[&["ec2", "create-route", "--route-table-id", table], &to[..]].concat());
    aws(&["ec2", "authorize-security-group-egress", "--group-id", group, "--ip-permissions", EVERYTHING]);
    aws(&["iam", "attach-role-policy", "--role-name", role, "--policy-arn", policy]);
    aws(&["lambda", "delete-function-concurrency", "--function-name", &reap()]);
    aws(&["events", "enable-rule", "--name", rule]);
    aws(&["kms", "enable-key", "--key-id", key]);
    aws(&["ec2", "disable-image-block-public-access"]);
    other_region(stack, false);
    stack.set(&json!({"regions": {"disabled": []}}));
    stack.apply(folder(&definitions(false)).path());
}

/// Encryption by default where images are shared.
fn other_region(stack: &Stack, encrypts: bool) {
    let client = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(aws_sdk_ec2::config::Region::new("us-east-1"));
    let client = aws_sdk_ec2::Client::from_conf(client.build());
    stack.block_on(async {
        if encrypts {
            client.enable_ebs_encryption_by_default().send().await.unwrap();
        } else {
            client.disable_ebs_encryption_by_default().send().await.unwrap();
        }
    });
}

fn reap() -> String {
    format!("{STACK}-reap")
}

/// Everything out, as a new security group has it.
const EVERYTHING: &str = r#"[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]"#;

/// Two pipelines: with faults, one whose images go where they may not, by a key that is not there, from a type with more
/// vCPUs than the quota, in a subnet that does not exist; and one of an architecture without an agent.
fn definitions(sick: bool) -> String {
    let large = if sick { "m5.metal" } else { "m5.large" };
    let arm = if sick { "t4g.small" } else { "t3.small" };
    let subnets = if sick { "subnetIds: [subnet-0123456789abcdef0]\n" } else { "" };
    let places = if sick {
        format!(
            "  - region: {REGION}\n    amiDistributionConfiguration: {{launchPermission: {{userGroups: [all]}}}}\n  - region: \
             us-east-1\n    amiDistributionConfiguration: {{launchPermission: {{userIds: [\"111122223333\"]}}}}\n  - region: \
             us-west-2\n    amiDistributionConfiguration: {{kmsKeyId: alias/nowhere}}\n  - region: ca-central-1\n"
        )
    } else {
        format!("  - region: {REGION}\n")
    };
    let pipeline = |name: &str, kind: &str, more: &str| {
        format!(
            "---\nkind: InfrastructureConfiguration\nname: {name}\ninstanceTypes: [{kind}]\n{more}---\nkind: ImagePipeline\n\
             name: {name}\nimageRecipe: doctor/1.x.x\ninfrastructureConfiguration: {name}\n\
             distributionConfiguration: doctor\n"
        )
    };
    format!(
        "kind: Component\nname: doctor\nsemanticVersion: 1.0.0\nplatform: Linux\ndata: |\n  schemaVersion: 1.0\n  phases:\n    \
         - name: build\n      steps:\n        - {{name: Nothing, action: ExecuteBash, inputs: {{commands: [\"true\"]}}}}\n---\n\
         kind: ImageRecipe\nname: doctor\nsemanticVersion: 1.0.0\nparentImage: ssm:/goldsmith/examples/source\ncomponents:\n  \
         - {{name: doctor, version: 1.x.x}}\n---\nkind: DistributionConfiguration\nname: doctor\ndistributions:\n{places}{}{}",
        pipeline("large", large, subnets),
        pipeline("arm", arm, ""),
    )
}
