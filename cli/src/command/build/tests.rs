//! Tests of starting, watching and ending builds, against a stack in memory.

use goldsmith_cloud::{Execution, ExecutionStatus, Executions};
use goldsmith_model::definitions::{Draft, SourceFile};
use goldsmith_model::{Cause, ExecutionInput, Name};
use serde_json::{Value, json};

use super::ending::Ending;
use super::{Detached, parse_parameter, start};
use crate::exit::Exit;
use crate::output::Show;
use crate::testing::{STATE_MACHINE, Stack, WEB, globals};
use crate::watch::{self, Display};

fn execution(status: ExecutionStatus, output: Option<Value>, failed: Option<(&str, &str)>) -> Execution {
    Execution {
        arn: "arn".to_owned(),
        name: "b".to_owned(),
        status,
        input: "{}".to_owned(),
        output: output.map(|output| output.to_string()),
        error: failed.map(|(error, _)| error.to_owned()),
        cause: failed.map(|(_, cause)| cause.to_owned()),
    }
}

#[tokio::test]
async fn a_start_during_a_freeze_is_warned() {
    let stack = Stack::new();
    stack
        .apply(&WEB.replace(
            "name: web, imageRecipe",
            "name: web, freeze: [{from: 2026-12-20, until: 2027-01-04}], imageRecipe",
        ))
        .await;
    let at = async |time: &str| {
        super::frozen(&stack.connection.store, &"web".parse().unwrap(), time.parse().unwrap()).await.unwrap()
    };
    let warning = "warning: pipeline `web` is frozen until 2027-01-04T00:00:00Z; a manual start builds anyway";
    assert_eq!(at("2026-12-24T00:00:00Z").await.as_deref(), Some(warning));
    assert_eq!(at("2027-01-04T00:00:00Z").await, None);
}

