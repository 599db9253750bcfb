//! The checks. Neither the emulator nor CloudFormation's linter looks at where a state leads or at what it passes on.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use goldsmith_states::State;

use crate::contract::{self, EXPRESSION_FIELDS};
use goldsmith_tests::graph::{Level, levels, list, targets};

const PLAIN: &str = "arn:${Partition}:states:::lambda:invoke";
const WAITING: &str = "arn:${Partition}:states:::lambda:invoke.waitForTaskToken";

/// Everything that is wrong with the definition, each with the state's name.
pub(crate) fn problems(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    machine(definition, &mut found);
    for level in levels(definition) {
        flow(&level, &mut found);
        for (name, state) in level.states {
            let mut here = Vec::new();
            fields(state, &mut here);
            expressions(state, "", &mut here);
            errors(state, &mut here);
            match state["Type"].as_str() {
                Some("Task") => task(name, state, &level, &mut here),
                Some("Map") => map(state, &mut here),
                _ => {}
            }
            found.extend(here.into_iter().map(|problem| format!("{name}: {problem}")));
        }
    }
    found
}

fn machine(definition: &Value, found: &mut Vec<String>) {
    unknown_keys(
        definition,
        &["Comment", "QueryLanguage", "StartAt", "TimeoutSeconds", "States"],
        "the machine",
        found,
    );
    if definition["QueryLanguage"] != "JSONata" {
        found.push("the machine's query language is not JSONata".to_owned());
    }
    let names: Vec<_> = levels(definition).iter().flat_map(|level| level.states.keys()).collect();
    let missing = State::ALL.iter().filter(|state| !names.iter().any(|name| *name == state.name()));
    found.extend(missing.map(|state| format!("there is no state {state}")));
}

fn flow(level: &Level<'_>, found: &mut Vec<String>) {
    for (name, state) in level.states {
        let lost = targets(state).into_iter().filter(|target| !level.states.contains_key(*target));
        found.extend(lost.map(|target| format!("{name}: leads to {target}, which is not there")));
        let ends = usize::from(state["End"] == true) + usize::from(state["Next"].is_string());
        let expected = usize::from(!matches!(state["Type"].as_str(), Some("Choice" | "Succeed" | "Fail")));
        if ends != expected {
            found.push(format!("{name}: needs {expected} of Next and End, not {ends}"));
        }
    }
    let reachable = level.reachable();
    let dead = level.states.keys().filter(|name| !reachable.contains(name.as_str()));
    found.extend(dead.map(|name| format!("{name}: nothing leads here")));
}

fn fields(state: &Value, found: &mut Vec<String>) {
    unknown_keys(state, contract::fields(state["Type"].as_str().unwrap_or_default()), "the state", found);
    for retrier in list(&state["Retry"]) {
        let allowed =
            ["ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"];
        unknown_keys(retrier, &allowed, "Retry", found);
    }
    for catcher in list(&state["Catch"]) {
        unknown_keys(catcher, &["ErrorEquals", "Output", "Next"], "Catch", found);
    }
    for choice in list(&state["Choices"]) {
        unknown_keys(choice, &["Condition", "Next"], "Choices", found);
    }
}

fn unknown_keys(value: &Value, allowed: &[&str], place: &str, found: &mut Vec<String>) {
    let keys = value.as_object().into_iter().flat_map(Map::keys);
    found.extend(keys.filter(|key| !allowed.contains(&key.as_str())).map(|key| format!("{place} may not have {key}")));
}

/// An expression is a whole string, and stands only where the emulator evaluates it as AWS does.
fn expressions(value: &Value, field: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains("{%") || text.contains("%}") => expression(text, field, found),
        Value::Array(members) => members.iter().for_each(|member| expressions(member, field, found)),
        Value::Object(members) => {
            for (key, member) in members.iter().filter(|(key, _)| *key != "ItemProcessor") {
                let inherited = EXPRESSION_FIELDS.contains(&field);
                expressions(member, if inherited { field } else { key }, found);
            }
        }
        _ => {}
    }
}

fn expression(text: &str, field: &str, found: &mut Vec<String>) {
    if !EXPRESSION_FIELDS.contains(&field) {
        found.push(format!("no expression may stand in {field}"));
    }
    if !(text.starts_with("{%") && text.ends_with("%}")) || text.matches("{%").count() != 1 {
        found.push(format!("`{text}` is not one whole expression"));
    }
    if text.contains("$eval") || text.matches('(').count() != text.matches(')').count() {
        found.push(format!("`{text}` is not an expression of Step Functions"));
    }
}

