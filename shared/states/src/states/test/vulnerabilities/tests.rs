//! Tests of the policy for vulnerabilities: what is judged, against what, and what a rejected build leaves.

use goldsmith_cloud::fake::{Fault, HOME, Outcome};
use goldsmith_cloud::{Kind, Tags};
use goldsmith_contents::{CONTENTS_VERSION, Contents, pack};
use goldsmith_model::{Severity, Threshold, VulnerabilityPolicy, Waiver};
use goldsmith_store::{ImageStatus, StateStatus};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::testing::{BUILD, Stack, Task, check_state_on, good, whole_build};
use crate::{ErrorInfo, State, TAG_HOME, TAG_IMAGE, TAG_STACK};

const VULNERABLE: &str = "3.0.11-1~deb12u2";
const FIXED: &str = "3.0.11-1~deb12u3";

/// The contents of a machine with Debian 12 and this version of OpenSSL, as they are stored.
fn contents(version: &str) -> Vec<u8> {
    let openssl = json!({"type": "deb", "name": "openssl", "version": version, "arch": "amd64",
                         "purl": format!("pkg:deb/debian/openssl@{version}"), "locations": ["/var/lib/dpkg/status"]});
    let os = json!({"id": "debian", "versionId": "12", "versionCodename": "bookworm", "prettyName": "Debian 12"});
    let contents = json!({"version": CONTENTS_VERSION, "os": os, "packages": [openssl]});
    pack(&serde_json::from_value::<Contents>(contents).unwrap()).unwrap()
}

/// An advisory about OpenSSL, which is fixed in [`FIXED`].
fn advisory() -> Vec<u8> {
    let range = json!({"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": FIXED}]});
    let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": [range]}]);
    let severity = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]);
    let advisory = json!({"id": "DSA-5764-1", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-6119"],
                          "affected": affected, "severity": severity});
    serde_json::to_vec(&advisory).unwrap()
}

/// A stack with the advisory, whose pipeline has this policy.
async fn with_policy(policy: VulnerabilityPolicy) -> Stack {
    let stack = Stack::new().await;
    stack.cloud.cloud().objects.put("advisories/DSA-5764-1.json", advisory()).await.unwrap();
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.vulnerability_policy = Some(policy);
    stack.put_pipeline(web).await;
    stack
}

/// Runs a build up to its judgement. Its test instance reports contents with this version of OpenSSL.
async fn until_judged(stack: &Stack, build: &str, version: &str) {
    for task in whole_build().iter().take_while(|task| task.state != State::JudgeTests) {
        if task.state == State::ExecuteTest {
            let stored = contents(version);
            let digest = hex::encode(Sha256::digest(&stored));
            stack.cloud.cloud().objects.put(&format!("contents/{build}.json.gz"), stored).await.unwrap();
            let result = json!({"status": "success", "contents": {"sha256": digest, "bytes": 7, "packages": 1}});
            stack.cloud.next_command(Outcome::success(&result.to_string()));
        }
        stack.run_as(build, task).await.unwrap();
    }
}

async fn judged(policy: VulnerabilityPolicy, version: &str) -> (Stack, Result<Value, ErrorInfo>) {
    let stack = with_policy(policy).await;
    until_judged(&stack, BUILD, version).await;
    let ended = stack.run(&good(State::JudgeTests)).await;
    (stack, ended)
}

async fn detail(stack: &Stack, build: &str) -> String {
    stack.store().state(build, &State::JudgeTests.into()).await.unwrap().unwrap().detail
}

