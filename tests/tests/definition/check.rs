//! The checks. Neither the emulator nor CloudFormation's linter looks at where a state leads or at what it passes on.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use goldsmith_states::State;

use crate::contract::{self, EXPRESSION_FIELDS};
use goldsmith_tests::graph::{Level, levels, list, targets};

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
                Some("Task") if name.parse::<State>().is_err() => here.push("no such Task is agreed on".to_owned()),
                // Outside of a Map, the Catch follows from the table.
                Some("Task") if level.map.is_some() => catches_all(state, None, &mut here),
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
}

fn error_names(handlers: &Value) -> BTreeSet<&str> {
    list(handlers).iter().flat_map(|handler| list(&handler["ErrorEquals"])).filter_map(Value::as_str).collect()
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
