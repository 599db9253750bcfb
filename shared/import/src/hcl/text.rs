//! Turns values of HCL into items.

use ::hcl::Value as Hcl;

use crate::item::{Item, Place, Value};

/// Longest part of an expression that a finding shows.
const SHOWN: usize = 60;

/// Returns the beginning of an expression on one line, for findings.
pub(super) fn short(expression: &str) -> String {
    let line = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(SHOWN).collect();
    if cut == line { line } else { format!("{cut}…") }
}

/// Returns a value as an item.
pub(super) fn item(place: &Place, value: &Hcl) -> Item {
    place.item(match value {
        Hcl::Null => Value::Null,
        Hcl::Bool(flag) => Value::Text(flag.to_string()),
        Hcl::Number(number) => Value::Text(number.to_string()),
        Hcl::String(text) => Value::Text(text.clone()),
        Hcl::Array(items) => {
            let items = items.iter().map(|value| item(place, value));
            Value::List(items.filter(|item| !item.is_null()).collect())
        }
        Hcl::Object(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), item(place, value))).collect()),
    })
}
