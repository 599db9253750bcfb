//! Writes checks and updates as DynamoDB expressions. Each name and value is a placeholder, because names may be
//! reserved words.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

use super::attribute::{Attributes, to_attribute};
use crate::{Check, Item};

/// The placeholders of one request. They are created only when they are used, because DynamoDB rejects placeholders
/// that no expression uses.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: HashMap<String, String>,
    values: Attributes,
}

impl Placeholders {
    /// Returns the condition that all checks hold, or `None` if there are no checks.
    pub(super) fn condition(&mut self, checks: &[Check]) -> Option<String> {
        (!checks.is_empty()).then(|| self.joined(checks, " AND "))
    }

    /// Returns the expression that sets and removes these attributes.
    pub(super) fn update(&mut self, set: Item, remove: Vec<String>) -> String {
        let set: Vec<String> = set
            .into_iter()
            .map(|(name, value)| format!("{} = {}", self.name(&name), self.value(to_attribute(value))))
            .collect();
        let remove: Vec<String> = remove.iter().map(|name| self.name(name)).collect();
        let clauses = [("SET", set), ("REMOVE", remove)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    /// Returns the names and the values. An empty map becomes `None`, because DynamoDB rejects empty maps.
    pub(super) fn into_parts(self) -> (Option<HashMap<String, String>>, Option<Attributes>) {
        ((!self.names.is_empty()).then_some(self.names), (!self.values.is_empty()).then_some(self.values))
    }

    fn joined(&mut self, checks: &[Check], operator: &str) -> String {
        checks.iter().map(|check| self.check(check)).collect::<Vec<_>>().join(operator)
    }

    fn check(&mut self, check: &Check) -> String {
        match check {
            Check::Absent => "attribute_not_exists(pk)".to_owned(),
            Check::Present => "attribute_exists(pk)".to_owned(),
            Check::Missing(name) => format!("attribute_not_exists({})", self.name(name)),
            Check::Equals(name, value) => self.comparison(name, "=", value.clone()),
            // In DynamoDB, `<` does not hold if the attribute is missing or has another type.
            Check::Before(name, limit) => self.comparison(name, "<", Value::from(limit.as_str())),
            // An empty `Any` never holds. No literal exists for that.
            Check::Any(checks) if checks.is_empty() => "(attribute_exists(pk) AND attribute_not_exists(pk))".to_owned(),
            Check::Any(checks) => format!("({})", self.joined(checks, " OR ")),
        }
    }

    fn comparison(&mut self, name: &str, operator: &str, value: Value) -> String {
        format!("{} {operator} {}", self.name(name), self.value(to_attribute(value)))
    }

    fn name(&mut self, name: &str) -> String {
        if let Some((placeholder, _)) = self.names.iter().find(|(_, known)| *known == name) {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions() {
        let mut placeholders = Placeholders::default();
        let checks = [
            Check::Present,
            Check::equals("status", "OPEN"),
            Check::Any(vec![Check::missing("lock"), Check::before("lock", "2026")]),
        ];
        let condition = placeholders.condition(&checks).unwrap();
        assert_eq!(condition, "attribute_exists(pk) AND #n0 = :v0 AND (attribute_not_exists(#n1) OR #n1 < :v1)");
        assert_eq!(placeholders.names["#n1"], "lock");
        assert_eq!(placeholders.values[":v1"], AttributeValue::S("2026".to_owned()));
        assert_eq!(placeholders.condition(&[]), None);
    }

    #[test]
    fn updates() {
        let mut placeholders = Placeholders::default();
        let Value::Object(set) = json!({"a": 1, "b": null}) else { unreachable!() };
        assert_eq!(placeholders.update(set, vec!["c".to_owned()]), "SET #n0 = :v0, #n1 = :v1 REMOVE #n2");
        assert_eq!(placeholders.update(Item::new(), vec!["a".to_owned()]), "REMOVE #n0");
        assert_eq!(Placeholders::default().into_parts(), (None, None));
    }
}
