//! The schema of each action's inputs, which follows from the action's description.

use goldsmith_document::{Form, Input, Module, Shape};
use serde_json::{Map, Value, json};

use super::shape::{flag, list, map, part, text, words};

/// Returns the schema of a step's `inputs`.
pub(super) fn inputs(module: Module) -> Value {
    match module.form() {
        Form::Expression => part("expression"),
        Form::List => list(element(module), 1),
        Form::Map => element(module),
    }
}

/// Returns the schema of one map of inputs.
fn element(module: Module) -> Value {
    let inputs: Vec<Input> = module.inputs().collect();
    let required: Vec<&str> = inputs.iter().filter(|input| input.is_required).map(|input| input.key).collect();
    let properties: Map<String, Value> =
        inputs.iter().map(|input| (input.key.to_owned(), shape(input.shape))).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => text(),
        Shape::Flag => json!({"anyOf": [flag(), {"type": "string", "pattern": "\\{\\{"}]}),
        Shape::Word(these) => words(these),
        Shape::Texts(least) => list(text(), least),
        Shape::TextOrTexts => json!({"anyOf": [text(), list(text(), 0)]}),
        Shape::TextByName => json!({"type": "object", "additionalProperties": text()}),
        Shape::NamesAndValues => list(map([("name!", text()), ("value!", text())]), 0),
    }
}
