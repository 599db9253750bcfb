//! The schema of a step's `if`, and of the expression of `Assert`.

use serde_json::{Map, Value, json};

use super::shape::{list, part, text, word};

/// Operators that compare a value with a baseline.
const RELATIONS: [&str; 5] = ["Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];
/// Operators on a single text.
const UNARY: [&str; 5] = ["stringIsEmpty", "stringIsWhitespace", "binaryExists", "fileExists", "folderExists"];
/// Digests of files.
const DIGESTS: [&str; 4] = ["MD5", "SHA1", "SHA256", "SHA512"];

/// Returns the schema of an expression: one operator and its operands.
pub(super) fn expression() -> Value {
    forms(&[])
}

/// Returns the schema of a step's `if`: an expression with `then` and `else`.
pub(super) fn condition() -> Value {
    forms(&["then", "else"])
}

fn forms(verdicts: &[&str]) -> Value {
    let form = |operator: &str, operand: Value, beside: Option<&str>| {
        let mut properties = Map::from_iter([(operator.to_owned(), operand)]);
        properties.extend(beside.map(|key| (key.to_owned(), text())));
        properties.extend(verdicts.iter().map(|key| ((*key).to_owned(), word(["Execute", "Skip", "Abort"]))));
        let required: Vec<&str> = [operator].into_iter().chain(beside).collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    };
    let negated = json!({"anyOf": [part("expression"), {"type": "array", "items": part("expression"), "minItems": 1, "maxItems": 1}]});
    let mut forms = vec![form("not", negated, None)];
    forms.extend(["and", "or"].map(|operator| form(operator, list(part("expression"), 1), None)));
    forms.extend(UNARY.map(|operator| form(operator, text(), None)));
    forms.push(form("patternMatches", text(), Some("value")));
    for kind in ["string", "number"] {
        forms.extend(RELATIONS.map(|relation| form(&format!("{kind}{relation}"), text(), Some("value"))));
    }
    forms.extend(DIGESTS.map(|digest| form(&format!("file{digest}Equals"), text(), Some("path"))));
    json!({"oneOf": forms})
}
