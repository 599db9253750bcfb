//! Copies that another account owns: it has its own images, its own key, and the role of `infra/target-account.yaml`.

use std::collections::BTreeMap;

use goldsmith_store::OwnedCopy;
use serde_json::{Value, json};

use super::Case;
use crate::definitions::{self, Pipeline};
use crate::inventory::Resource;
use crate::stack::{SHOWN, Stack};

pub(super) const CASES: &[(&str, Case)] = &[("another_account_owns_its_copy_of_an_image", owned)];

/// The other account.
const ACCOUNT: &str = "222233334444";
const REGION: &str = "eu-west-1";
/// What the account deploys.
const TEMPLATE: &str = include_str!("../../../../infra/target-account.yaml");

fn owned(stack: &Stack) {
    let pipeline = Pipeline::quick("owned", "").text();
    let key = hand_over_key(stack);
    let region = format!("  - region: {REGION}\n");
    let ami = format!("{{amiTags: {{team: web}}, targetAccounts: [{{account: \"{ACCOUNT}\", kmsKey: {key}}}]}}");
    let text = pipeline.replace(&region, &format!("{region}    amiDistributionConfiguration: {ami}\n"));
    let folder = definitions::folder(&text);

    let own = text.replace("targetAccounts: [", "targetAccounts: [{account: \"000000000000\"}, ");
    let refused = stack.build(definitions::folder(&own).path());
    assert_eq!((refused.exit, refused.json["failure"]["state"].as_str()), (2, Some("Plan")), "{refused:?}");
    let message = refused.json["failure"]["message"].as_str().unwrap();
    for problem in ["target-account-own", "target-account-closed"] {
        assert!(message.contains(&format!("({problem}, `")), "{message}");
    }

    if !open_account(stack) {
        return;
    }
    let role = format!("arn:aws:iam::{ACCOUNT}:role/{}-target-{REGION}", stack.name());
    assert_eq!(stack.assume_as_the_endpoint_does(&role), 403, "it trusts roles of the stack only");
    let built = stack.build(folder.path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    let [OwnedCopy { account, region, ami }] = &image.copies[..] else { panic!("{image:?}") };
    assert_eq!((account.as_str(), region.as_str()), (ACCOUNT, REGION));

    // The tag that says so is written after the end of the execution.
    let is_published = |one: &Resource| one.tags.get("goldsmith:status").is_some_and(|status| status == "published");
    let left = stack.wait_for("the status of every copy", || {
        let left = stack.left_of(built.build());
        left.images.iter().chain(&left.snapshots).all(is_published).then_some(left)
    });
    let by_account = |found: &[Resource]| -> BTreeMap<String, Resource> {
        found.iter().map(|one| (one.account.clone(), one.clone())).collect()
    };
    assert_eq!(left.counts(), (0, 2, 2), "{left:?}");
    let (images, snapshots) = (by_account(&left.images), by_account(&left.snapshots));
    let (own, theirs) = (&images["000000000000"], &images[ACCOUNT]);
    assert_eq!((&own.id, &theirs.id), (&image.amis[REGION], ami));
    assert_eq!(theirs.tags["team"], "web");
    assert_eq!(own.tags, theirs.tags, "a copy has the tags of its original");
    assert_eq!(own.shared_with, [""; 0], "only the copy has needed the permission");
    assert!(!snapshots["000000000000"].encrypted && snapshots[ACCOUNT].encrypted, "{snapshots:?}");
    check_copies(stack, &role, &image.amis[REGION], &image.source_image);
    let theirs = stack.aws_cli_as(ACCOUNT, &["ec2", "describe-images", "--owners", "self"]).unwrap();
    assert_eq!((&theirs["Images"][0]["ImageId"], &theirs["Images"][0]["ImdsSupport"]), (&json!(ami), &json!("v2.0")));

    let deleted = stack.goldsmith_by_endpoint(&["delete", built.image(), "--yes"]);
    let text = String::from_utf8_lossy(&deleted.stdout).into_owned();
    assert!(deleted.status.success() && text.contains(&format!("{ami}  account {ACCOUNT} owns this copy")), "{text}");
    let left = stack.left_of(built.build());
    assert_eq!((left.images[0].id.as_str(), left.counts()), (ami.as_str(), (0, 1, 1)), "{left:?}");
}

/// Checks that the policy of the role allows copies only of the stack's account, and only with the stack's tags.
fn check_copies(stack: &Stack, role: &str, original: &str, public: &str) {
    let cli = |arguments: &[&str]| stack.aws_cli_as(ACCOUNT, arguments).unwrap();
    let name = role.rsplit_once('/').unwrap().1;
    let policy =
        cli(&["iam", "get-role-policy", "--role-name", name, "--policy-name", "copy"])["PolicyDocument"].clone();
    // The role itself trusts the stack's functions only.
    let trusts = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}]});
    cli(&["iam", "create-role", "--role-name", "like-it", "--assume-role-policy-document", &trusts.to_string()]);
    let put = ["iam", "put-role-policy", "--role-name", "like-it", "--policy-name", "copy", "--policy-document"];
    cli(&[&put[..], &[&policy.to_string()]].concat());
    let like_it = format!("arn:aws:iam::{ACCOUNT}:role/like-it");
    let session =
        cli(&["sts", "assume-role", "--role-arn", &like_it, "--role-session-name", "e2e"])["Credentials"].clone();
    let key = |name: &str| session[name].as_str().unwrap();
    let keys = [
        ("AWS_ACCESS_KEY_ID", key("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", key("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", key("SessionToken")),
    ];
    let error = |image: &str, stack_tag: &str| {
        let tags = format!("{{Key=goldsmith:stack,Value={stack_tag}}},{{Key=goldsmith:home,Value={REGION}}}");
        let specification = format!("ResourceType=image,Tags=[{tags}]");
        let copy = ["ec2", "copy-image", "--source-region", REGION, "--name", "taken", "--source-image-id", image];
        let answer = stack.aws_cli_with(&keys, &[&copy[..], &["--tag-specifications", &specification]].concat());
        answer.unwrap().expect_err("the copy")
    };
    for (image, tag) in [(public, stack.name()), (original, "another")] {
        let error = error(image, tag);
        assert!(error.contains("(UnauthorizedOperation)") && error.contains("CopyImage"), "{image} {tag}: {error}");
    }
    // The original is not shared any more. The policy would allow the copy.
    let missing = error(original, stack.name());
    assert!(missing.contains("(InvalidAMIID.NotFound)"), "{missing}");
}

/// Gives the other account a key of its own. Returns its ARN.
fn hand_over_key(stack: &Stack) -> String {
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab");
    let key = json!({"account": ACCOUNT, "region": REGION, "kmsKeys": [{"arn": arn}]});
    ureq::post(stack.admin("resources")).header(SHOWN, stack.secret()).send(key.to_string()).unwrap();
    arn
}

/// Deploys the role in the other account. Returns false where the AWS CLI is not to be had.
fn open_account(stack: &Stack) -> bool {
    let describe = |root: &str, name: &str| {
        Some(stack.aws_cli_as(root, &["cloudformation", "describe-stacks", "--stack-name", name])?["Stacks"][0].clone())
    };
    let root = stack.description()["accessKey"].as_str().unwrap();
    let Some(own) = describe(root, stack.name()) else { return false };
    let outputs = own["Outputs"].as_array().unwrap();
    let trust = outputs.iter().find(|one| one["OutputKey"] == "TargetAccountTrust").unwrap();
    let parameter = |key: &str, value: &Value| json!({"ParameterKey": key, "ParameterValue": value});
    let parameters = json!([
        parameter("StackName", &json!(stack.name())),
        parameter("HomeRegion", &json!(REGION)),
        parameter("TrustedRoleArns", &trust["OutputValue"]),
    ]);
    let create = ["cloudformation", "create-stack", "--stack-name", "target", "--template-body", TEMPLATE];
    let more = ["--capabilities", "CAPABILITY_NAMED_IAM", "--parameters", &parameters.to_string()];
    stack.aws_cli_as(ACCOUNT, &[&create[..], &more].concat()).unwrap();
    stack.wait_for("the role in the other account", || {
        let status = describe(ACCOUNT, "target")?["StackStatus"].clone();
        assert!(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].iter().any(|one| status == *one), "{status}");
        (status == "CREATE_COMPLETE").then_some(())
    });
    true
}
