//! Tests of the unusual ways in which commands end.

use std::collections::BTreeSet;

use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Fault, HOME, NEVER, Outcome};
use goldsmith_executor::WorkOrder;
use goldsmith_model::ImageAudit;
use goldsmith_store::{AuditKind, FailureCause, Key, Scope, StateStatus, Table as _};
use jiff::SignedDuration;
use serde_json::json;

use crate::testing::{BUILD, Stack, Task, reach, whole_build};
use crate::{Clock as _, Outcome as TestOutcome, State};

const RESULT: &str = r#"{"status":"success"}"#;

/// Runs Build with commands that end in these ways, in this order. Returns the cause of its failure and the number of
/// commands.
async fn build(outcomes: Vec<Outcome>) -> (Result<(), FailureCause>, usize) {
    let stack = reach(&Task::new(State::Build)).await;
    outcomes.into_iter().for_each(|outcome| stack.cloud.next_command(outcome));
    let ended = stack.run(&Task::new(State::Build)).await;
    let ended = ended.map(drop).map_err(|error| serde_json::from_str(&error.cause).unwrap());
    (ended, stack.cloud.requests().commands.len())
}

#[tokio::test]
async fn the_result_is_found_among_other_lines_of_standard_error() {
    let noise = "ERROR: ld.so: object '/opt/none.so' from /etc/ld.so.preload cannot be preloaded";
    for stderr in
        [format!("{noise}\n{RESULT}\n"), format!("{RESULT}\n{noise}"), format!("{noise}\n{RESULT}\n{noise}\n")]
    {
        assert_eq!(build(vec![Outcome::success(&stderr)]).await, (Ok(()), 1), "{stderr}");
    }
    let result = r#"{"status":"failed","failureContext":{"document":"web","phase":"build","step":"Install"}}"#;
    let (failed, _) = build(vec![Outcome::failed(1, &format!("{noise}\n{result}"))]).await;
    assert_eq!(failed.unwrap_err().step.as_deref(), Some("Install"));
    let (lost, _) = build(vec![Outcome::success(noise)]).await;
    let lost = lost.unwrap_err();
    assert_eq!(lost.message, "the command ended with status Success, and its agent left no result");
    assert_eq!(lost.last_lines, [noise]);
}

#[tokio::test]
async fn the_facts_about_the_instance_are_kept_without_what_could_act_on_a_terminal() {
    let context = r#"{"document":"web","phase":"build","step":"Install","message":"exit status 1",
        "evidence":["/ is full\u001b[2J.",""]}"#;
    let result = format!(r#"{{"status":"failed","failureContext":{}}}"#, context.replace('\n', ""));
    let (failed, _) = build(vec![Outcome::failed(1, &result)]).await;
    assert_eq!(failed.unwrap_err().evidence, ["/ is full [2J."]);
}

/// Runs a test whose command ends in this way, in a pipeline with this audit setting.
async fn audited(audit: ImageAudit, outcome: Outcome) -> (Stack, Result<(), FailureCause>) {
    let stack = Stack::new().await;
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.audit = audit;
    stack.put_pipeline(web).await;
    let task = Task::item(State::ExecuteTest, "t3.small");
    for before in whole_build().iter().take_while(|before| before.scope() != task.scope()) {
        stack.run(before).await.unwrap();
    }
    stack.cloud.next_command(outcome);
    let ended = stack.run(&task).await;
    (stack, ended.map(drop).map_err(|error| serde_json::from_str(&error.cause).unwrap()))
}

/// The order that was sent last.
fn last_order(stack: &Stack) -> WorkOrder {
    let objects = stack.cloud.objects();
    let orders = objects.into_iter().filter_map(|(key, bytes)| key.starts_with("orders/").then_some(bytes));
    let orders = orders.map(|bytes| serde_json::from_slice::<WorkOrder>(&bytes).unwrap());
    orders.into_iter().find(|order| order.execution.contains("ExecuteTest")).unwrap()
}

const AUDIT: &str = r#""audit":{"findings":[{"path":"/etc/bind/rndc.key","kind":"package-secret","what":"control key of BIND",
"package":"bind9","size":77,"fingerprint":"00","remedy":"remove it"}],"leftOut":2,"files":9}"#;

