//! What documents may do in the account: the rights of the instance's role, more of them, and credentials that come late.

use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{Parameter, Parameters as _};
use goldsmith_store::FailureCause;
use serde_json::{Value, json};

use super::{Case, fail};
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_bucket_is_refused_to_documents_until_the_stack_has_a_policy_for_it", bucket),
    ("documents_read_the_builds_own_parameters_and_no_others", parameters),
    ("only_a_role_that_trusts_ec2_is_taken_for_an_instance", trust),
    ("late_credentials_are_waited_for_even_after_a_reboot", late),
];

/// Holds a message against one in which `*` stands for the role's session, whose name ends with the instance's id.
fn assert_refusal(failure: &FailureCause, expected: &str) {
    let (before, after) = expected.split_once('*').unwrap();
    let message = &failure.message;
    let session = message.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let session = session.unwrap_or_else(|| panic!("{message}"));
    let (role, instance) = session.split_once('/').unwrap();
    assert!(role.starts_with("e2e-BuildRole-") && instance.starts_with("i-"), "{message}");
}

/// Downloads the team's file.
fn fetching(name: &str) -> Pipeline {
    let mut pipeline = Pipeline { regions: &["eu-west-1"], ..Pipeline::new(name, &[("build", "Begin", "true")]) };
    pipeline.phases += "        - name: Fetch\n          action: S3Download\n          inputs:\n            - source: \
                        s3://e2e-team/app.txt\n              destination: /opt/app.txt\n        - name: Read\n          \
                        action: ExecuteBash\n          inputs:\n            commands: [\"grep -x 'of the team' \
                        /opt/app.txt\"]\n";
    pipeline
}

