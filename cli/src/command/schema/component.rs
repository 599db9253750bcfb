//! The schema of a component's document.

use goldsmith_document::{Module, OnFailure};
use serde_json::{Value, json};

use super::condition;
use super::inputs::inputs;
use super::shape::{DRAFT, flag, list, map, number, part, text, when, word, words};

/// Returns the schema.
pub(super) fn schema() -> Value {
    let mut schema = map([
        ("name", text()),
        ("description", text()),
        ("schemaVersion!", json!({"enum": [1, 1.0, "1", "1.0"]})),
        ("parameters", list(declaration(parameter()), 0)),
        ("constants", list(declaration(constant()), 0)),
        ("phases!", list(part("phase"), 1)),
        ("disableLogging", flag()),
    ]);
    schema["$schema"] = DRAFT.into();
    schema["title"] = "A component document of Goldsmith".into();
    schema["definitions"] = json!({
        "phase": phase(),
        "step": step(),
        "loop": repeat(),
        "condition": condition::condition(),
        "expression": condition::expression(),
    });
    schema
}

fn name() -> Value {
    json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{3,128}$"})
}

/// Returns the schema of a map with one key, which is the name of the declared value.
fn declaration(of: Value) -> Value {
    json!({
        "type": "object", "minProperties": 1, "maxProperties": 1,
        "patternProperties": {"^[A-Za-z0-9_-]{3,128}$": of},
        "additionalProperties": false,
    })
}

fn parameter() -> Value {
    map([("type!", word(["string"])), ("default", text()), ("description", text()), ("allowedValues", list(text(), 0))])
}

fn constant() -> Value {
    map([("type!", word(["string"])), ("value!", text())])
}

fn phase() -> Value {
    map([("name!", name()), ("steps!", list(part("step"), 0)), ("disableLogging", flag())])
}

fn step() -> Value {
    let policies = [OnFailure::Abort, OnFailure::Continue, OnFailure::Ignore].map(OnFailure::name);
    let mut step = map([
        ("name!", name()),
        ("action!", words(&Module::names())),
        ("timeoutSeconds", number()),
        ("onFailure", word(policies)),
        ("maxAttempts", number()),
        ("if", part("condition")),
        ("loop", part("loop")),
        ("inputs", json!({})),
        ("disableLogging", flag()),
    ]);
    let of_action = |module: &Module| {
        let required: Vec<&str> = if module.requires_inputs() { vec!["inputs"] } else { Vec::new() };
        when("action", module.name(), &json!({"properties": {"inputs": inputs(*module)}, "required": required}))
    };
    step["allOf"] = Module::ALL.iter().map(of_action).collect();
    step
}

fn repeat() -> Value {
    let range = map([("start!", number()), ("end!", number()), ("updateBy!", number())]);
    let delimiters = word([".", ",", ";", ":", "\n", "\t", " ", "-", "_"]);
    let delimited = map([("list!", text()), ("delimiter", delimiters)]);
    let mut repeat =
        map([("name", text()), ("for", range), ("forEach", json!({"anyOf": [list(text(), 1), delimited]}))]);
    repeat["oneOf"] = json!([{"required": ["for"]}, {"required": ["forEach"]}]);
    repeat
}