#[tokio::test]
async fn the_first_test_instance_is_audited_and_its_findings_are_recorded() {
    let audit = AUDIT.replace('\n', "");
    let good = Outcome::success(&format!(r#"{{"status":"success",{audit}}}"#));
    let (stack, ended) = audited(ImageAudit::Warn, good).await;
    assert_eq!(ended, Ok(()));
    let order = last_order(&stack).audit.unwrap();
    let snapshot = Scope::from(State::Snapshot);
    let made = stack.store().state(BUILD, &snapshot).await.unwrap().unwrap().ended_at.unwrap();
    assert_eq!((order.fails, order.image_made, order.limit_seconds), (false, made.parse().ok(), Some(900)));
    let scope = Task::item(State::ExecuteTest, "t3.small").scope();
    let noted = async |stack: &Stack| stack.store().state(BUILD, &scope).await.unwrap().unwrap().audit.unwrap();
    let record = noted(&stack).await;
    assert_eq!((record.count(), &record.findings[0].kind), (3, &AuditKind::PackageSecret));

    let why = r#""failureMessage":"x","failureContext":{"kind":"audit","message":"the audit has found 3 things"}"#;
    let bad = Outcome::failed(1, &format!(r#"{{"status":"failed",{why},{audit}}}"#));
    let (stack, ended) = audited(ImageAudit::Fail, bad).await;
    let cause = ended.unwrap_err();
    assert!(last_order(&stack).audit.unwrap().fails);
    assert_eq!(
        (cause.error.as_str(), cause.message.as_str()),
        ("Goldsmith.AuditFailed", "the audit has found 3 things")
    );
    let line = "/etc/bind/rndc.key: control key of BIND (package bind9); remove it";
    assert_eq!(noted(&stack).await.count(), 3);
    let failed = TestOutcome { item: "t3.small".to_owned(), outcome: "failed".to_owned(), cause: Some(json!(cause)) };
    let judged = stack.run(&Task { results: Some(vec![failed]), ..Task::new(State::JudgeTests) }).await.unwrap_err();
    assert_eq!(judged.error, "Goldsmith.AuditFailed");
    let judged = judged.failure(&Task::new(State::JudgeTests).scope());
    assert_eq!(judged.last_lines, [line, "and 2 more"]);

    let (stack, _) = audited(ImageAudit::Off, Outcome::success(RESULT)).await;
    assert_eq!(last_order(&stack).audit, None);
}

const CONTENTS: &str = r#""contents":{"sha256":"00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff","bytes":7,"packages":312,"files":4,"millis":900}"#;

#[tokio::test]
async fn the_first_test_instance_lists_what_is_in_the_image_and_the_image_names_it() {
    let good = Outcome::success(&format!(r#"{{"status":"success",{CONTENTS}}}"#));
    let (stack, ended) = audited(ImageAudit::Off, good).await;
    assert_eq!(ended, Ok(()));
    let order = last_order(&stack).contents.unwrap();
    let key = format!("contents/{BUILD}.json.gz");
    assert!(order.url.contains(&key) && order.url.contains("x-id=PutObject"), "{order:?}");
    let made = stack.store().state(BUILD, &Scope::from(State::Snapshot)).await.unwrap().unwrap().ended_at.unwrap();
    assert_eq!(order.image_made, made.parse().ok());
    for task in whole_build().iter().skip_while(|task| task.state != State::ExecuteTest).skip(1) {
        stack.run(task).await.unwrap();
    }
    let contents = stack.image().await.contents.unwrap();
    assert_eq!((contents.key, contents.sha256, contents.packages), (key, "00ff".repeat(16), 312));
}

#[tokio::test]
async fn a_list_that_could_not_be_stored_fails_nothing() {
    let failed = r#"{"status":"success","contents":{"packages":3,"failure":"no network"}}"#;
    let (stack, ended) = audited(ImageAudit::Off, Outcome::success(failed)).await;
    assert_eq!(ended, Ok(()));
    let scope = Task::item(State::ExecuteTest, "t3.small").scope();
    let noted = stack.store().state(BUILD, &scope).await.unwrap().unwrap().contents.unwrap();
    assert_eq!((noted.is_stored(), noted.failure.as_str()), (false, "no network"));
}

#[tokio::test]
async fn an_image_without_tests_is_listed_after_its_clean_up() {
    let stack = Stack::new().await;
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.image_tests_configuration.image_tests_enabled = false;
    stack.put_pipeline(web).await;
    let is_of_test =
        |task: &Task| matches!(task.state, State::LaunchTest | State::ExecuteTest | State::EndTest | State::JudgeTests);
    for task in whole_build().iter().filter(|task| !is_of_test(task)) {
        if task.state == State::Snapshot {
            stack.cloud.next_command(Outcome::success(&format!(r#"{{"status":"success",{CONTENTS}}}"#)));
        }
        stack.run(task).await.unwrap();
    }
    let orders = stack.cloud.objects().into_iter().filter(|(key, _)| key.starts_with("orders/"));
    let orders: Vec<WorkOrder> = orders.map(|(_, bytes)| serde_json::from_slice(&bytes).unwrap()).collect();
    let asked: Vec<_> = orders.iter().filter(|order| order.contents.is_some()).collect();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].builtin.is_some() && asked[0].contents.as_ref().unwrap().image_made.is_none());
    assert_eq!(stack.image().await.contents.unwrap().packages, 312);
}

#[tokio::test]
async fn an_image_without_tests_gets_an_instance_only_for_a_failing_audit() {
    for (audit, tests, documents) in
        [(ImageAudit::Fail, &["t3.small"][..], Some(0)), (ImageAudit::Warn, &[], None), (ImageAudit::Off, &[], None)]
    {
        let stack = Stack::new().await;
        let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
        (web.audit, web.image_tests_configuration.image_tests_enabled) = (audit, false);
        stack.put_pipeline(web).await;
        let answer = stack.run(&Task::new(State::Plan)).await.unwrap();
        assert_eq!(answer["tests"], json!(tests), "{audit:?}");
        let Some(documents) = documents else { continue };
        let task = Task::item(State::ExecuteTest, "t3.small");
        for before in whole_build().iter().skip(1).take_while(|before| before.scope() != task.scope()) {
            stack.run(before).await.unwrap();
        }
        stack.run(&task).await.unwrap();
        let order = last_order(&stack);
        assert_eq!((order.documents.len(), order.audit.is_some()), (documents, true));
    }
}

#[tokio::test]
async fn the_clean_up_succeeds_by_its_exit_code() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.cloud.next_command(Outcome::success(""));
    stack.run(&Task::new(State::Snapshot)).await.unwrap();
}

#[tokio::test]
async fn an_order_whose_machine_went_down_is_resent_so_the_agent_resumes() {
    assert_eq!(build(vec![Outcome::lost(), Outcome::success(RESULT)]).await, (Ok(()), 2));
    let (failed, commands) = build(vec![Outcome::lost(), Outcome::lost(), Outcome::lost()]).await;
    let failed = failed.unwrap_err();
    assert_eq!((failed.error.as_str(), commands), ("Goldsmith.CommandFailed", 3));
    assert!(
        failed.message.ends_with(
            " or its SSM agent went down while the command ran, but no step asked for it (its SSM agent says: document process \
             failed unexpectedly: no worker); to reboot, use a Reboot step, or end a step with exit code 194"
        ),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_killed_agent_is_no_time_out() {
    let (failed, _) = build(vec![Outcome::killed()]).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.error, "Goldsmith.CommandFailed");
    assert!(failed.message.contains("was killed (SIGKILL)"), "{failed:?}");
    let (late, _) = build(vec![Outcome::timed_out()]).await;
    assert_eq!(late.unwrap_err().error, "Goldsmith.Timeout");
}

/// The nonces of the orders for a state that are in the bucket.
fn nonces_in_orders(stack: &Stack, state: State) -> BTreeSet<String> {
    let objects = stack.cloud.objects().into_iter();
    let orders = objects.filter_map(|(key, bytes)| key.starts_with("orders/").then_some(bytes));
    let orders = orders.map(|bytes| serde_json::from_slice::<WorkOrder>(&bytes).unwrap());
    let own = orders.filter(|order| order.execution == format!("{BUILD}/{}", state.name()));
    own.map(|order| order.event_nonce.unwrap().reveal().to_owned()).collect()
}

#[tokio::test]
async fn a_resent_order_keeps_its_nonce_and_readers_find_it_with_the_log() {
    let mut seen = BTreeSet::new();
    for fault in [Fault::Refuse(Kind::Throttled), Fault::LoseAnswer, Fault::KillBefore, Fault::KillAfter] {
        for call in ["PutObject", "SendCommand"] {
            let stack = reach(&Task::new(State::Build)).await;
            stack.cloud.fail_next(call, fault);
            stack.run(&Task::new(State::Build)).await.unwrap();
            let scope = Task::new(State::Build).scope();
            let log = stack.store().state(BUILD, &scope).await.unwrap().unwrap().log.unwrap();
            let effects = stack.store().effects(BUILD, &scope).await.unwrap();
            let nonce = log.nonce.unwrap();
            assert_eq!(nonces_in_orders(&stack, State::Build), BTreeSet::from([nonce.clone()]), "{call}, {fault:?}");
            assert_eq!(effects[0].nonce(), Some(nonce.as_str()));
            let commands = stack.cloud.requests().commands;
            assert!(
                commands.iter().all(|(_, command)| !command.script.contains(&nonce)),
                "who may list commands sees it"
            );
            assert!(seen.insert(nonce), "each build has another one");
        }
    }
}

#[tokio::test]
async fn a_command_that_is_not_listed_yet_is_not_sent_twice() {
    for fault in [Fault::LoseAnswer, Fault::KillAfter] {
        for state in [State::Build, State::Snapshot] {
            let stack = reach(&Task::new(state)).await;
            stack.cloud.pace(|pace| pace.hide_new_command = 4);
            stack.cloud.fail_next("SendCommand", fault);
            let before = stack.cloud.requests().commands.len();
            stack.run(&Task::new(state)).await.unwrap();
            assert_eq!(stack.cloud.requests().commands.len() - before, 1, "{state}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn an_order_that_is_sent_after_almost_a_day_of_refusals_can_still_be_fetched() {
    let stack = reach(&Task::new(State::Build)).await;
    stack.cloud.fail_always("SendCommand", HOME, Fault::Refuse(Kind::Throttled));
    stack.start(&Task::new(State::Build)).await;
    stack.cloud.heal();
    stack.tick_after(SignedDuration::from_mins(23 * 60 + 55)).await;
    assert_eq!(stack.cloud.requests().commands.len(), 1);
    // The URL is valid for ten minutes.
    stack.clock.advance(SignedDuration::from_mins(9));
    assert_eq!(nonces_in_orders(&stack, State::Build).len(), 1);
}

#[tokio::test]
async fn each_state_and_each_order_after_a_lost_machine_has_a_nonce_of_its_own() {
    let stack = reach(&Task::new(State::Build)).await;
    stack.cloud.next_command(Outcome::lost());
    stack.run(&Task::new(State::Build)).await.unwrap();
    stack.run(&Task::new(State::Snapshot)).await.unwrap();
    let (build, snapshot) = (nonces_in_orders(&stack, State::Build), nonces_in_orders(&stack, State::Snapshot));
    assert_eq!((build.len(), snapshot.len(), build.is_disjoint(&snapshot)), (2, 1, true));
    let log = stack.store().state(BUILD, &Task::new(State::Build).scope()).await.unwrap().unwrap().log.unwrap();
    let sent_last = stack.store().effects(BUILD, &Task::new(State::Build).scope()).await.unwrap().pop().unwrap();
    assert!(log.nonce.is_some() && log.nonce.as_deref() == sent_last.nonce());
    assert!(log.stream.starts_with(&sent_last.id.unwrap()), "the nonce is that of the stream beside it");
}

/// The command was sent by a version that knew no nonces, and the stack was updated since.
#[tokio::test]
async fn a_command_without_a_nonce_continues_without_one() {
    let stack = reach(&Task::new(State::Build)).await;
    stack.cloud.pace(|pace| pace.until_command = 10_000);
    stack.start(&Task::new(State::Build)).await;
    let scope = Task::new(State::Build).scope();
    for (sk, attribute) in [(format!("EFFECT#{scope}#000"), "nonce"), (format!("STATE#{scope}"), "log")] {
        let key = Key { pk: format!("BUILD#{BUILD}"), sk };
        let mut item = stack.table.get(&key).await.unwrap().unwrap();
        assert!(item.remove(attribute).is_some());
        stack.put_item(item.into()).await;
    }
    stack.cloud.settle();
    stack.tick_after(SignedDuration::from_mins(1)).await;
    let state = stack.store().state(BUILD, &scope).await.unwrap().unwrap();
    assert_eq!((state.status, state.log.unwrap().nonce), (StateStatus::Succeeded, None));
}

#[tokio::test]
async fn an_agent_that_is_lost_ends_the_state_after_a_quarter_of_an_hour() {
    let stack = reach(&Task::new(State::Build)).await;
    stack.cloud.pace(|pace| pace.until_command = NEVER);
    let since = stack.clock.now();
    stack.cloud.lose_agents(HOME, since);
    let failed = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_eq!(failed.error, "Goldsmith.CommandFailed");
    assert!(failed.cause.contains("the connection to i-"), "{}", failed.cause);
    let waited = stack.clock.now().duration_since(since);
    assert!(waited >= SignedDuration::from_mins(15) && waited < SignedDuration::from_mins(17), "{waited}");
}

#[tokio::test]
async fn a_build_that_exceeds_its_time_leaves_nothing_and_the_next_one_builds() {
    let stack = Stack::new().await;
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.timeout_minutes = Some(30);
    stack.put_pipeline(web).await;
    for task in [State::Plan, State::Launch].map(Task::new) {
        stack.run(&task).await.unwrap();
    }
    let pace = stack.cloud.clone();
    pace.pace(|pace| pace.until_command = NEVER);
    let since = stack.clock.now();
    let failed = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_eq!(failed.error, "Goldsmith.Timeout");
    let waited = stack.clock.now().duration_since(since);
    assert!(waited >= SignedDuration::from_mins(29) && waited < SignedDuration::from_mins(32), "{waited}");
    assert!(stack.cloud.requests().commands[0].1.timeout_seconds <= 30 * 60);
    stack.run(&Task { error: Some(failed), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    pace.pace(|pace| pace.until_command = 1);
    for task in whole_build().iter().take(3) {
        stack.run_as("web-0123456789abcdef-2", task).await.unwrap();
    }
}
