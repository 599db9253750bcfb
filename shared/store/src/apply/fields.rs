//! What differs between a stored definition and the one that replaces it.

use std::collections::BTreeSet;

use goldsmith_document::hidden_if_secret;
use serde::Serialize;
use serde_json::{Map, Value};

/// A value of a stored definition that is replaced, is new, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedField {
    /// Where the value is, as `distributions[0].amiDistributionConfiguration.name`.
    pub field: String,
    /// The stored value, or `None` if the field is new. A value that looks like a secret is `****`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The new value, or `None` if the field is gone. A value that looks like a secret is `****`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Returns the fields that differ, in the order of their names. Lists of scalars are compared as a whole, and other lists
/// member by member.
pub(super) fn changed(stored: &Map<String, Value>, new: &Map<String, Value>) -> Vec<ChangedField> {
    let mut found = Vec::new();
    compare_members("", stored, new, &mut found);
    found
}

fn compare_members(path: &str, stored: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<ChangedField>) {
    let keys: BTreeSet<&String> = stored.keys().chain(new.keys()).collect();
    for key in keys {
        let field = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let [from, to] = [stored, new].map(|of| of.get(key).map(|value| (name_of(of, key), value)));
        compare(field, from, to, found);
    }
}

/// Compares two values, each of which comes with the name by which it may be that of a secret.
fn compare(field: String, from: Option<(&str, &Value)>, to: Option<(&str, &Value)>, found: &mut Vec<ChangedField>) {
    match (from, to) {
        (Some((_, from)), Some((_, to))) if from == to => {}
        (Some((_, Value::Object(from))), Some((_, Value::Object(to)))) => compare_members(&field, from, to, found),
        (Some((name, Value::Array(from))), Some((_, Value::Array(to)))) if has_parts(from) && has_parts(to) => {
            for at in 0..from.len().max(to.len()) {
                let [from, to] = [from, to].map(|list| list.get(at).map(|value| (name, value)));
                compare(format!("{field}[{at}]"), from, to, found);
            }
        }
        (from, to) => {
            let [from, to] = [from, to].map(|one| one.map(|(name, value)| hidden(name, value)));
            found.push(ChangedField { field, from, to });
        }
    }
}

/// Returns whether the members of a list have fields themselves.
fn has_parts(list: &[Value]) -> bool {
    !list.is_empty() && list.iter().all(Value::is_object)
}

/// Returns the name of a member's value: its key, or, for a `value` that stands beside a `name`, that name.
fn name_of<'o>(object: &'o Map<String, Value>, key: &'o str) -> &'o str {
    match object.get("name") {
        Some(Value::String(name)) if key == "value" => name,
        _ => key,
    }
}

/// Returns a value in which every text that looks like a secret is `****`.
fn hidden(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => hidden_if_secret(name, text).into(),
        Value::Array(list) => list.iter().map(|member| hidden(name, member)).collect(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| (key.clone(), hidden(name_of(members, key), value));
            members.iter().map(member).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::changed;

    fn lines(stored: &Value, new: &Value) -> Vec<String> {
        let fields = changed(stored.as_object().unwrap(), new.as_object().unwrap());
        let side = |value: Option<Value>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        fields.into_iter().map(|one| format!("{}: {} to {}", one.field, side(one.from), side(one.to))).collect()
    }

    #[test]
    fn each_value_is_named_by_its_place() {
        let stored = json!({
            "name": "web", "instanceTypes": ["t3.small"], "keyPair": "ops",
            "distributions": [{"region": "eu-west-1", "ami": {"name": "web"}}, {"region": "eu-west-2"}],
        });
        let new = json!({
            "name": "web", "instanceTypes": ["t3.small", "t3.large"], "priority": 10,
            "distributions": [{"region": "eu-west-1", "ami": {"name": "web-{{ n }}"}}],
        });
        let expected = [
            r#"distributions[0].ami.name: "web" to "web-{{ n }}""#,
            r#"distributions[1]: {"region":"eu-west-2"} to nothing"#,
            r#"instanceTypes: ["t3.small"] to ["t3.small","t3.large"]"#,
            r#"keyPair: "ops" to nothing"#,
            "priority: nothing to 10",
        ];
        assert_eq!(lines(&stored, &new), expected);
        assert_eq!(lines(&stored, &stored), [""; 0]);
    }

    #[test]
    fn a_list_that_was_empty_and_a_value_of_another_kind_are_compared_as_a_whole() {
        let (stored, new) = (json!({"a": [], "b": 1}), json!({"a": [{"c": 1}], "b": {"c": 1}}));
        assert_eq!(lines(&stored, &new), [r#"a: [] to [{"c":1}]"#, r#"b: 1 to {"c":1}"#]);
    }

    #[test]
    fn a_value_that_looks_like_a_secret_is_hidden_wherever_it_is() {
        let secret = "hunter2hunter2";
        for (stored, new) in [
            (json!({"dbPassword": secret}), json!({"dbPassword": "other"})),
            (json!({"dbPassword": [secret]}), json!({"dbPassword": [secret, secret]})),
            (json!({"all": [{"name": "dbPassword", "value": [secret]}]}), json!({"all": []})),
            (
                json!({"all": [{"name": "dbPassword", "value": secret}]}),
                json!({"all": [{"name": "dbPassword", "value": ""}]}),
            ),
            (json!({}), json!({"deep": {"dbPassword": secret}})),
        ] {
            let lines = lines(&stored, &new);
            assert!(lines.len() == 1 && lines[0].contains("****") && !lines[0].contains(secret), "{lines:?}");
        }
    }
}
