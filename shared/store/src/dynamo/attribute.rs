//! Converts items between JSON and DynamoDB's attributes. Numbers are text in both directions, so no digit is lost.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::Error;
use serde_json::{Number, Value};

use crate::{Item, Key, Result, StoreError};

pub(super) type Attributes = HashMap<String, AttributeValue>;

pub(super) fn key_attributes(key: &Key) -> Attributes {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

pub(super) fn to_attributes(item: Item) -> Attributes {
    item.into_iter().map(|(name, value)| (name, to_attribute(value))).collect()
}

pub(super) fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(yes) => AttributeValue::Bool(yes),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(values) => AttributeValue::L(values.into_iter().map(to_attribute).collect()),
        Value::Object(item) => AttributeValue::M(to_attributes(item)),
    }
}

/// Returns the item. If an attribute has a type that this version does not write, the error contains the item's key.
pub(super) fn from_attributes(attributes: Attributes) -> Result<Item> {
    let key = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    let (pk, sk) = (key("pk"), key("sk"));
    to_item(attributes).map_err(|source| StoreError::Malformed { pk, sk, source })
}

fn to_item(attributes: Attributes) -> serde_json::Result<Item> {
    attributes.into_iter().map(|(name, value)| Ok((name, to_value(value)?))).collect()
}

fn to_value(attribute: AttributeValue) -> serde_json::Result<Value> {
    Ok(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(yes) => Value::Bool(yes),
        AttributeValue::N(digits) => Value::Number(to_number(&digits)?),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::L(values) => values.into_iter().map(to_value).collect::<serde_json::Result<_>>()?,
        AttributeValue::M(attributes) => Value::Object(to_item(attributes)?),
        other => return Err(serde_json::Error::custom(format!("unexpected kind of attribute: {}", kind_of(&other)))),
    })
}

/// Parses a number. DynamoDB keeps 38 digits. A whole number that JSON's types cannot hold is rejected and not rounded.
fn to_number(digits: &str) -> serde_json::Result<Number> {
    let whole = digits.parse::<i64>().map(Number::from).or_else(|_| digits.parse::<u64>().map(Number::from));
    let number = whole.ok().or_else(|| {
        let float: f64 = digits.parse().ok()?;
        // DynamoDB may write 2 as 2.0 or 20E-1. This is the same number, and a whole one.
        // Up to this number, 2^53, an `f64` holds each whole number exactly.
        let is_whole = float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
        match (is_whole, digits.contains(['.', 'e', 'E'])) {
            (true, _) => Some(Number::from(float as i64)),
            (false, true) => Number::from_f64(float),
            (false, false) => None,
        }
    });
    number.ok_or_else(|| serde_json::Error::custom(format!("number {digits} is out of range")))
}

fn kind_of(attribute: &AttributeValue) -> &'static str {
    match attribute {
        AttributeValue::B(_) => "binary",
        AttributeValue::Bs(_) | AttributeValue::Ns(_) | AttributeValue::Ss(_) => "set",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_every_digit() {
        for (digits, number) in [
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("2.0", json!(2)),
            ("20E-1", json!(2)),
            ("0.1", json!(0.1)),
        ] {
            assert_eq!(to_value(AttributeValue::N(digits.to_owned())).unwrap(), number, "{digits}");
        }
    }

    #[test]
    fn names_the_item_that_is_not_readable() {
        for odd in [AttributeValue::Ss(vec!["a".to_owned()]), AttributeValue::N("36893488147419103232".to_owned())] {
            let mut attributes = key_attributes(&Key::new("BUILD#b", "META"));
            attributes.insert("odd".to_owned(), odd);
            let error = from_attributes(attributes).unwrap_err();
            assert_eq!(error.to_string(), "item BUILD#b / META is not readable");
        }
    }
}