#[test]
fn a_folder_with_several_pipelines_needs_a_choice() {
    let pipeline = |name: &str| {
        format!("{{kind: ImagePipeline, name: {name}, imageRecipe: r01, infrastructureConfiguration: i01}}\n---\n")
    };
    let read = |names: &[&str]| {
        let text = names.iter().map(|name| pipeline(name)).collect();
        let files = [SourceFile { path: "f".to_owned(), text }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        draft.check_alone().unwrap()
    };
    let chosen = |names: &[&str], wanted: Option<&str>| {
        let wanted: Option<Name> = wanted.map(|name| name.parse().unwrap());
        super::chosen(&read(names), "folder", wanted.as_ref())
    };
    assert_eq!(chosen(&["one"], None).unwrap().as_str(), "one");
    assert_eq!(chosen(&["one", "two"], Some("two")).unwrap().as_str(), "two");
    for (names, wanted, message) in [
        (vec!["one", "two"], None, "folder has several pipelines: choose one with --pipeline: one, two"),
        (vec![], None, "folder has no pipeline to build"),
        (vec!["one"], Some("two"), "folder has no pipeline `two`: it has one"),
    ] {
        assert_eq!(chosen(&names, wanted).unwrap_err().to_string(), message);
    }
}

#[test]
fn parameters_name_their_component() {
    let (component, name, value) = parse_parameter("nginx.port=a.b=c").unwrap();
    assert_eq!((component.as_str(), name.as_str(), value.as_str()), ("nginx", "port", "a.b=c"));
    for wrong in ["nginx.port", "port=1", "n.port=1"] {
        assert!(parse_parameter(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_start_with_a_lost_answer_is_found_and_others_starts_are_left_alone() {
    let stack = Stack::new();
    stack.cloud.pace(|pace| pace.refuse_repeated_start = true);
    let input = |id: &str| ExecutionInput::new("web".parse().unwrap(), Cause::Manual { id: id.to_owned() });
    let first = start::start(&stack.connection, &input("1")).await.unwrap();
    assert!(first.name.starts_with("web-") && first.name.ends_with("-1"), "{}", first.name);
    let started = stack.cloud.execution(&first.arn).await.unwrap().unwrap();
    assert_eq!(started.input, r#"{"pipeline":"web","cause":{"kind":"manual","id":"1"}}"#);
    assert_eq!(start::start(&stack.connection, &input("1")).await.unwrap(), first);
    let mut other = input("1");
    other.reason = Some("another".to_owned());
    let second = start::start(&stack.connection, &other).await.unwrap();
    assert_eq!(second.name, first.name.replace("-1", "-2"));
    assert!(matches!((start::cause(), start::cause()), (Cause::Manual { id: a }, Cause::Manual { id: b }) if a != b));
}

#[tokio::test]
async fn a_detached_start_has_begun_once_its_build_is_known_or_has_ended_without_one() {
    let stack = Stack::new();
    let input = ExecutionInput::new("web".parse().unwrap(), Cause::Manual { id: "1".to_owned() });
    let build = start::start(&stack.connection, &input).await.unwrap();
    // Nothing of the build is known yet, and it ends without one while the command waits.
    let running = json!({"outcome": "already-running", "reason": "build b is running", "image": "web/1.0.0/1"});
    let refuse = async {
        tokio::task::yield_now().await;
        stack.cloud.edit_execution(&build.arn, |execution| {
            execution.status = ExecutionStatus::Succeeded;
            execution.output = Some(running.to_string());
        });
    };
    let (early, ()) = tokio::join!(start::ended_early(&stack.connection, &build), refuse);
    let ending = Ending::of(&stack.connection.store, &early.unwrap().unwrap()).await.unwrap();
    assert_eq!(serde_json::to_value(&ending).unwrap()["outcome"], "already-running");
    assert_eq!(ending.exit(), Exit::Failed);
    // A build that has a record has begun, even if it has ended since.
    stack.closed_build(json!({"status": "FAILED"})).await;
    let known = start::Build { name: "b".to_owned(), arn: build.arn.clone() };
    assert_eq!(start::ended_early(&stack.connection, &known).await.unwrap(), None);
}

#[tokio::test]
async fn watching_ends_with_the_execution_once_its_build_is_closed() {
    let stack = Stack::new();
    let arn = STATE_MACHINE.replace(":stateMachine:", ":execution:") + ":b";
    stack.cloud.start(STATE_MACHINE, "b", "{}").await.unwrap();
    stack.cloud.edit_execution(&arn, |execution| execution.status = ExecutionStatus::Aborted);
    stack.closed_build(json!({"status": "CANCELLED"})).await;
    let ended = watch::follow(&stack.connection, &arn, "b", &mut Display::Plain).await.unwrap();
    assert_eq!(ended.status, ExecutionStatus::Aborted);
}

#[tokio::test]
async fn a_built_image_is_told_with_its_amis() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "AVAILABLE", "amis": {"eu-west-1": "ami-1", "us-east-1": "ami-2"}})).await;
    let ended = execution(ExecutionStatus::Succeeded, Some(json!({"outcome": "built"})), None);
    let ending = Ending::of(&stack.connection.store, &ended).await.unwrap();
    assert_eq!(ending.exit(), Exit::Success);
    assert_eq!(
        ending.lines("goldsmith --local").join("\n"),
        "web/1.0.0/1 is available\n  eu-west-1  ami-1\n  us-east-1  ami-2"
    );
    assert_eq!(Show::lines(&ending, &globals("--local")), ending.lines("goldsmith --local"));
    assert!(ending.remarks(&globals("")).is_empty());
    let json = json!({"outcome": "built", "build": "b", "image": "web/1.0.0/1",
                      "amis": {"eu-west-1": "ami-1", "us-east-1": "ami-2"}});
    assert_eq!(serde_json::to_value(&ending).unwrap(), json);
}

#[tokio::test]
async fn a_verified_ami_is_told_and_one_that_failed_with_its_cause() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "VERIFIED", "isVerification": true})).await;
    let ended = execution(ExecutionStatus::Succeeded, Some(json!({"outcome": "verified"})), None);
    let ending = Ending::of(&stack.connection.store, &ended).await.unwrap();
    assert_eq!(ending.exit(), Exit::Success);
    assert_eq!(ending.lines("goldsmith"), ["ami-0 (web/1.0.0/1) has passed its tests"]);
    let json = json!({"outcome": "verified", "build": "b", "image": "web/1.0.0/1", "tested": "ami-0"});
    assert_eq!(serde_json::to_value(&ending).unwrap(), json);
    let failure = json!({"state": "ExecuteTest", "item": "t3.small", "error": "Goldsmith.TestFailed", "message": "no"});
    stack.closed_build(json!({"status": "FAILED", "isVerification": true, "failure": failure})).await;
    let ended = execution(ExecutionStatus::Failed, None, Some(("Goldsmith.TestFailed", "ExecuteTest: no")));
    let ending = Ending::of(&stack.connection.store, &ended).await.unwrap();
    assert_eq!(ending.exit(), Exit::Failed);
    let first = "goldsmith: error: ami-0 (web/1.0.0/1) failed in ExecuteTest (t3.small): no";
    assert_eq!(ending.lines("goldsmith")[0], first);
}

