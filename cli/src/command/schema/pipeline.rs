//! The schema of definitions. A file may contain several definitions as YAML documents, and the schema describes each
//! of them.

use goldsmith_model::definitions::{Form, Key, Kind, Limits};
use serde_json::{Map, Value, json};

use super::shape::{DRAFT, flag, list, map, number_within, part, text, when, word, words};

/// Returns the schema.
pub(super) fn schema() -> Value {
    let kinds = Kind::ALL.map(|(word, _)| word);
    let forms: Vec<Value> = kinds.iter().map(|kind| when("kind", kind, &part(kind))).collect();
    let definitions: Map<String, Value> =
        Kind::ALL.into_iter().map(|(word, kind)| (word.to_owned(), definition(word, kind))).collect();
    json!({
        "$schema": DRAFT,
        "title": "A definition of Goldsmith",
        "type": "object",
        "properties": {"kind": word(kinds)},
        "required": ["kind"],
        "allOf": forms,
        "definitions": definitions,
    })
}

fn definition(word: &str, kind: Kind) -> Value {
    let mut definition = keys(kind.keys());
    definition["properties"]["kind"] = json!({"const": word});
    if let Some(required) = definition["required"].as_array_mut() {
        required.insert(0, json!("kind"));
    }
    if kind == Kind::Component {
        definition["oneOf"] = json!([{"required": ["data"]}, {"required": ["uri"]}]);
    }
    definition
}

/// Returns the schema of a map with these keys.
fn keys(keys: &[Key]) -> Value {
    let required = |key: &Key| if key.is_required { "!" } else { "" };
    map(keys.iter().map(|key| (format!("{}{}", key.name, required(key)), described(key))))
}

/// Returns the schema of a key's value, with the text that an editor shows for the key.
fn described(key: &Key) -> Value {
    let mut schema = form(key);
    let default = if key.default.is_empty() { String::new() } else { format!(" Default: {}.", key.default) };
    schema["description"] = json!(format!("{}{default}", key.about));
    schema
}

fn form(key: &Key) -> Value {
    let least = usize::from(key.is_required);
    match key.form {
        Form::Text => text(),
        Form::Number(Limits { least, most }) => number_within(least, most),
        Form::Flag => flag(),
        Form::True => json!({"enum": [true, "true"]}),
        Form::Word(choices) => words(choices),
        Form::Texts => list(text(), least),
        Form::Words(choices) => list(words(choices), least),
        Form::Pairs => json!({"type": "object", "additionalProperties": text()}),
        Form::Map(fields) => keys(fields),
        Form::Maps(fields) => list(keys(fields), least),
        Form::TextOrMap(fields) => json!({"anyOf": [text(), keys(fields)]}),
        Form::FlagOrMap(fields) => json!({"anyOf": [flag(), keys(fields)]}),
    }
}