fn errors(state: &Value, found: &mut Vec<String>) {
    let caught = error_names(&state["Catch"]);
    let unknown = caught.iter().filter(|name| !contract::catchable().contains(*name));
    found.extend(unknown.map(|name| format!("{name} is no error to catch")));
    // A time-out is not among them: what has waited for its whole limit must not begin anew.
    let retried = error_names(&state["Retry"]);
    let unexpected = retried.iter().filter(|name| !contract::retried().contains(*name));
    found.extend(unexpected.map(|name| format!("{name} is no error to retry")));
    if state["Type"] == "Task" {
        let forgotten = contract::retried().into_iter().filter(|name| !retried.contains(*name));
        found.extend(forgotten.map(|name| format!("{name} is not retried")));
    }
}

fn error_names(handlers: &Value) -> BTreeSet<&str> {
    list(handlers).iter().flat_map(|handler| list(&handler["ErrorEquals"])).filter_map(Value::as_str).collect()
}

fn task(name: &str, state: &Value, level: &Level<'_>, found: &mut Vec<String>) {
    let Some(agreed) = contract::task(name) else {
        found.push("no such Task is agreed on".to_owned());
        return;
    };
    let limit = contract::limit(agreed);
    let resource = if limit.is_some() { WAITING } else { PLAIN };
    if state["Resource"] != resource {
        found.push(format!("its resource is not {resource}"));
    }
    if state["TimeoutSeconds"] != limit.map_or(Value::Null, Value::from) {
        found.push(format!("its TimeoutSeconds is {}, not {limit:?}", state["TimeoutSeconds"]));
    }
    if name != "FinishFailed" {
        catches_all(state, level.map.is_none().then_some("FinishFailed"), found);
    }
    payload(name, limit.is_some(), state, level, found);
}

/// The last Catch takes everything; on the top level it leads to `target`.
fn catches_all(state: &Value, target: Option<&str>, found: &mut Vec<String>) {
    let catcher = list(&state["Catch"]).last().unwrap_or(&Value::Null);
    if catcher["ErrorEquals"] != serde_json::json!(["States.ALL"]) {
        found.push("not every error is caught".to_owned());
    }
    if target.is_some_and(|target| catcher["Next"] != target) {
        found.push(format!("its Catch does not lead to {}", target.unwrap_or_default()));
    }
}

fn payload(name: &str, waits: bool, state: &Value, level: &Level<'_>, found: &mut Vec<String>) {
    unknown_keys(&state["Arguments"], &["FunctionName", "Payload"], "Arguments", found);
    let caught = level.caught().contains(name);
    let expected: BTreeSet<&str> = [
        ("build", true),
        ("state", true),
        ("execution", true),
        ("item", level.map.is_some()),
        ("token", waits),
        ("input", name == level.start && level.map.is_none()),
        ("results", level.after_map().contains(name)),
        ("error", caught),
    ]
    .into_iter()
    .filter_map(|(key, needed)| needed.then_some(key))
    .collect();
    let payload = state["Arguments"]["Payload"].as_object().cloned().unwrap_or_default();
    let keys: BTreeSet<&str> = payload.keys().map(String::as_str).collect();
    if keys != expected {
        found.push(format!("its payload has {keys:?}, not {expected:?}"));
    }
    let only_caught = !level.reached_normally().contains(name);
    for (key, value) in &payload {
        let agreed = if key == "state" { Some(name) } else { contract::payload_expression(key, only_caught) };
        if value.as_str() != agreed {
            found.push(format!("its payload's {key} is {value}"));
        }
    }
}

fn map(state: &Value, found: &mut Vec<String>) {
    if !state["MaxConcurrency"].is_u64() {
        found.push("its MaxConcurrency is no number".to_owned());
    }
    unknown_keys(&state["ItemProcessor"], &["ProcessorConfig", "StartAt", "States"], "ItemProcessor", found);
    if state["ItemProcessor"]["ProcessorConfig"] != serde_json::json!({"Mode": "INLINE"}) {
        found.push("it does not run inline".to_owned());
    }
    if state["ItemSelector"] != serde_json::json!({"item": "{% $states.context.Map.Item.Value %}"}) {
        found.push("its items are not handed on as item".to_owned());
    }
    catches_all(state, Some("FinishFailed"), found);
}
