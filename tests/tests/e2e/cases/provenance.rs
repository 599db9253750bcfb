//! Signed images: what is signed, and what `goldsmith verify` finds.

use std::process::Output;

use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use goldsmith_model::State;
use serde_json::{Value, json};

use super::Case;
use super::problems::assert_refused;
use super::rules::{kms, make_key};
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] =
    &[("an_image_is_signed_and_a_flipped_bit_of_its_encrypted_copy_is_named", signed)];

const HOME: &str = "eu-west-1";
const AWAY: &str = "us-east-1";
const ALIAS: &str = "alias/e2e-golden";

/// A key for signatures, with an alias; its id.
fn signing_key(stack: &Stack) -> String {
    let create = kms(stack, HOME).create_key().key_usage(KeyUsageType::SignVerify).key_spec(KeySpec::EccNistP256);
    let id = stack.block_on(create.send()).unwrap().key_metadata.unwrap().key_id;
    let alias = kms(stack, HOME).create_alias().alias_name(ALIAS).target_key_id(&id);
    stack.block_on(alias.send()).unwrap();
    id
}

/// A pipeline that signs, whose image is encrypted with one key, and whose copy, which begins before the tests, with
/// another.
fn pipeline(home: &str, copy: &str) -> tempfile::TempDir {
    let signing = "signingKey: alias/e2e-golden\n";
    let steps = [("build", "Write", "echo golden > /etc/golden"), ("test", "Read", "grep golden /etc/golden")];
    let text = Pipeline { more: signing, copies_with_tests: true, ..Pipeline::new("signed", &steps) }.text();
    let device = format!(
        "blockDeviceMappings:\n  - {{deviceName: /dev/xvda, ebs: {{encrypted: true, kmsKeyId: \"{home}\"}}}}\n"
    );
    let text = text.replacen("components:\n", &format!("{device}components:\n"), 1);
    let copied = format!("- region: {AWAY}\n    amiDistributionConfiguration: {{kmsKeyId: \"{copy}\"}}\n");
    folder(&text.replacen(&format!("- region: {AWAY}\n"), &copied, 1))
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn signed(stack: &Stack) {
    let key = signing_key(stack);
    let folder = pipeline(&make_key(stack, HOME), &make_key(stack, AWAY));
    // Without the stack's tag, any pipeline could use any key of the account.
    assert_refused(&stack.build(folder.path()), &["signing-key-unusable"]);
    let tag = Tag::builder().tag_key("goldsmith:stack").tag_value(stack.name()).build().unwrap();
    stack.block_on(kms(stack, HOME).tag_resource().key_id(&key).tags(tag).send()).unwrap();
    // Who only builds may see in a plan that the key can sign.
    let planned = stack.goldsmith(&["plan", &folder.path().display().to_string(), "--local"]);
    let told = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert!(planned.status.success() && !told.contains("ListResourceTags"), "{told}");

    let built = stack.build(folder.path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    let provenance = image.provenance.clone().unwrap();
    assert!(provenance.signing_key.ends_with(&key), "{provenance:?}");
    let states = stack.block_on(stack.store().states(built.build())).unwrap();
    let began = |state: State| states.iter().find(|one| one.state == state).unwrap().started_at.clone();
    assert!(
        began(State::BeginCopies) < began(State::LaunchTest) && began(State::LaunchTest) < began(State::JudgeTests)
    );
    assert!(began(State::JudgeTests) < began(State::Attest) && began(State::Attest) < began(State::DistributeRegion));

    // Both AMIs have the same content, although they are encrypted differently.
    let verify = ["verify", built.image(), "--output", "json"];
    let verified = stack.goldsmith_by_endpoint(&verify);
    let found = json_of(&verified);
    assert_eq!((verified.status.code(), &found["verified"]), (Some(0), &json!(true)), "{found}");
    let regions: Vec<&str> =
        found["amis"].as_array().unwrap().iter().filter_map(|ami| ami["region"].as_str()).collect();
    assert_eq!(regions, [HOME, AWAY]);
    assert!(found["amis"][0]["volumes"][0]["presentBlocks"].as_u64().unwrap() > 50, "{found}");

    // Who only builds may check the signature, and may not read what is in images.
    let files = tempfile::tempdir().unwrap();
    let pem = files.path().join("key.pem");
    let person = |arguments: &[&str]| stack.goldsmith(&[arguments, &["--local"]].concat());
    let written = person(&["provenance", built.image(), "--format", "key", "--to", &pem.display().to_string()]);
    assert!(written.status.success(), "{written:?}");
    let with_key = ["verify", built.image(), "--public-key", &pem.display().to_string(), "--signature-only"];
    assert_eq!(person(&with_key).status.code(), Some(0));
    let unread = person(&["verify", built.image(), "--output", "json"]);
    let told = json_of(&unread);
    assert_eq!((unread.status.code(), &told["verified"]), (Some(1), &json!(false)), "{told}");
    assert!(told["amis"][0]["volumes"][0]["unread"].to_string().contains("ebs:ListSnapshotBlocks"), "{told}");
    // The digest is that of a short text, which anybody can compute.
    let content = stack.goldsmith_by_endpoint(&["provenance", built.image(), "--format", "content"]);
    let content = String::from_utf8(content.stdout).unwrap();
    let lines: Vec<&str> = content.lines().collect();
    let digest = found["amis"][0]["volumes"][0]["digest"].as_str().unwrap();
    assert_eq!(lines, ["goldsmith-image-v1", &format!("/dev/xvda {digest}")]);

    let snapshot = found["amis"][1]["volumes"][0]["snapshot"].as_str().unwrap();
    stack.flip_bit(snapshot, 1);
    let verified = stack.goldsmith_by_endpoint(&verify);
    let found = json_of(&verified);
    assert_eq!((verified.status.code(), &found["verified"]), (Some(1), &json!(false)), "{found}");
    let problem = found["amis"][1]["volumes"][0]["problem"].as_str().unwrap();
    assert!(problem.starts_with("1 block differs. The first is block 1,"), "{problem}");
    assert_eq!(found["amis"][0]["volumes"][0]["problem"], Value::Null);
}
