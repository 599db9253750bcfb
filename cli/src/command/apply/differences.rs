//! Shows by which fields a stored definition is replaced.

use goldsmith_store::{Change, ChangedField};
use serde_json::Value;

use crate::render::{count_in_words, shortened};

/// The most fields of a definition that are shown to people.
const MOST: usize = 20;
/// The longest value that is shown to people, in characters.
const LONGEST: usize = 60;

/// Returns a line for each field of a replaced definition that differs, with the signs of `goldsmith diff`.
pub(crate) fn differences(change: &Change) -> Vec<String> {
    let line = |one: &ChangedField| {
        let text = match (&one.from, &one.to) {
            (Some(from), Some(to)) => format!("~ {}: {} → {}", one.field, shown(from), shown(to)),
            (None, Some(to)) => format!("+ {}: {}", one.field, shown(to)),
            (from, None) => format!("- {}: {}", one.field, from.as_ref().map(shown).unwrap_or_default()),
        };
        format!("  {text}")
    };
    let rest = change.fields.len().saturating_sub(MOST);
    let more = (rest > 0).then(|| format!("  and {}", count_in_words(rest, "other field")));
    change.fields.iter().take(MOST).map(line).chain(more).collect()
}

/// Returns a value as JSON, and only its beginning if it is long.
fn shown(value: &Value) -> String {
    shortened(&value.to_string(), LONGEST)
}

#[cfg(test)]
mod tests {
    use goldsmith_store::{Change, ChangedField, Outcome};

    use super::differences;

    #[test]
    fn long_values_and_many_fields_are_cut_for_people() {
        let field = |at: usize| ChangedField { field: format!("f{at}"), from: None, to: Some("x".repeat(100).into()) };
        let change = Change {
            kind: "image pipeline".to_owned(),
            name: "web".parse().unwrap(),
            version: None,
            outcome: Outcome::Replaced,
            fields: (0..22).map(field).collect(),
            pipelines: Vec::new(),
        };
        let lines = differences(&change);
        assert_eq!((lines.len(), lines[20].as_str()), (21, "  and 2 other fields"));
        assert_eq!(lines[0], format!("  + f0: \"{}…", "x".repeat(58)));
    }
}
