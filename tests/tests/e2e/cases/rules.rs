//! Builds under rules of EC2's that the defaults of the local AWS do not show.

use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::types::{InstanceStateName, InstanceType, ResourceType, Tag, TagSpecification};
use aws_sdk_kms::Client as Kms;
use goldsmith_model::State;
use goldsmith_store::{ImageStatus, Scope};
use serde_json::json;

use super::Case;
use crate::STACK;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

/// The account of the local AWS.
pub(super) const OWN: &str = "000000000000";
/// Id of a key of another account.
const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

pub(super) const CASES: &[(&str, Case)] = &[
    ("volumes_end_with_their_instances_and_other_volumes_stay", keeping_source),
    ("lookups_of_new_resources_that_are_not_known_yet_are_retried", unknown_for_a_while),
    ("an_image_is_encrypted_with_the_accounts_own_keys", own_keys),
    ("a_key_of_another_account_is_refused_until_the_stack_names_it", foreign_key),
];

/// Hands keys over; from then on their accounts have no others.
pub(super) fn hand_over(stack: &Stack, region: &str, account: &str, keys: &serde_json::Value) {
    stack.hand(&json!({"region": region, "account": account, "kmsKeys": keys}));
}

/// KMS in a Region.
pub(super) fn kms(stack: &Stack, region: &str) -> Kms {
    Kms::from_conf(aws_sdk_kms::config::Builder::from(stack.sdk()).region(Region::new(region.to_owned())).build())
}

/// Makes a key in KMS, and hands it over to EC2; its id.
pub(super) fn make_key(stack: &Stack, region: &str) -> String {
    let id = stack.block_on(kms(stack, region).create_key().send()).unwrap().key_metadata.unwrap().key_id;
    hand_over(stack, region, OWN, &json!([{"id": id}]));
    id
}

/// A pipeline whose root volume is encrypted with one key, and its copy in us-east-1 with another.
fn encrypted(name: &str, key: &str, copy: &str) -> tempfile::TempDir {
    let steps = [("build", "Nothing", "true"), ("test", "Nothing", "true")];
    let text = Pipeline { more: "imageTestsConfiguration: {spot: true}\n", ..Pipeline::new(name, &steps) }.text();
    let device =
        format!("blockDeviceMappings:\n  - {{deviceName: /dev/xvda, ebs: {{encrypted: true, kmsKeyId: \"{key}\"}}}}\n");
    let text = text.replacen("components:\n", &format!("{device}components:\n"), 1);
    let copied = format!("- region: us-east-1\n    amiDistributionConfiguration: {{kmsKeyId: \"{copy}\"}}\n");
    folder(&text.replacen("- region: us-east-1\n", &copied, 1))
}

fn own_keys(stack: &Stack) {
    let home = make_key(stack, "eu-west-1");
    hand_over(stack, "eu-west-1", OWN, &json!([{"alias": "alias/images", "id": home}]));
    let alias = kms(stack, "eu-west-1").create_alias().alias_name("alias/images").target_key_id(&home);
    stack.block_on(alias.send()).unwrap();
    let built = stack.build(encrypted("own-keys", "alias/images", &make_key(stack, "us-east-1")).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    // Nobody has granted the key to the role of EC2 Spot.
    let scope = Scope { state: State::LaunchTest, item: Some("t3.small".to_owned()) };
    let detail = stack.block_on(stack.store().state(built.build(), &scope)).unwrap().unwrap().detail;
    assert!(detail.ends_with("AWSServiceRoleForEC2Spot has no grant for the KMS key of a volume"), "{detail}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
}

fn foreign_key(stack: &Stack) {
    // Its policy lets this account use it: what lacks is the stack's own right.
    hand_over(stack, "eu-west-1", "111122223333", &json!([{"id": KEY, "grants": [OWN]}]));
    let key = format!("arn:aws:kms:eu-west-1:111122223333:key/{KEY}");
    let built = stack.build(encrypted("foreign-key", &key, &make_key(stack, "us-east-1")).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (1, Some("failed")), "{built:?}");
    let failure = stack.image(built.image()).failure.unwrap();
    let said = format!(
        "was terminated: Client.InternalError: Client error on launch. A possible cause is that EC2 is not allowed to use the \
         KMS key {key}: check that the key exists and is enabled, and that its policy lets this account use it. If the key \
         belongs to another account, the stack's parameter KmsKeyArns must list it"
    );
    assert!(failure.message.ends_with(&said), "{}", failure.message);
    assert_eq!(stack.left_of(built.build()).counts(), (0, 0, 0));
}

fn keeping_source(stack: &Stack) {
    let steps = [("build", "Write", "echo built > /etc/e2e-root"), ("test", "IsThere", "grep -x built /etc/e2e-root")];
    let source = "ssm:/aws/service/goldsmith-local/debian-12-sda1";
    let built = stack.build(Pipeline { source, ..Pipeline::new("keeping-source", &steps) }.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    // The first number counts volumes too: one would be the build's, one the test's.
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
    leave_volume(stack, built.build());
    assert_eq!(stack.left_of(built.build()).counts(), (1, 2, 2));
    // No build has launched with it: it stays, and says since when it is known.
    stack.invoke("reap", &json!({"sweep": true}));
    let left = stack.left_of(built.build());
    assert_eq!(left.counts(), (1, 2, 2));
    assert!(left.volumes[0].tags.contains_key("goldsmith:leftover-since"), "{left:?}");
}

/// Runs an instance whose volume outlives it and carries a build's tags.
fn leave_volume(stack: &Stack, build: &str) {
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let tags = [("goldsmith:build", build), ("goldsmith:stack", STACK), ("goldsmith:home", "eu-west-1")];
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
    let of_volumes =
        TagSpecification::builder().resource_type(ResourceType::Volume).set_tags(Some(tags.to_vec())).build();
    let launch = ec2
        .run_instances()
        .image_id("resolve:ssm:/aws/service/goldsmith-local/debian-12-sda1")
        .min_count(1)
        .max_count(1);
    let launch = launch.instance_type(InstanceType::T3Small).tag_specifications(of_volumes);
    let id = stack.block_on(launch.send()).unwrap().instances()[0].instance_id().unwrap().to_owned();
    let state = || {
        let found = stack.block_on(ec2.describe_instances().instance_ids(&id).send()).ok()?;
        found.reservations()[0].instances()[0].state()?.name().cloned()
    };
    stack.wait_for("the instance", || (state()? == InstanceStateName::Running).then_some(()));
    stack.block_on(ec2.terminate_instances().instance_ids(&id).send()).unwrap();
    stack.wait_for("its end", || (state()? == InstanceStateName::Terminated).then_some(()));
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
