//! The outcomes that the states of a definition can have. The suites together have to show every one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::graph::{levels, list};
use crate::history::Run;

/// Stands for every error that no list names.
pub const UNKNOWN: &str = "Test.Unknown";
/// How a Map fails by itself: its items are no list.
pub const NO_LIST: &str = "States.QueryEvaluationError";

/// A state and how it ended: `ok`, an error, or the state that a Choice leads to.
pub type Outcome = (String, String);

/// Every outcome that has to be seen.
#[must_use]
pub fn required(definition: &Value) -> BTreeSet<Outcome> {
    let all = levels(definition);
    let states = all.iter().flat_map(|level| level.states.iter());
    states.flat_map(|(name, state)| of_state(state).into_iter().map(|outcome| (name.clone(), outcome))).collect()
}

/// Every outcome of one state.
#[must_use]
pub fn of_state(state: &Value) -> BTreeSet<String> {
    match state["Type"].as_str() {
        Some("Task") => listed(state)
            .map(|error| if error == "States.ALL" { UNKNOWN } else { error }.to_owned())
            .chain(["ok".to_owned(), UNKNOWN.to_owned()])
            .collect(),
        Some("Map") => ["ok", NO_LIST].map(str::to_owned).into(),
        Some("Choice") => {
            let branches = list(&state["Choices"]).iter().map(|choice| &choice["Next"]).chain([&state["Default"]]);
            branches.filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => ["ok".to_owned()].into(),
    }
}

/// The error names in its Retry and Catch.
fn listed(state: &Value) -> impl Iterator<Item = &str> {
    let handlers = list(&state["Retry"]).iter().chain(list(&state["Catch"]));
    handlers.flat_map(|handler| list(&handler["ErrorEquals"])).filter_map(Value::as_str)
}

/// The outcomes that a run shows, in the names of `required`; errors of attempts that were made again count too.
#[must_use]
pub fn seen(definition: &Value, run: &Run) -> BTreeSet<Outcome> {
    let mut seen = BTreeSet::new();
    for step in &run.steps {
        let Some(state) = state(definition, &step.state) else {
            seen.insert((step.state.clone(), "not in the definition".to_owned()));
            continue;
        };
        for outcome in step.errors.iter().chain(&step.outcome) {
            seen.insert((step.state.clone(), name(state, outcome)));
        }
    }
    seen
}

fn state<'a>(definition: &'a Value, name: &str) -> Option<&'a Value> {
    levels(definition).into_iter().find_map(|level| level.states.get(name))
}

/// An outcome as `of_state` names it.
fn name(state: &Value, outcome: &str) -> String {
    let known = of_state(state).contains(outcome);
    match state["Type"].as_str() {
        Some("Task") if !known => UNKNOWN.to_owned(),
        Some("Map") if !known => NO_LIST.to_owned(),
        _ => outcome.to_owned(),
    }
}
