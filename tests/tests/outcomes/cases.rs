//! The cases, made of the definition itself: one for each outcome that a state of it can have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use goldsmith_tests::graph::{Level, levels, list};
use goldsmith_tests::outcomes::{NO_LIST, UNKNOWN, of_state, required};
use serde_json::{Map, Value, json};

/// What Plan has to answer for a Choice to take a branch, by its position, or its default. A new branch needs a line
/// here.
const ANSWERS: [(&str, Option<usize>, &str); 13] = [
    ("Skip?", Some(0), r#"{"outcome": "build"}"#),
    ("Skip?", Some(1), r#"{"outcome": "verify"}"#),
    ("Skip?", Some(2), r#"{"outcome": "distribute"}"#),
    ("Skip?", None, r#"{"outcome": "skipped"}"#),
    ("Checkpoint?", Some(0), r#"{"checkpoint": true}"#),
    ("Checkpoint?", None, r#"{"checkpoint": false}"#),
    ("Tests?", Some(0), r#"{"tests": ["one"], "beginCopies": true}"#),
    ("Tests?", Some(1), r#"{"tests": ["one"], "beginCopies": false}"#),
    ("Tests?", Some(2), r#"{"tests": [], "attest": true}"#),
    ("Tests?", None, r#"{"tests": [], "attest": false}"#),
    ("Distribute?", Some(0), r#"{"attest": true}"#),
    ("Distribute?", Some(1), r#"{"attest": false, "regions": ["one"]}"#),
    ("Distribute?", None, r#"{"attest": false, "regions": []}"#),
];

/// One run of the definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Case {
    /// States that fail, each with the error.
    pub(crate) failures: BTreeMap<String, String>,
    /// Choices that do not take their first branch, each with the state that they lead to.
    pub(crate) branches: BTreeMap<String, String>,
}

impl Case {
    /// Name of its execution.
    pub(crate) fn name(&self, number: usize) -> String {
        let failing = self.failures.iter().filter(|(_, error)| error.as_str() != NO_LIST);
        let parts: String = failing.map(|(state, error)| format!("--{state}-{}", error.replace('.', "_"))).collect();
        format!("{number}{parts}")
    }

    /// What Plan is to answer.
    pub(crate) fn answer(&self, definition: &Value) -> Value {
        let mut answer = Map::new();
        let top = levels(definition).remove(0);
        for (name, state) in top.states.iter().filter(|(_, state)| state["Type"] == "Map") {
            let items = if self.failures.contains_key(name) { json!(5) } else { json!(["one"]) };
            answer.insert(items_key(state).to_owned(), items);
        }
        let choices = top.states.iter().filter(|(_, state)| state["Type"] == "Choice");
        // What a branch needs that the case is about comes last: it counts.
        let (chosen, first): (Vec<_>, Vec<_>) = choices.partition(|(name, _)| self.branches.contains_key(*name));
        for (name, state) in first.into_iter().chain(chosen) {
            for (key, value) in leading_to(name, state, self.branch(name, state)) {
                // What a Map is to fail by stays: a number counts as one item.
                if !answer.get(&key).is_some_and(Value::is_number) {
                    answer.insert(key, value);
                }
            }
        }
        Value::Object(answer)
    }

    /// Where a Choice leads.
    pub(crate) fn branch<'a>(&'a self, name: &str, state: &'a Value) -> &'a str {
        let first = || state["Choices"][0]["Next"].as_str().expect("a branch leads somewhere");
        self.branches.get(name).map_or_else(first, String::as_str)
    }
}

fn leading_to(choice: &str, state: &Value, next: &str) -> Map<String, Value> {
    let position = list(&state["Choices"]).iter().position(|branch| branch["Next"] == next);
    let found = ANSWERS.iter().find(|(from, branch, _)| (*from, *branch) == (choice, position));
    let (.., answer) = found.unwrap_or_else(|| panic!("no answer of Plan leads from {choice} to {next}"));
    serde_json::from_str(answer).expect("an answer is a JSON object")
}

/// `tests` of `{% $states.input.tests %}`.
fn items_key(map: &Value) -> &str {
    let expression = map["Items"].as_str().and_then(|text| text.strip_prefix("{% $states.input.")?.strip_suffix(" %}"));
    expression.expect("a Map's items are a field of its input")
}

/// A case for each outcome; several outcomes may share one.
pub(crate) fn cases(definition: &Value) -> BTreeSet<Case> {
    required(definition).iter().map(|(state, outcome)| case(definition, state, outcome)).collect()
}

fn case(definition: &Value, state: &str, outcome: &str) -> Case {
    let all = levels(definition);
    let level = all.iter().find(|level| level.states.contains_key(state)).expect("the state is on a level");
    let mut case = Case::default();
    if let Some(map) = level.map {
        lead(&mut case, &all[0], map);
    }
    lead(&mut case, level, state);
    match level.states[state]["Type"].as_str() {
        Some("Choice") => drop(case.branches.insert(state.to_owned(), outcome.to_owned())),
        _ if outcome != "ok" => drop(case.failures.insert(state.to_owned(), outcome.to_owned())),
        _ => {}
    }
    case
}

/// Makes the case reach a state of a level, by as few failures as possible.
fn lead(case: &mut Case, level: &Level<'_>, target: &str) {
    let mut ways = VecDeque::from([(level.start, Case::default())]);
    let mut seen = BTreeSet::new();
    while let Some((name, way)) = ways.pop_front() {
        if name == target {
            case.failures.extend(way.failures);
            case.branches.extend(way.branches);
            return;
        }
        let state = &level.states[name];
        if !seen.insert(name) {
            continue;
        }
        if let Some(next) = state["Next"].as_str() {
            ways.push_front((next, way.clone()));
        }
        if state["Type"] == "Choice" {
            for next in of_state(state) {
                let (next, _) = level.states.get_key_value(&next).expect("a branch leads to a state");
                let mut branched = way.clone();
                branched.branches.insert(name.to_owned(), next.clone());
                ways.push_front((next, branched));
            }
        }
        for catcher in list(&state["Catch"]) {
            let mut failed = way.clone();
            let error = match catcher["ErrorEquals"][0].as_str() {
                _ if state["Type"] == "Map" => NO_LIST,
                Some("States.ALL") | None => UNKNOWN,
                Some(named) => named,
            };
            failed.failures.insert(name.to_owned(), error.to_owned());
            ways.push_back((catcher["Next"].as_str().expect("a Catch leads somewhere"), failed));
        }
    }
    panic!("nothing leads to {target}");
}
