//! Holds the state machine's definition against the contract and the template, and the checks against broken definitions; and
//! what tools and tests ask for from elsewhere against its locks.
#![expect(clippy::expect_used, reason = "what helps a test may fail the test")]

mod check;
mod contract;
mod events;
mod features;
mod locks;
mod monitoring;
mod stack;
mod tasks;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_states::{EVENT_FUNCTIONS, LATE, STATES, Spec, State};
use goldsmith_tests::graph::levels;
use serde_json::{Value, json};

use crate::check::problems;
use crate::contract::ENVIRONMENT;
use crate::template::Template;

const DEFINITION: &str = include_str!("../../../statemachine/image-build.asl.json");
const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

/// Stands in the definition for the part of the world that the stack is in: `aws`, `aws-cn`, `aws-us-gov`.
const PARTITION: &str = "Partition";

fn definition() -> Value {
    serde_json::from_str(DEFINITION).expect("the definition is JSON")
}

fn handlers() -> BTreeSet<&'static str> {
    STATES.iter().map(|spec| spec.function).chain(EVENT_FUNCTIONS).collect()
}

/// Names in `${…}` of the definition, by state.
fn substitutions(definition: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for level in levels(definition) {
        for (name, state) in level.states {
            if let Some(function) = state["Arguments"]["FunctionName"].as_str() {
                let inner = function.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
                found.insert(name.clone(), inner.unwrap_or(function).to_owned());
            }
        }
    }
    found
}

/// `GOLDSMITH_WRITE_EXPECTED=1` writes the Tasks instead.
#[test]
fn each_task_is_as_its_row_in_the_table_of_states_says() {
    let rewritten = tasks::rewritten(DEFINITION);
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../statemachine/image-build.asl.json");
        std::fs::write(path, &rewritten).expect("the definition is written");
        return;
    }
    // The two texts are too long to print.
    let differs = rewritten.lines().zip(DEFINITION.lines()).position(|(expected, found)| expected != found);
    assert!(
        rewritten == DEFINITION,
        "statemachine/image-build.asl.json is not as the table of states says, from line {} on: \
         run this test with GOLDSMITH_WRITE_EXPECTED=1",
        differs.unwrap_or_default() + 1
    );
}

#[test]
fn a_task_of_which_only_the_ways_are_written_gets_the_rest_from_its_row() {
    let (before, rest) = DEFINITION.split_once("    \"Launch\": {\n").expect("there is Launch");
    let (_, after) = rest.split_once("      \"Output\"").expect("Launch has an output");
    let short = format!("{before}    \"Launch\": {{\n      \"Type\": \"Task\",\n      \"Output\"{after}");
    assert!(short.len() < DEFINITION.len() - 1_000);
    assert_eq!(tasks::rewritten(&short), DEFINITION);
}

#[test]
fn the_definition_keeps_the_contract() {
    assert_eq!(problems(&definition()), Vec::<String>::new());
}

#[test]
fn every_state_runs_the_function_that_is_agreed_on() {
    let template = Template::parse(TEMPLATE);
    let used = substitutions(&definition());
    for Spec { state, function: handler, .. } in STATES {
        let function = template
            .substitutions
            .get(&used[state.name()])
            .unwrap_or_else(|| panic!("{} is unknown", used[state.name()]));
        assert_eq!(template.functions[function].handler, *handler, "{state}");
    }
    let given: BTreeSet<_> = template.substitutions.keys().cloned().collect();
    assert_eq!(template.substitutions[PARTITION], "!Ref AWS::Partition");
    assert_eq!(
        used.into_values().chain([PARTITION.to_owned()]).collect::<BTreeSet<_>>(),
        given,
        "substitutions of the definition and of the template"
    );
}

