//! Tests of what `goldsmith show` says about images and builds.

mod since;

use std::fs;
use std::path::Path;

use goldsmith_model::definitions::{Draft, SourceFile};
use goldsmith_store::{LeftBehind, Leftover};
use serde_json::json;

use super::{Shown, image, target};
use crate::kept::KeptInstance;
use crate::output::Show;
use crate::testing::{FAILURES, Stack, globals};

#[tokio::test]
async fn a_build_that_waits_for_room_is_shown_with_its_place_and_then_with_the_time() {
    let stack = Stack::new();
    stack.open_build("e").await;
    let since = "2026-01-01T00:00:01.000Z";
    let mut state = json!({"state": "Launch", "status": "RUNNING", "startedAt": since, "detail": "no room",
                           "waitsFor": format!("room#line#201#{since}")});
    stack.put("BUILD#b", "STATE#Launch", state.clone()).await;
    for (build, place) in [("a", "line#200#2026-01-01T00:05:00.000Z"), ("b", "line#201#2026-01-01T00:00:01.000Z")] {
        let wait = json!({"resource": format!("room#{place}"), "region": "eu-west-1", "build": build, "state": "Launch",
                          "token": "t", "owner": "launch", "deadline": since, "nextLook": since});
        stack.put("WAIT#room", &format!("{place}#{build}#Launch"), wait).await;
    }
    let shown = image(&stack.connection, "web/1.0.0/1").await.unwrap();
    let lines = shown.lines(&globals("")).join("\n");
    assert!(lines.contains("room      waits for an instance: 2 of 2, since 2026-01-01T00:00:01Z\n"), "{lines}");
    let printed = serde_json::to_value(&shown).unwrap();
    assert_eq!(printed["waitsForRoom"], json!({"build": "b", "since": "2026-01-01T00:00:01Z", "position": 2, "of": 2}));
    assert!(!printed.to_string().contains("room#"), "{printed}");
    state["waitsFor"] = json!("i-1");
    state["waitedForRoom"] = json!(750);
    state["detail"] = json!("i-1 is online");
    stack.put("BUILD#b", "STATE#Launch", state).await;
    let lines = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
    assert!(lines.ends_with("Launch  RUNNING    i-1 is online (it waited 12m 30s for room)"), "{lines}");
    assert!(!lines.contains("waits for an instance"), "{lines}");
}

#[tokio::test]
async fn a_failed_image_is_shown_with_its_cause_and_states() {
    let stack = Stack::new();
    let failure = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "step Install failed",
                         "step": "Install", "exitCode": 1});
    stack.closed_build(json!({"status": "FAILED", "failure": failure, "endedAt": "2026-01-01T00:01:00.000Z"})).await;
    stack.state("Build", "FAILED", "step Install failed").await;
    let shown = image(&stack.connection, "web/1.0.0/1").await.unwrap();
    let expected = "\
image   web/1.0.0/1
status  FAILED
failed  Build: step Install failed

What helps:
  - Read the output of the steps, correct what it names, and start a new build.

Next:
  goldsmith logs b --step Install
  goldsmith report web/1.0.0/1

pipeline  web
started   by hand
source    ami-0
build     b
began     2026-01-01T00:00:00.000Z
ended     2026-01-01T00:01:00.000Z
left      i-1 in us-east-1: TerminateInstances in us-east-1 failed: UnauthorizedOperation: no
not ours  image ami-9 in us-east-1 has this build's tags, but no record shows that the build made
          it; found 2026-01-02T00:00:00.000Z
step      Install
error     Goldsmith.CommandFailed

Build  FAILED  2.0s  failed, see above";
    let reason = "TerminateInstances in us-east-1 failed: UnauthorizedOperation: no".to_owned();
    let left_behind = vec![LeftBehind { what: "i-1".to_owned(), region: "us-east-1".to_owned(), reason }];
    let stranger = json!({"kind": "image", "id": "ami-9", "region": "us-east-1", "build": "b",
                          "since": "2026-01-02T00:00:00.000Z"});
    let leftovers: Vec<Leftover> = vec![serde_json::from_value(stranger).unwrap()];
    let shown = Shown { left_behind, leftovers, ..shown };
    assert_eq!(shown.lines(&globals("")).join("\n"), expected);
    let until = "2026-01-01T04:00:00.000Z".to_owned();
    let kept = Some(KeptInstance { id: "i-1".to_owned(), region: "eu-west-1".to_owned(), until });
    let table = "kept      i-1 in eu-west-1 until 2026-01-01T04:00:00.000Z\n\
                 get in    aws --region eu-west-1 ssm start-session --target i-1\nleft  ";
    let shown = Shown { kept, ..shown };
    assert_eq!(shown.lines(&globals("")).join("\n"), expected.replace("left  ", table));
}

/// After an intended change, run the test with `GOLDSMITH_WRITE_EXPECTED=1`, and look at the texts before you commit them.
#[tokio::test]
async fn each_failure_is_explained_as_expected() {
    for name in FAILURES {
        let stack = Stack::with_failure(name).await;
        let text = image(&stack.connection, "web/1.0.0/2").await.unwrap().lines(&globals("")).join("\n") + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command/show/expected").join(format!("{name}.txt"));
        if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(text == expected, "{name}.txt differs: GOLDSMITH_WRITE_EXPECTED=1 writes it anew\n{text}");
        let is_wide =
            |line: &&str| line.chars().count() > 100 && !line.starts_with("  | ") && !line.starts_with("  goldsmith");
        assert_eq!(text.lines().find(is_wide), None, "{name}");
    }
}