fn judgement(stack: &Stack, build: &str) -> Value {
    serde_json::from_slice(&stack.cloud.object(&format!("judgements/{build}.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_counting_vulnerability_ends_the_build_before_anything_is_distributed() {
    let (stack, ended) = judged(VulnerabilityPolicy::default(), VULNERABLE).await;
    let error = ended.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Vulnerable");
    let cause = error.failure(&Task::new(State::JudgeTests).scope());
    assert_eq!(
        cause.message,
        "the vulnerabilityPolicy rejects the image: The policy counts a critical vulnerability: CVE-2026-6119 in openssl."
    );
    assert!(cause.last_lines.iter().any(|line| line.contains("CVE-2026-6119") && line.contains(FIXED)), "{cause:?}");
    assert_eq!(judgement(&stack, BUILD)["allowed"], json!(false));
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    assert_eq!(stack.image().await.status, ImageStatus::Failed);
}

#[tokio::test]
async fn an_image_without_a_counting_vulnerability_goes_on() {
    let (stack, ended) = judged(VulnerabilityPolicy::default(), FIXED).await;
    ended.unwrap();
    assert_eq!(detail(&stack, BUILD).await, "1 of 1 tests succeeded; no vulnerability");
    let waiver = |until: &str| Waiver {
        id: "CVE-2026-6119".to_owned(),
        package: None,
        until: until.parse().unwrap(),
        reason: "The server is not used.".to_owned(),
    };
    // The stack's day is 2026-11-24.
    for (until, is_allowed) in [("2026-11-24", true), ("2026-11-23", false)] {
        let policy = VulnerabilityPolicy { waivers: vec![waiver(until)], ..VulnerabilityPolicy::default() };
        let (stack, ended) = judged(policy, VULNERABLE).await;
        assert_eq!(ended.is_ok(), is_allowed, "{until}: {ended:?}");
        assert_eq!(judgement(&stack, BUILD)["allowed"], json!(is_allowed));
    }
    let never = VulnerabilityPolicy { severity: Threshold::Never, ..VulnerabilityPolicy::default() };
    let (stack, ended) = judged(never, VULNERABLE).await;
    ended.unwrap();
    let said = "1 of 1 tests succeeded; 1 vulnerability, which does not count";
    assert_eq!(detail(&stack, BUILD).await, said);
    let without = Stack::new().await;
    for task in whole_build().iter().take_while(|task| task.state != State::DistributeRegion) {
        without.run(task).await.unwrap();
    }
    assert_eq!(detail(&without, BUILD).await, "1 of 1 tests succeeded");
    assert_eq!(without.cloud.object(&format!("judgements/{BUILD}.json")), None, "it has no policy");
}

#[tokio::test]
async fn what_the_parent_has_is_known_by_the_images_record_and_not_by_its_tags() {
    let only_new = VulnerabilityPolicy { only_new: true, ..VulnerabilityPolicy::default() };
    let stack = with_policy(VulnerabilityPolicy { severity: Threshold::Never, ..only_new.clone() }).await;
    until_judged(&stack, "parent", VULNERABLE).await;
    for task in whole_build().iter().skip_while(|task| task.state != State::JudgeTests) {
        stack.run_as("parent", task).await.unwrap();
    }
    let parent = stack.store().image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap();
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.vulnerability_policy = Some(only_new);
    stack.put_pipeline(web).await;

    // A parameter names it, as a team's recipe does.
    stack.point_source_to(&parent.amis[HOME]).await;
    until_judged(&stack, "child", VULNERABLE).await;
    stack.run_as("child", &good(State::JudgeTests)).await.unwrap();
    let inherited = judgement(&stack, "child");
    assert_eq!((&inherited["allowed"], &inherited["findings"][0]["new"]), (&json!(true), &json!(false)));
    for task in whole_build().iter().skip_while(|task| task.state != State::DistributeRegion) {
        stack.run_as("child", task).await.unwrap();
    }
    // Whoever tests the child later compares it with the same parent.
    let child = stack.store().image(&"web/1.0.0/2".parse().unwrap()).await.unwrap().unwrap();
    let from = json!({"pipeline": "web", "from": {"at": "test", "image": child.amis[HOME]}});
    stack.run_as("verifies", &Task { input: Some(from), ..Task::new(State::Plan) }).await.unwrap();
    let parent_of = async |build: &str| {
        let record = stack.store().build(build).await.unwrap().unwrap();
        record.plan.vulnerabilities.unwrap().parent.unwrap()
    };
    assert_eq!(parent_of("verifies").await, parent_of("child").await);
    let stopped = ErrorInfo { error: "States.Timeout".to_owned(), cause: String::new() };
    let ended = Task { error: Some(stopped), ..Task::new(State::FinishFailed) };
    stack.run_as("verifies", &ended).await.unwrap();

    let config = stack.context().config;
    let forged: Tags = [(TAG_STACK, config.stack.as_str()), (TAG_HOME, HOME), (TAG_IMAGE, "web/1.0.0/1")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let claims = stack.cloud.add_image(HOME, goldsmith_cloud::fake::ACCOUNT, "claims");
    stack.cloud.cloud().images.tag(HOME, std::slice::from_ref(&claims), &forged).await.unwrap();
    stack.point_source_to(&claims).await;
    until_judged(&stack, "claimed", VULNERABLE).await;
    let error = stack.run_as("claimed", &good(State::JudgeTests)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Vulnerable");
}

#[tokio::test]
async fn what_cannot_be_compared_is_not_published() {
    let stack = with_policy(VulnerabilityPolicy::default()).await;
    let key = format!("contents/{BUILD}.json.gz");
    until_judged(&stack, BUILD, FIXED).await;
    let objects = stack.cloud.cloud().objects;
    objects.put(&key, contents(VULNERABLE)).await.unwrap();
    let error = stack.run(&good(State::JudgeTests)).await.unwrap_err();
    assert!(error.cause.contains("was changed after the contents were collected"), "{error:?}");

    let silent = with_policy(VulnerabilityPolicy::default()).await;
    for before in whole_build().iter().take_while(|before| before.state != State::JudgeTests) {
        silent.run(before).await.unwrap();
    }
    let error = silent.run(&good(State::JudgeTests)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Vulnerable");
    assert!(error.cause.contains("its test instance has not reported them"), "{error:?}");

    let uncovered = with_policy(VulnerabilityPolicy::default()).await;
    until_judged(&uncovered, BUILD, FIXED).await;
    uncovered.cloud.cloud().objects.put("advisories/DSA-5764-1.json", b"{}".to_vec()).await.unwrap();
    let error = uncovered.run(&good(State::JudgeTests)).await.unwrap_err();
    assert!(error.cause.contains("has no advisories for Debian 12"), "{error:?}");
}

#[tokio::test]
async fn a_failed_read_of_the_bucket_is_retried_or_named() {
    for call in ["ListObjectsV2", "GetObject"] {
        let stack = with_policy(VulnerabilityPolicy::default()).await;
        until_judged(&stack, BUILD, FIXED).await;
        stack.cloud.fail_next(call, Fault::Refuse(Kind::Throttled));
        stack.run(&good(State::JudgeTests)).await.unwrap();

        let stack = with_policy(VulnerabilityPolicy::default()).await;
        until_judged(&stack, BUILD, FIXED).await;
        stack.cloud.fail_always(call, HOME, Fault::Refuse(Kind::Denied));
        let error = stack.run(&good(State::JudgeTests)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.AwsRefused", "{call}");
        let state = stack.store().state(BUILD, &State::JudgeTests.into()).await.unwrap().unwrap();
        assert_eq!(state.status, StateStatus::Failed);
    }
}

#[tokio::test]
async fn the_judgement_survives_every_fault() {
    let new = async || {
        let stack = with_policy(VulnerabilityPolicy {
            severity: Threshold::At(Severity::Critical),
            ..VulnerabilityPolicy::default()
        })
        .await;
        let stored = contents(FIXED);
        let digest = hex::encode(Sha256::digest(&stored));
        stack.cloud.cloud().objects.put(&format!("contents/{BUILD}.json.gz"), stored).await.unwrap();
        // Each command of the build reports the contents, of which only the test's count.
        let result = json!({"status": "success", "contents": {"sha256": digest, "bytes": 7, "packages": 1}});
        for _ in 0..3 {
            stack.cloud.next_command(Outcome::success(&result.to_string()));
        }
        stack
    };
    check_state_on(new, good(State::JudgeTests), &["PutObject"]).await;
}