#[tokio::test]
async fn a_verification_that_plan_rejects_names_the_ami() {
    let stack = Stack::new();
    let input = json!({"pipeline": "web", "from": {"at": "test", "image": "ami-0123456789abcdef0"}}).to_string();
    let refused = execution(ExecutionStatus::Failed, None, Some(("Goldsmith.Refused", "Plan: no such AMI")));
    let ending = Ending::of(&stack.connection.store, &Execution { input, ..refused }).await.unwrap();
    assert_eq!(ending.exit(), Exit::Invalid);
    let first = "goldsmith: error: ami-0123456789abcdef0 (b) failed in Plan: no such AMI";
    assert_eq!(ending.lines("goldsmith")[0], first);
}

#[tokio::test]
async fn a_distributed_image_is_told_with_the_copies_of_the_run() {
    let stack = Stack::new();
    stack
        .closed_build(json!({"status": "DISTRIBUTED", "distributes": "web/1.0.0/7", "amis": {"us-east-1": "ami-2"}}))
        .await;
    let ended = execution(ExecutionStatus::Succeeded, Some(json!({"outcome": "distributed"})), None);
    let ending = Ending::of(&stack.connection.store, &ended).await.unwrap();
    assert_eq!(ending.exit(), Exit::Success);
    assert_eq!(ending.lines("goldsmith"), ["web/1.0.0/7 (web/1.0.0/1) is distributed", "  us-east-1  ami-2"]);
    let json = json!({"outcome": "distributed", "build": "b", "image": "web/1.0.0/1", "distributed": "web/1.0.0/7",
                      "amis": {"us-east-1": "ami-2"}});
    assert_eq!(serde_json::to_value(&ending).unwrap(), json);
    let stack = Stack::new();
    let input = json!({"pipeline": "web", "from": {"at": "distribute", "image": "web/1.0.0/7"}}).to_string();
    let output = json!({"outcome": "skipped", "reason": "nothing of web/1.0.0/7 is missing"});
    let skipped = Execution { input, ..execution(ExecutionStatus::Succeeded, Some(output), None) };
    let ending = Ending::of(&stack.connection.store, &skipped).await.unwrap();
    assert_eq!(ending.lines("goldsmith"), ["Nothing was distributed: nothing of web/1.0.0/7 is missing"]);
}

#[tokio::test]
async fn a_failed_build_is_told_with_its_cause() {
    let stack = Stack::new();
    let failure = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "step Install failed",
                         "document": "nginx", "phase": "build", "step": "Install", "action": "ExecuteBash", "exitCode": 1,
                         "lastLines": ["E: no"]});
    stack.closed_build(json!({"status": "FAILED", "failure": failure})).await;
    let ended =
        execution(ExecutionStatus::Failed, None, Some(("Goldsmith.CommandFailed", "Build: step Install failed")));
    let ending = Ending::of(&stack.connection.store, &ended).await.unwrap();
    assert_eq!(ending.exit(), Exit::Failed);
    let expected = "\
goldsmith: error: web/1.0.0/1 failed in Build: step Install failed
  component  nginx
  phase      build
  step       Install (ExecuteBash)
  exit code  1
  error      Goldsmith.CommandFailed
  last lines
  | E: no";
    assert_eq!(ending.lines("goldsmith --local").join("\n"), expected);
    let more = "What has changed and what helps: goldsmith show web/1.0.0/1\n\
                The output of its steps: goldsmith logs web/1.0.0/1";
    assert_eq!(ending.remarks(&globals("")).join("\n"), format!("{expected}\n{more}"));
    assert!(Show::lines(&ending, &globals("")).is_empty(), "a failure is no result");
}