#[tokio::test]
async fn a_verification_is_shown_as_a_run_that_has_tested_an_ami() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "VERIFIED", "isVerification": true})).await;
    let text = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
    assert!(text.starts_with("run       web/1.0.0/1\nstatus    VERIFIED\n"), "{text}");
    assert!(text.contains("\ntested    ami-0\n") && !text.contains("source"), "{text}");
}

#[tokio::test]
async fn a_cancelled_build_does_not_read_like_a_failure() {
    let stack = Stack::new();
    let stopped = "the execution was stopped";
    let failure = json!({"state": "Execution", "error": "Execution.ABORTED", "message": stopped});
    stack.closed_build(json!({"status": "CANCELLED", "failure": failure})).await;
    stack.state("Launch", "SUCCEEDED", "i-1").await;
    stack.state("Build", "FAILED", stopped).await;
    let text = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
    let ending = "\
began      2026-01-01T00:00:00.000Z
cancelled  the execution was stopped

Build   CANCELLED  2.0s  the execution was stopped
Launch  SUCCEEDED  2.0s  i-1";
    assert!(text.ends_with(ending) && !text.to_lowercase().contains("fail"), "{text}");
}

#[tokio::test]
async fn what_the_audit_of_an_image_has_found_is_shown() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "AVAILABLE"})).await;
    let finding = json!({"path": "/etc/bind/rndc.key", "kind": "package-secret", "what": "control key of BIND",
                         "package": "bind9", "remedy": "remove it"});
    let record = json!({"state": "ExecuteTest", "item": "t3.small", "status": "SUCCEEDED", "startedAt": "", "audit":
                        {"findings": [finding], "files": 9}});
    stack.put("BUILD#b", "STATE#ExecuteTest#t3.small", record).await;
    let shown = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
    assert!(shown.contains("audit     1 thing that every instance would share; 9 files were examined\n"), "{shown}");
    let table = "package-secret  /etc/bind/rndc.key  bind9    control key of BIND\n  remove it\n";
    assert!(shown.contains(table), "{shown}");
}

#[tokio::test]
async fn what_is_in_an_image_is_counted() {
    let stack = Stack::new();
    let contents = json!({"key": "contents/b.json.gz", "sha256": "00", "packages": 312, "files": 1});
    stack.closed_build(json!({"status": "AVAILABLE", "contents": contents})).await;
    let shown = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
    assert!(shown.ends_with("contents  312 packages, 1 file that no package owns"), "{shown}");
}

#[test]
fn show_says_whether_a_failed_build_is_retried() {
    let kept = |more: serde_json::Value| -> goldsmith_store::CauseRecord {
        let mut record = json!({"id": "a", "pipeline": "web", "status": "pending", "attempt": 2, "arrivedAt": "",
                                "cause": {"kind": "schedule", "scheduledTime": "2026-11-24T03:00:00Z"}});
        record.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        serde_json::from_value(record).unwrap()
    };
    for (more, expected) in [
        (json!({}), None),
        (json!({"notBefore": "2026-11-24T04:00:00.000Z"}), None),
        (
            json!({"failures": 1, "notBefore": "2026-11-24T04:00:00.000Z"}),
            Some("it will be retried at 2026-11-24T04:00:00.000Z"),
        ),
        (json!({"failures": 1, "status": "served"}), None),
        (
            json!({"failures": 4, "status": "served", "givenUp": true}),
            Some("it will not be retried: 4 builds for this cause have failed"),
        ),
    ] {
        assert_eq!(super::tried_again(&kept(more)).as_deref(), expected);
    }
}

#[tokio::test]
async fn an_image_is_found_by_its_build_and_a_missing_one_is_reported() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "AVAILABLE"})).await;
    let store = &stack.connection.store;
    assert_eq!(target::image_or_latest(store, "b").await.unwrap().image.to_string(), "web/1.0.0/1");
    let unknown = "there is no build `web`: name an image as NAME/VERSION/BUILD, or a build by its id";
    let copies = json!([{"account": "222233334444", "region": "eu-west-1", "ami": "ami-9"}]);
    stack.closed_build(json!({"status": "AVAILABLE", "copies": copies})).await;
    let shown = image(&stack.connection, "b").await.unwrap().lines(&globals("")).join("\n");
    assert!(shown.contains("copy      eu-west-1  ami-9  of account 222233334444"), "{shown}");
    for (text, message) in [
        ("web", unknown),
        ("web/1.0.0/2", "there is no image web/1.0.0/2"),
        ("web/1.0/2", "`1.0` is not a version: expected three numbers, such as 1.4.2"),
    ] {
        assert_eq!(target::image_or_latest(store, text).await.unwrap_err().to_string(), message);
    }
}

#[tokio::test]
async fn a_name_of_a_pipeline_is_no_build_and_a_similar_one_is_suggested() {
    let stack = Stack::new();
    let store = &stack.connection.store;
    let text = "kind: ImagePipeline\nname: gateway\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n";
    let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
    let definitions = Draft::read(&files, &|_| Ok(String::new())).check_alone().unwrap();
    store.apply(&definitions).await.unwrap();
    let wanted = "name an image as NAME/VERSION/BUILD, or a build by its id";
    for (text, message) in [
        ("gateway", format!("`gateway` is a pipeline: {wanted}")),
        ("gatewy", format!("there is no build `gatewy`: {wanted}; did you mean the pipeline `gateway`?")),
    ] {
        assert_eq!(target::image_or_latest(store, text).await.unwrap_err().to_string(), message);
    }
}
