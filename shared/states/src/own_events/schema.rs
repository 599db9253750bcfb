//! The JSON Schema of the events.

use serde_json::{Map, Value, json};

use super::{Field, Form, OwnEvent, own_events};

/// Returns the JSON Schema (draft 7) of every event, as a rule passes the event to its target. It allows unknown fields,
/// because later releases may add some.
#[must_use]
pub fn schema() -> Value {
    let events = own_events();
    let names = events.each_ref().map(|event| event.detail_type.replace(' ', ""));
    let forms: Vec<Value> = names.iter().map(|name| json!({"$ref": format!("#/definitions/{name}")})).collect();
    let definitions: Map<String, Value> = names.into_iter().zip(events.iter().map(envelope)).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An event of Goldsmith on the default event bus",
        "oneOf": forms,
        "definitions": definitions,
    })
}

/// Returns the schema of a whole event.
fn envelope(event: &OwnEvent) -> Value {
    let [least, most] = event.count;
    let text = || json!({"type": "string"});
    json!({
        "description": event.when,
        "type": "object",
        "properties": {
            "version": text(),
            "id": text(),
            "detail-type": {"const": event.detail_type},
            "source": {"const": "goldsmith"},
            "account": text(),
            "time": time(),
            "region": text(),
            "resources": {
                "description": event.resources, "type": "array", "items": text(), "minItems": least, "maxItems": most,
            },
            "detail": map(&event.detail),
        },
        "required": ["detail-type", "source", "region", "resources", "detail"],
    })
}

fn map(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields
        .iter()
        .map(|field| {
            let mut value = form(&field.form);
            value["description"] = json!(field.about);
            (field.name.to_owned(), value)
        })
        .collect();
    let required: Vec<&str> = fields.iter().filter(|field| !field.is_optional).map(|field| field.name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn form(form: &Form) -> Value {
    match form {
        Form::Text => json!({"type": "string"}),
        Form::Time => time(),
        Form::Flag => json!({"type": "boolean"}),
        Form::Number => json!({"type": "integer"}),
        Form::Word([word]) => json!({"const": word}),
        Form::Word(words) => json!({"enum": words}),
        Form::OrNull(inner) => json!({"anyOf": [self::form(inner), {"type": "null"}]}),
        Form::List(item) => json!({"type": "array", "items": self::form(item)}),
        Form::Pairs => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Form::Map(fields) => map(fields),
        Form::Either(choices) => json!({"oneOf": choices.iter().map(|fields| map(fields)).collect::<Vec<_>>()}),
    }
}