#[test]
fn the_template_has_exactly_the_functions() {
    let template = Template::parse(TEMPLATE);
    let found: BTreeSet<_> = template.functions.values().map(|function| function.handler.as_str()).collect();
    assert_eq!(found, handlers());
    let roles: BTreeSet<_> = template.functions.values().map(|function| &function.role).collect();
    assert_eq!(roles.len(), template.functions.len(), "a role per function");
    for (id, function) in &template.functions {
        assert_eq!(function.name, function.handler, "{id} is found by its name");
    }
    assert_eq!(template.environment, ENVIRONMENT);
}

#[test]
fn no_function_runs_longer_than_a_late_parameter_is_waited_for() {
    let seconds = TEMPLATE.lines().filter_map(|line| line.trim().strip_prefix("Timeout: ")?.parse::<i64>().ok());
    let all: Vec<i64> = seconds.collect();
    assert!(!all.is_empty() && all.iter().all(|seconds| *seconds < LATE.as_secs()), "{all:?}");
}

#[test]
fn a_build_of_two_regions_and_one_test_takes_at_most_thirty_transitions() {
    let levels = levels(&definition())
        .iter()
        .map(|level| (level.map.map(str::to_owned), level.states.len()))
        .collect::<Vec<_>>();
    // All states of a level at once are more than any way through it takes.
    let upper: usize = levels
        .iter()
        .map(|(map, states)| match map.as_deref() {
            None => *states,
            Some("Distribute") => 2 * states,
            Some(_) => *states,
        })
        .sum();
    assert!(upper <= 30, "{levels:?}");
}

/// Sets what is at `pointer`; null takes the key away.
fn broken(pointer: &str, value: Value) -> Value {
    let mut definition = definition();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer has a parent");
    let parent = definition.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is not there"));
    match parent {
        Value::Object(members) if value.is_null() => {
            drop(members.remove(key).expect("there is something to take away"))
        }
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(members) => members[key.parse::<usize>().expect("an index")] = value,
        other => panic!("{other} has no {key}"),
    }
    definition
}

#[test]
fn what_is_broken_is_found() {
    let inner = "/States/Test/ItemProcessor/States";
    let cases = [
        ("/States/Launch/Next", json!("Biuld"), "Launch: leads to Biuld"),
        ("/States/Skip?/Choices/0/Next", json!("Nowhere"), "Skip?: leads to Nowhere"),
        ("/States/Skip?/Default", json!("Launch"), "Skipped: nothing leads here"),
        ("/States/Build/Next", Value::Null, "Build: needs 1 of Next and End, not 0"),
        ("/States/Build/End", json!(true), "Build: needs 1 of Next and End, not 2"),
        ("/States/Build/Asign", json!({}), "Build: the state may not have Asign"),
        ("/States/Build/HeartbeatSeconds", json!(60), "Build: the state may not have HeartbeatSeconds"),
        ("/States/Build/Assign", json!({"a": 1}), "Build: the state may not have Assign"),
        ("/States/Build/ResultPath", json!("$"), "Build: the state may not have ResultPath"),
        ("/States/Build/Catch/0/ErrorEquals/0", json!("Goldsmith.Lost"), "Build: Goldsmith.Lost is no error to catch"),
        ("/States/Build/TimeoutSeconds", json!("{% 60 %}"), "Build: no expression may stand in TimeoutSeconds"),
        ("/States/Build/Output", json!("x {% $states.input %}"), "Build: `x {% $states.input %}` is not one whole"),
        ("/States/Build/Output", json!("{% $eval('1') %}"), "Build: `{% $eval('1') %}` is not an expression"),
        ("/States/Test/MaxConcurrency", json!("{% 5 %}"), "Test: its MaxConcurrency is no number"),
        ("/States/Test/ItemProcessor/ProcessorConfig/Mode", json!("DISTRIBUTED"), "Test: it does not run inline"),
        ("/States/Test/Catch", Value::Null, "Test: not every error is caught"),
        ("/States/Publish", Value::Null, "there is no state Publish"),
        ("/QueryLanguage", json!("JSONPath"), "the machine's query language"),
    ]
    .map(|(pointer, value, expected)| (pointer.to_owned(), value, expected));
    let within = [
        (format!("{inner}/ExecuteTest/Next"), json!("JudgeTests"), "ExecuteTest: leads to JudgeTests"),
        (format!("{inner}/ExecuteTest/Catch"), Value::Null, "ExecuteTest: not every error is caught"),
    ];
    for (pointer, value, expected) in cases.into_iter().chain(within) {
        let found = problems(&broken(&pointer, value.clone()));
        assert!(found.iter().any(|problem| problem.contains(expected)), "{pointer} = {value}: {found:?}");
    }
}

