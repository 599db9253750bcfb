//! Building blocks of JSON Schema draft 7, which is the newest draft that the YAML support of every editor understands.

use serde_json::{Map, Value, json};

/// The URL of the JSON Schema draft, which each schema file names first.
pub(super) const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// Returns the schema of a map with exactly these keys. A key that ends with `!` is required.
pub(super) fn map<K: AsRef<str>>(keys: impl IntoIterator<Item = (K, Value)>) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema) in keys {
        let name = name.as_ref();
        required.extend(name.strip_suffix('!').map(str::to_owned));
        properties.insert(name.trim_end_matches('!').to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Returns the schema of a list with at least this many items.
pub(super) fn list(item: Value, least: usize) -> Value {
    json!({"type": "array", "items": item, "minItems": least})
}

/// Returns the schema of any scalar, whose source text counts.
pub(super) fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// Returns the schema of one of these words.
pub(super) fn word<const N: usize>(words: [&str; N]) -> Value {
    self::words(&words)
}

/// Returns the schema of one of these words, whose number is known only at run time.
pub(super) fn words(words: &[&str]) -> Value {
    json!({"enum": words})
}

/// Returns the schema of `true` or `false`, quoted or not.
pub(super) fn flag() -> Value {
    json!({"enum": [true, false, "true", "false"]})
}

/// Returns the schema of a whole number, or of a text that contains one.
pub(super) fn number() -> Value {
    json!({"type": ["integer", "string"], "pattern": "^[-+]?[0-9]+$"})
}

/// Returns the schema of a whole number within limits, or of a text that contains one, of which a schema cannot tell the
/// size.
pub(super) fn number_within(least: u32, most: u32) -> Value {
    let mut number = number();
    (number["minimum"], number["maximum"]) = (json!(least), json!(most));
    number
}

/// Returns a reference to another part of the same schema.
pub(super) fn part(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

/// Returns a condition on a map: if `key` is `word`, the map must match `then`.
pub(super) fn when(key: &str, word: &str, then: &Value) -> Value {
    json!({"if": {"properties": {key: {"const": word}}, "required": [key]}, "then": then})
}
