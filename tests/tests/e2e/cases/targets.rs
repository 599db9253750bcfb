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
    let theirs = stack.aws_cli_as(ACCOUNT, &["ec2", "describe-images", "--owners", "self"]).unwrap();
    assert_eq!((&theirs["Images"][0]["ImageId"], &theirs["Images"][0]["ImdsSupport"]), (&json!(ami), &json!("v2.0")));

    let deleted = stack.goldsmith_by_endpoint(&["delete", built.image(), "--yes"]);
    let text = String::from_utf8_lossy(&deleted.stdout).into_owned();
    assert!(deleted.status.success() && text.contains(&format!("{ami}  account {ACCOUNT} owns this copy")), "{text}");
    let left = stack.left_of(built.build());
    assert_eq!((left.images[0].id.as_str(), left.counts()), (ami.as_str(), (0, 1, 1)), "{left:?}");
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
