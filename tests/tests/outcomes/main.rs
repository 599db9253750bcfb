//! The outcomes of the definition: every state of it is brought to every outcome that it can have, on the emulator, and its
//! history is held against a model of Step Functions' rules. The cases are made of the definition: what is new in it is
//! run too, or missed. The histories of the end-to-end suite's builds are counted beside them.
#![expect(clippy::expect_used, reason = "what helps a test may fail the test")]

mod cases;
mod door;
mod model;
mod stack;
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use goldsmith_tests::history::{Run, run_of};
use goldsmith_tests::outcomes::{required, seen};
use goldsmith_tests::record::{self, Executions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cases::cases;
use crate::model::expected;
use crate::stack::Stack;

const DEFINITION: &str = include_str!("../../../statemachine/image-build.asl.json");
/// Executions at once.
const AT_ONCE: usize = 8;

fn definition() -> Value {
    serde_json::from_str(DEFINITION).expect("the definition is JSON")
}

/// Runs an execution to its end; its history as a run.
async fn run(client: Client, machine: String, name: String, answer: Value) -> Run {
    let input = json!({"answer": answer}).to_string();
    let started = client.start_execution().state_machine_arn(machine).name(&name).input(input).send().await;
    let arn = started.unwrap_or_else(|error| panic!("{name}: {error:?}")).execution_arn;
    let mut looks = 0;
    while *client.describe_execution().execution_arn(&arn).send().await.expect("it is there").status()
        == ExecutionStatus::Running
    {
        looks += 1;
        assert!(looks < 1200, "{name} does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run_of(&client, &arn).await.expect("it has a history")
}

/// What the builds of the end-to-end suite showed, when it ran before this one.
fn of_builds() -> Executions {
    let builds =
        record::kept(Path::new(env!("CARGO_TARGET_TMPDIR")), "e2e", DEFINITION).expect("the record can be read");
    let required = std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_some_and(|value| value == "1");
    assert!(builds.is_some() || !required, "the end-to-end suite has left no histories");
    builds.unwrap_or_default()
}

#[tokio::test]
async fn every_state_has_every_outcome_that_it_can_have() {
    let (definition, stack) = (definition(), Stack::up());
    let (client, machine) = (Client::new(&stack.sdk().await), stack.state_machine());
    let all: Vec<_> = cases(&definition).into_iter().enumerate().collect();
    let (mut made, mut wrong) = (Executions::new(), Vec::new());
    for some in all.chunks(AT_ONCE) {
        let mut running = JoinSet::new();
        for (number, case) in some.iter().cloned() {
            let run = run(client.clone(), machine.clone(), case.name(number), case.answer(&definition));
            running.spawn(async move { (case.name(number), case, run.await) });
        }
        for (name, case, run) in running.join_all().await {
            let expected = expected(&definition, &case);
            made.insert(name, seen(&definition, &run));
            if run != expected {
                wrong.push(format!("{case:?}\n  expected {expected:?}\n  observed {run:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} runs went another way:\n{}", wrong.len(), wrong.join("\n"));
    let (required, builds) = (required(&definition), of_builds());
    println!("{}", table::of(&required, &made, &builds));
    let all_of = |executions: &Executions| executions.values().flatten().cloned().collect::<BTreeSet<_>>();
    let (of_made, of_builds) = (all_of(&made), all_of(&builds));
    let missing: Vec<_> = required.difference(&of_made).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    let strange: Vec<_> = of_builds.difference(&required).collect();
    assert!(strange.is_empty(), "the definition does not tell of: {strange:?}");
}

#[test]
fn a_new_part_of_the_definition_requires_a_case() {
    let before = definition();
    let mut after = before.clone();
    after["States"]["Build"]["Retry"][0]["ErrorEquals"][0] = json!("Goldsmith.New");
    after["States"]["Finish"]["End"] = Value::Null;
    after["States"]["Finish"]["Next"] = json!("Rest");
    after["States"]["Rest"] = json!({"Type": "Pass", "End": true});
    let new: Vec<_> = required(&after).difference(&required(&before)).cloned().collect();
    let expected = [("Build", "Goldsmith.New"), ("Rest", "ok")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(new, expected);
    assert!(cases(&after).iter().any(|case| case.failures.get("Build").is_some_and(|error| error == "Goldsmith.New")));
}

#[test]
#[should_panic(expected = "no answer of Plan leads from Skip? to Finish")]
fn a_new_branch_without_an_answer_that_leads_there_fails() {
    let mut definition = definition();
    let branch = json!({"Condition": "{% $states.input.outcome = 'rest' %}", "Next": "Finish"});
    definition["States"]["Skip?"]["Choices"].as_array_mut().expect("branches").push(branch);
    for case in cases(&definition) {
        case.answer(&definition);
    }
}