#[tokio::test]
async fn a_cancelled_build_is_not_told_as_failed() {
    let stack = Stack::new();
    let failure = json!({"state": "Execution", "error": "Execution.ABORTED", "message": "the execution was stopped"});
    stack.closed_build(json!({"status": "CANCELLED", "failure": failure})).await;
    let ending = Ending::of(&stack.connection.store, &execution(ExecutionStatus::Aborted, None, None)).await.unwrap();
    assert_eq!(ending.exit(), Exit::Failed);
    let expected = [
        "goldsmith: error: web/1.0.0/1 was cancelled: the execution was stopped",
        "The output of its steps: goldsmith logs web/1.0.0/1",
    ];
    assert_eq!(ending.remarks(&globals("")), expected);
    let json = serde_json::to_value(&ending).unwrap();
    assert_eq!((&json["outcome"], &json["failure"]["error"]), (&json!("cancelled"), &json!("Execution.ABORTED")));
    // A build that was stopped before Plan had opened it has no records.
    let cause = Some(("Goldsmith.Cancelled", "cancelled with `goldsmith cancel`"));
    let early = execution(ExecutionStatus::Aborted, None, cause);
    let ending = Ending::of(&Stack::new().connection.store, &early).await.unwrap();
    let json = serde_json::to_value(&ending).unwrap();
    assert_eq!((&json["outcome"], &json["failure"]["error"]), (&json!("cancelled"), &json!("Goldsmith.Cancelled")));
    assert_eq!(ending.exit(), Exit::Failed);
}

#[test]
fn a_detached_build_is_only_its_id_for_scripts() {
    let (build, pipeline) = (start::Build { name: "b".to_owned(), arn: "arn".to_owned() }, "web".parse().unwrap());
    let detached = Detached { build: &build.name, execution: &build.arn, pipeline: &pipeline };
    assert_eq!(detached.lines(&globals("")), ["b"]);
    let json = r#"{"build":"b","execution":"arn","pipeline":"web"}"#;
    assert_eq!(serde_json::to_string(&detached).unwrap(), json);
}

#[tokio::test]
async fn a_build_that_found_another_one_running_says_how_to_watch_that_one() {
    let stack = Stack::new();
    for (image, named) in [(json!("web/1.0.0/1"), "web/1.0.0/1"), (json!(null), "BUILD")] {
        let busy = json!({
            "outcome": "already-running", "reason": "build a runs", "tests": [], "regions": [], "image": image,
        });
        let execution = execution(ExecutionStatus::Succeeded, Some(busy), None);
        let ending = Ending::of(&stack.connection.store, &execution).await.unwrap();
        let watch = format!(
            "Watch that build with `goldsmith --local logs {named} --follow`, or stop it with `goldsmith --local cancel {named}`."
        );
        assert_eq!(ending.lines("goldsmith --local")[1], watch);
    }
}

#[tokio::test]
async fn what_ends_in_plan_has_no_image() {
    let stack = Stack::new();
    let busy =
        json!({"outcome": "already-running", "reason": "build a of the pipeline runs", "tests": [], "regions": []});
    let skipped = json!({"outcome": "skipped", "reason": "nothing has changed"});
    for (ended, exit, line) in [
        (
            execution(ExecutionStatus::Succeeded, Some(busy), None),
            Exit::Failed,
            "goldsmith: error: nothing was built: build a of the pipeline runs",
        ),
        (
            execution(ExecutionStatus::Succeeded, Some(skipped), None),
            Exit::Success,
            "Nothing was built: nothing has changed",
        ),
        (
            execution(
                ExecutionStatus::Failed,
                None,
                Some(("Goldsmith.Refused", "Plan: the input lacks the field `pipeline`")),
            ),
            Exit::Invalid,
            "goldsmith: error: b failed in Plan: the input lacks the field `pipeline`",
        ),
        (
            execution(
                ExecutionStatus::Failed,
                None,
                Some((
                    "Goldsmith.Refused",
                    "Plan: source image ssm:/aws/service/other: there is no such parameter in eu-west-1",
                )),
            ),
            Exit::Invalid,
            "goldsmith: error: b failed in Plan: source image ssm:/aws/service/other: there is no such parameter in eu-west-1",
        ),
        (
            execution(ExecutionStatus::TimedOut, None, None),
            Exit::Failed,
            "goldsmith: error: b failed in the execution: the execution ended without a cause",
        ),
    ] {
        let ending = Ending::of(&stack.connection.store, &ended).await.unwrap();
        assert_eq!((ending.exit(), ending.lines("goldsmith --local")[0].as_str()), (exit, line));
        assert_eq!(ending.lacks_public_parameter(), line.contains("ssm:/aws/service/other"), "{line}");
    }
}
