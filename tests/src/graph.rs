//! The states of a definition with the level they are on: a Map's states may only lead to each other.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The states of the machine itself, or those within one Map.
pub struct Level<'a> {
    /// The Map's name; none on the top.
    pub map: Option<&'a str>,
    /// Name of the first state.
    pub start: &'a str,
    /// The states by name.
    pub states: &'a Map<String, Value>,
}

impl<'a> Level<'a> {
    fn of(map: Option<&'a str>, machine: &'a Value) -> Option<Self> {
        Some(Level { map, start: machine["StartAt"].as_str()?, states: machine["States"].as_object()? })
    }

    /// States that are reached by a Catch on this level.
    pub fn caught(&self) -> BTreeSet<&'a str> {
        let catchers = self.states.values().flat_map(|state| list(&state["Catch"]));
        catchers.filter_map(|catcher| catcher["Next"].as_str()).collect()
    }

    /// States that are reached without an error, the first one among them.
    pub fn reached_normally(&self) -> BTreeSet<&'a str> {
        self.states.values().flat_map(regular_targets).chain([self.start]).collect()
    }

    /// States that follow a Map.
    pub fn after_map(&self) -> BTreeSet<&'a str> {
        self.states.values().filter(|state| state["Type"] == "Map").filter_map(|state| state["Next"].as_str()).collect()
    }

    /// States that can be reached from the first one.
    pub fn reachable(&self) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut open = vec![self.start];
        while let Some(name) = open.pop() {
            if found.insert(name)
                && let Some(state) = self.states.get(name)
            {
                open.extend(targets(state));
            }
        }
        found
    }
}

/// The machine's own level and that of each Map.
pub fn levels(definition: &Value) -> Vec<Level<'_>> {
    let top = Level::of(None, definition);
    let maps = top.iter().flat_map(|level| level.states.iter().filter(|(_, state)| state["Type"] == "Map"));
    let inner: Vec<_> = maps.filter_map(|(name, state)| Level::of(Some(name), &state["ItemProcessor"])).collect();
    top.into_iter().chain(inner).collect()
}

/// Every state that may follow `state`.
pub fn targets(state: &Value) -> Vec<&str> {
    let caught = list(&state["Catch"]).iter().filter_map(|catcher| catcher["Next"].as_str());
    regular_targets(state).into_iter().chain(caught).collect()
}

fn regular_targets(state: &Value) -> Vec<&str> {
    let choices = list(&state["Choices"]).iter().map(|choice| &choice["Next"]);
    [&state["Next"], &state["Default"]].into_iter().chain(choices).filter_map(Value::as_str).collect()
}

/// Returns the members of an array, or nothing if there is no array.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
