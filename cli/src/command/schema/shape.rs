//! Pieces of JSON Schema, draft 7: the newest one that every editor's YAML support knows.

use serde_json::{Map, Value, json};

/// The schema that a file begins with.
pub(super) const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A map with exactly these keys; a name that ends with `!` is required.
pub(super) fn map<const N: usize>(keys: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = keys.iter().filter_map(|(name, _)| name.strip_suffix('!')).collect();
    let properties: Map<String, Value> =
        keys.iter().map(|(name, schema)| (name.trim_end_matches('!').to_owned(), schema.clone())).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// A list of at least so many items.
pub(super) fn list(item: Value, least: usize) -> Value {
    json!({"type": "array", "items": item, "minItems": least})
}

/// Any scalar: its source text counts.
pub(super) fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// One of these words.
pub(super) fn word<const N: usize>(words: [&str; N]) -> Value {
    json!({"enum": words.as_slice()})
}

/// `true` or `false`, quoted or not.
pub(super) fn flag() -> Value {
    json!({"enum": [true, false, "true", "false"]})
}

/// A whole number, or text with one.
pub(super) fn number() -> Value {
    json!({"type": ["integer", "string"], "pattern": "^[-+]?[0-9]+$"})
}

/// Another part of the same schema.
pub(super) fn part(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

/// A condition on a map: where `key` is `word`, the map is `then`.
pub(super) fn when(key: &str, word: &str, then: &Value) -> Value {
    json!({"if": {"properties": {key: {"const": word}}, "required": [key]}, "then": then})
}
