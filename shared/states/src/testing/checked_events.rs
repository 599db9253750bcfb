//! A bus that checks each event against the JSON Schema of Goldsmith's own events.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use goldsmith_cloud::fake::HOME;
use goldsmith_cloud::{Events, Result};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::own_events;

static SCHEMA: LazyLock<Value> = LazyLock::new(own_events::schema);

pub(super) struct CheckedEvents(pub(super) Arc<dyn Events>);

#[async_trait]
impl Events for CheckedEvents {
    async fn emit(&self, detail_type: &str, resources: &[String], detail: &str) -> Result<()> {
        let read: Value = serde_json::from_str(detail).unwrap();
        check_event(&json!({
            "source": "goldsmith", "detail-type": detail_type, "region": HOME, "resources": resources, "detail": read,
        }));
        self.0.emit(detail_type, resources, detail).await
    }
}

/// Panics if the schema does not describe this event completely.
pub(crate) fn check_event(event: &Value) {
    assert_eq!(mistakes(event), [""; 0], "{event:#}");
}

/// Returns how an event differs from its schema. Consumers must accept fields that they do not know. Here, a field that
/// the schema lacks is a mistake.
pub(crate) fn mistakes(event: &Value) -> Vec<String> {
    let detail_type = event["detail-type"].as_str().unwrap_or_default();
    let schema = &SCHEMA["definitions"][detail_type.replace(' ', "")];
    if schema.is_null() {
        return vec![format!("the schema has no `{detail_type}`")];
    }
    let mut mistakes = Vec::new();
    check(schema, event, "event", &mut mistakes);
    mistakes
}

/// Adds the differences between a value and its schema. A keyword that this function does not know fails the test: the
/// keyword would check nothing.
fn check(schema: &Value, value: &Value, place: &str, mistakes: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        let is_met = match keyword.as_str() {
            "description" | "required" => continue,
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "type" => is_of(rule.as_str().unwrap(), value),
            "format" if rule == "date-time" => value.as_str().is_some_and(|time| time.parse::<Timestamp>().is_ok()),
            "minItems" => value.as_array().is_some_and(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_some_and(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "anyOf" | "oneOf" => {
                let choices = rule.as_array().unwrap();
                let met = choices.iter().filter(|choice| is_valid(choice, value)).count();
                if keyword == "anyOf" { met > 0 } else { met == 1 }
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{place}[{n}]"), mistakes);
                }
                continue;
            }
            "additionalProperties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    check(rule, inner, &format!("{place}.{name}"), mistakes);
                }
                continue;
            }
            "properties" => {
                let required = schema["required"].as_array().unwrap();
                check_fields(rule.as_object().unwrap(), required, value, place, mistakes);
                continue;
            }
            other => panic!("nothing checks the keyword `{other}`"),
        };
        if !is_met {
            mistakes.push(format!("{place} is {value}, but its {keyword} is {rule}"));
        }
    }
}

fn check_fields(
    fields: &Map<String, Value>,
    required: &[Value],
    value: &Value,
    place: &str,
    mistakes: &mut Vec<String>,
) {
    let Some(value) = value.as_object() else { return };
    let missing = required.iter().map(|name| name.as_str().unwrap()).filter(|name| !value.contains_key(*name));
    mistakes.extend(missing.map(|name| format!("{place} has no {name}")));
    for (name, inner) in value {
        match fields.get(name) {
            Some(schema) => check(schema, inner, &format!("{place}.{name}"), mistakes),
            None => mistakes.push(format!("the schema has no {place}.{name}")),
        }
    }
}

fn is_valid(schema: &Value, value: &Value) -> bool {
    let mut mistakes = Vec::new();
    check(schema, value, "", &mut mistakes);
    mistakes.is_empty()
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("nothing checks the type `{other}`"),
    }
}
