//! What a policy for vulnerabilities lets through, by advisories that are in the stack's bucket.

use goldsmith_store::ImageStatus;
use serde_json::{Value, json};

use super::Case;
use super::failures::{assert_nothing_left, fail};
use super::problems::assert_refused;
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] =
    &[("a_vulnerable_image_is_neither_distributed_nor_published_until_it_is_waived", judged)];

/// Makes and installs a package that an advisory names.
const GREETER: &str = "mkdir -p /tmp/greeter/DEBIAN
printf 'Package: greeter\\nVersion: 1.0-1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' > /tmp/greeter/DEBIAN/control
dpkg-deb --root-owner-group --build /tmp/greeter /tmp/greeter.deb > /dev/null
dpkg -i /tmp/greeter.deb > /dev/null";
/// No component has a test, so the test instance exists for the judgement alone.
const POLICY: &str = "vulnerabilityPolicy: {severity: critical}\n";

/// The judgement of an image, as `goldsmith advisories` shows it, and its exit code.
fn judgement(stack: &Stack, image: &str) -> (Option<i32>, Value) {
    let said = stack.goldsmith(&["advisories", image, "--local", "--output", "json"]);
    let judgement = serde_json::from_slice(&said.stdout);
    (said.status.code(), judgement.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&said.stderr))))
}

/// A folder with an advisory about the package.
fn advisories() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let range = json!({"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-2"}]});
    let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "greeter"}, "ranges": [range]}]);
    let severity = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]);
    let advisory = json!({"id": "DSA-1-1", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-0001"],
                          "affected": affected, "severity": severity});
    std::fs::write(folder.path().join("DSA-1-1.json"), advisory.to_string()).unwrap();
    folder
}

fn judged(stack: &Stack) {
    let pipeline = |more: &'static str| Pipeline {
        regions: &["eu-west-1", "us-east-1"],
        more,
        ..Pipeline::new("judged", &[("build", "Install", GREETER)])
    };
    // This is the only case that uploads advisories.
    assert_refused(&stack.build(pipeline(POLICY).write().path()), &["advisories-unusable"]);
    let advisories = advisories();
    let upload = ["advisories", "--upload", &advisories.path().display().to_string()];
    // Those who build do not choose by what they are judged.
    let denied = stack.goldsmith(&[&upload[..], &["--local"]].concat());
    assert!(String::from_utf8_lossy(&denied.stderr).contains("s3:PutObject"), "{denied:?}");
    let uploaded = stack.goldsmith_by_endpoint(&upload);
    assert!(uploaded.status.success(), "{}", String::from_utf8_lossy(&uploaded.stderr));

    let rejected = fail(stack, &pipeline(POLICY));
    let failure = rejected.failure.as_ref().unwrap();
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("JudgeTests", "Goldsmith.Vulnerable"));
    assert!(failure.message.contains("CVE-2026-0001 in greeter"), "{failure:?}");
    assert_nothing_left(stack, &rejected);
    let (exit, found) = judgement(stack, &rejected.image.to_string());
    assert_eq!((exit, &found["findings"][0]["id"]), (Some(1), &json!("CVE-2026-0001")), "{found}");

    let waived = "vulnerabilityPolicy: {severity: critical, waivers: [{id: CVE-2026-0001, package: greeter, until: 2999-12-31, \
                  reason: It greets nobody.}]}\n";
    let built = stack.build(pipeline(waived).write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    assert!(built.progress.contains("1 vulnerability, which does not count"), "{}", built.progress);
    let (exit, found) = judgement(stack, built.image());
    assert_eq!((exit, &found["findings"][0]["outcome"]), (Some(0), &json!("waived")));
    let image = stack.image(built.image());
    assert_eq!((image.status, image.amis.len()), (ImageStatus::Available, 2));

    // What the parent already has is not new in the child.
    let child = Pipeline {
        source: "pipeline:judged",
        ..Pipeline::quick("judged-child", "vulnerabilityPolicy: {severity: critical, onlyNew: true}\n")
    };
    let built = stack.build(child.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let (_, found) = judgement(stack, built.image());
    let finding = &found["findings"][0];
    assert_eq!((&finding["owner"], &finding["outcome"]), (&json!("parent"), &json!("inherited")), "{found}");
}