#[test]
fn every_role_has_the_boundary_and_a_busy_lambda_is_waited_for() {
    let lines: Vec<&str> = TEMPLATE.lines().collect();
    let roles = lines.iter().enumerate().filter(|(_, line)| line.trim() == "Type: AWS::IAM::Role");
    for (at, _) in roles {
        assert!(lines[at + 2].contains("PermissionsBoundary: !If [HasBoundary,"), "line {}", at + 1);
    }
    let definition = definition();
    for level in levels(&definition) {
        for (name, state) in level.states.iter().filter(|(_, state)| state["Type"] == "Task") {
            let busy = state["Retry"].as_array().and_then(|retriers| {
                retriers.iter().find(|retrier| retrier["ErrorEquals"] == json!(["Lambda.TooManyRequestsException"]))
            });
            assert_eq!(busy.map(|retrier| &retrier["MaxAttempts"]), Some(&json!(10)), "{name}");
        }
    }
}

/// What a state has to lose that comes after hours is worth more than a minute of patience, where AWS asks to slow down.
#[test]
fn the_last_states_are_retried_for_an_hour() {
    let definition = definition();
    for (name, state) in levels(&definition).into_iter().flat_map(|level| level.states) {
        let retrier = &state["Retry"][0];
        let Some(attempts) = retrier["MaxAttempts"].as_u64() else { continue };
        let (most, mut pause, mut all) = (retrier["MaxDelaySeconds"].as_u64().unwrap(), 2, 0);
        for _ in 0..attempts {
            all += pause;
            pause = (pause * retrier["BackoffRate"].as_u64().unwrap()).min(most);
        }
        let row = STATES.iter().find(|row| row.state.name() == name.as_str()).expect("a Task has a row");
        // Plan comes first, and the build goes on without BeginCopies.
        let is_last = row.timeout().is_none() && ![State::Plan, State::BeginCopies].contains(&row.state);
        assert_eq!(all > 3_600, is_last, "{name} is tried again for {all} s");
    }
}

/// `finish` asks by SendTaskHeartbeat whether a state still waits. That changes nothing only where no state has a heartbeat to
/// miss.
#[test]
fn no_state_has_a_heartbeat() {
    let definition = definition();
    for (name, state) in levels(&definition).into_iter().flat_map(|level| level.states) {
        for field in ["HeartbeatSeconds", "HeartbeatSecondsPath"] {
            assert!(state.get(field).is_none(), "{name} has {field}");
        }
    }
}

#[test]
fn the_template_is_read_as_it_is_written() {
    let changed = TEMPLATE.replacen("Handler: execute-phase", "Handler: execute_phase", 1);
    assert_eq!(Template::parse(&changed).functions["ExecutePhaseFunction"].handler, "execute_phase");
    let shared = TEMPLATE.replacen("Role: !GetAtt TestRole.Arn", "Role: !GetAtt PlanRole.Arn", 1);
    assert_eq!(Template::parse(&shared).functions["TestFunction"].role, "PlanRole");
    let moved =
        TEMPLATE.replacen("TestFunctionArn: !GetAtt TestFunction.Arn", "TestFunctionArn: !GetAtt PlanFunction.Arn", 1);
    assert_eq!(Template::parse(&moved).substitutions["TestFunctionArn"], "PlanFunction");
}