fn bucket(stack: &Stack) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "of the team\n").unwrap();
    let place = "LocationConstraint=eu-west-1";
    let bucket = ["s3api", "create-bucket", "--bucket", "e2e-team", "--create-bucket-configuration", place];
    if stack.aws_cli(&bucket).is_none() {
        return;
    }
    let aws = |arguments: &[&str]| stack.aws_cli(arguments).unwrap();
    aws(&["s3api", "put-object", "--bucket", "e2e-team", "--key", "app.txt", "--body", file.path().to_str().unwrap()]);
    let failure = fail(stack, &fetching("refused-bucket"));
    assert_refusal(
        &failure,
        "refused-bucket / build / Fetch: GetObject s3://e2e-team/app.txt failed with status 403, AccessDenied: User: \
         arn:aws:sts::000000000000:assumed-role/* is not authorized to perform: s3:GetObject because no identity-based \
         policy allows the s3:GetObject action",
    );
    assert_eq!((failure.step.as_deref(), failure.action.as_deref()), (Some("Fetch"), Some("S3Download")));

    let allowed = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::e2e-team/*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [allowed]}).to_string();
    let policy = aws(&["iam", "create-policy", "--policy-name", "e2e-team", "--policy-document", &policy]);
    with_build_policies(stack, policy["Policy"]["Arn"].as_str().unwrap());
    let built = stack.build(fetching("allowed-bucket").write().path());
    with_build_policies(stack, "");
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    fail(stack, &fetching("refused-again"));
}

/// Changes the stack's parameter `BuildPolicyArns`, and nothing else of it.
fn with_build_policies(stack: &Stack, policies: &str) {
    let aws = |arguments: &[&str]| stack.aws_cli(arguments).unwrap();
    let name = ["cloudformation", "describe-stacks", "--stack-name", crate::STACK];
    let described = aws(&name);
    let parameters = described["Stacks"][0]["Parameters"].as_array().unwrap().iter();
    let parameters: Vec<Value> = parameters
        .map(|parameter| match parameter["ParameterKey"].as_str().unwrap() {
            key @ "BuildPolicyArns" => json!({"ParameterKey": key, "ParameterValue": policies}),
            key => json!({"ParameterKey": key, "UsePreviousValue": true}),
        })
        .collect();
    let parameters = Value::Array(parameters).to_string();
    let capabilities = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"];
    let change = ["--use-previous-template", "--parameters", &parameters];
    let update = ["cloudformation", "update-stack", "--stack-name", crate::STACK];
    aws(&[&update[..], &change, &capabilities].concat());
    let status = stack.wait_for("the update", || {
        let status = aws(&name)["Stacks"][0]["StackStatus"].as_str().unwrap().to_owned();
        (!status.ends_with("IN_PROGRESS")).then_some(status)
    });
    assert_eq!(status, "UPDATE_COMPLETE");
}

fn put_parameter(stack: &Stack, name: &str, value: &str) {
    let parameter = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
    stack.block_on(SsmParameters::new(stack.sdk()).put("eu-west-1", name, &parameter)).unwrap();
}

fn parameters(stack: &Stack) {
    put_parameter(stack, "/goldsmith/build/e2e/own", "of the build");
    put_parameter(stack, "/team/e2e", "of the team");
    let own = "test -z \"$AWS_ACCESS_KEY_ID$AWS_SECRET_ACCESS_KEY\" && echo '{{ aws:ssm:/goldsmith/build/e2e/own }}'";
    let steps = [("build", "Own", own), ("build", "Foreign", "echo '{{ aws:ssm:/team/e2e }}'")];
    let failure = fail(stack, &Pipeline::new("reads-parameters", &steps));
    assert_refusal(
        &failure,
        "reads-parameters / build / Foreign: `{{ aws:ssm:/team/e2e }}` has no value: GetParameter /team/e2e failed \
         with status 400, AccessDeniedException: User: arn:aws:sts::000000000000:assumed-role/* is not authorized to \
         perform: ssm:GetParameter on resource: arn:aws:ssm:eu-west-1:000000000000:parameter/team/e2e because no \
         identity-based policy allows the ssm:GetParameter action",
    );
    let said = logs(stack, "reads-parameters/1.0.0/1");
    assert!(said.contains("of the build\n") && !said.contains("of the team"), "{said}");
}

fn trust(stack: &Stack) {
    let name = ["cloudformation", "describe-stack-resources", "--stack-name", crate::STACK];
    let Some(made) = stack.aws_cli(&name) else { return };
    let made = made["StackResources"].as_array().unwrap();
    let status_of = |logical: &str| {
        let role = made.iter().find(|one| one["LogicalResourceId"] == logical).unwrap();
        let role = format!("arn:aws:iam::000000000000:role/{}", role["PhysicalResourceId"].as_str().unwrap());
        stack.assume_as_the_endpoint_does(&role)
    };
    assert_eq!((status_of("BuildRole"), status_of("LaunchRole")), (200, 403));
}

fn logs(stack: &Stack, image: &str) -> String {
    String::from_utf8_lossy(&stack.goldsmith(&["logs", image, "--local"]).stdout).into_owned()
}

/// Asks the metadata whether the role has credentials, as `404` or `200`.
const ROLE: &str = r#"ask() {
  host=${AWS_EC2_METADATA_SERVICE_ENDPOINT#http://}
  exec 3<> "/dev/tcp/${host%:*}/${host#*:}"
  printf '%s HTTP/1.0\r\n%s\r\n\r\n' "$1" "$2" >&3
  cat <&3
}
role() {
  token=$(ask 'PUT /latest/api/token' 'x-aws-ec2-metadata-token-ttl-seconds: 60' | tail -n 1)
  ask 'GET /latest/meta-data/iam/security-credentials/' "x-aws-ec2-metadata-token: $token" | head -n 1 | cut -d ' ' -f 2
}
"#;

fn late(stack: &Stack) {
    put_parameter(stack, "/goldsmith/build/e2e/late", "worth the wait");
    let none = |word: &str| format!("{ROLE}test \"$(role)\" = 404 && echo {word}: none");
    let value = |word: &str| format!("echo '{word}: {{{{ aws:ssm:/goldsmith/build/e2e/late }}}}'");
    let (boot, first) = (none("booted"), value("first"));
    // The case takes them away once it has seen the first value.
    let taken = format!("{ROLE}until [ \"$(role)\" = 404 ]; do sleep 0.2; done");
    let steps = [("build", "None", boot.as_str()), ("build", "First", &first), ("build", "Taken", &taken)];
    let mut pipeline = Pipeline { regions: &["eu-west-1"], ..Pipeline::new("late-role", &steps) };
    pipeline.phases += "        - {name: Restart, action: Reboot}\n";
    let (reboot, second) = (none("restarted"), value("second"));
    let steps = [("build", "NoneAgain", reboot.as_str()), ("build", "Second", &second)];
    let rest = Pipeline::new("late-role", &steps).phases;
    pipeline.phases += rest.split_once("steps:\n").unwrap().1;
    let seen = |words: &str| stack.wait_for(words, || logs(stack, "late-role/1.0.0/1").contains(words).then_some(()));
    let after = |seconds: u32| stack.set(&json!({"credentialsAfter": seconds}));
    after(300);
    let (built, ()) = stack.build_meanwhile(pipeline.write().path(), || {
        seen("booted: none\n");
        after(0);
        seen("first: worth the wait\n");
        after(300);
        seen("restarted: none\n");
        after(0);
    });
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let said = logs(stack, built.image());
    assert!(said.contains("second: worth the wait\n"), "{said}");
}
