//! Checks that `docs/events.md` contains the description of each event, and that `docs/events.schema.json` is their
//! schema.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1`, and read the difference before you commit
//! it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use goldsmith_states::own_events::{Field, Form, own_events};
use serde_json::json;

use crate::schema::schema;

/// The event that has the tables of all events about the end of a run.
const FIRST: &str = "Goldsmith Image State Change";

/// Returns the tables of these fields: first the fields themselves, and then those of each map within them.
fn tables(fields: &[Field], path: &str) -> String {
    let mut tables = String::new();
    if !path.is_empty() {
        write!(tables, "`{path}`:\n\n").unwrap();
    }
    tables.push_str("| field | value | meaning |\n| --- | --- | --- |\n");
    for field in fields {
        let remark = if field.is_optional { ", only if it applies" } else { "" };
        writeln!(tables, "| `{}` | {}{remark} | {} |", field.name, value(&field.form), field.about).unwrap();
    }
    for field in fields {
        for (within, more) in maps(&field.form) {
            let dot = if path.is_empty() { "" } else { "." };
            write!(tables, "\n{}", self::tables(within, &format!("{path}{dot}{}{more}", field.name))).unwrap();
        }
    }
    tables
}

/// Returns the maps of a form, each with what distinguishes its name from that of the field.
fn maps(form: &Form) -> Vec<(&'static [Field], String)> {
    match *form {
        Form::Map(fields) => vec![(fields, String::new())],
        Form::OrNull(inner) => maps(inner),
        Form::List(item) => maps(item).into_iter().map(|(fields, more)| (fields, format!("[]{more}"))).collect(),
        Form::Either(choices) => choices.iter().map(|fields| (*fields, format!(" ({})", kind(fields)))).collect(),
        _ => vec![],
    }
}

/// Returns the one word of the first field of a choice.
fn kind(fields: &[Field]) -> &'static str {
    match fields[0].form {
        Form::Word([word]) => word,
        _ => panic!("no word tells the choices apart"),
    }
}

fn value(form: &Form) -> String {
    match form {
        Form::Text => "text".to_owned(),
        Form::Time => "time (RFC 3339)".to_owned(),
        Form::Flag => "`true`, `false`".to_owned(),
        Form::Number => "number".to_owned(),
        Form::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::OrNull(inner) => format!("{} or `null`", value(inner)),
        Form::List(item) => format!("list of {}s", value(item)),
        Form::Pairs => "texts by name".to_owned(),
        Form::Map(_) | Form::Either(_) => "map".to_owned(),
    }
}

#[test]
fn the_page_says_of_each_event_what_its_description_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    let mut page = fs::read_to_string(&path).unwrap();
    let is_writing = std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some();
    for event in own_events() {
        let begin = format!("<!-- `cargo test` writes {}: GOLDSMITH_WRITE_EXPECTED=1 -->\n", event.detail_type);
        let end = "<!-- the end of the fields -->\n";
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no section of {}", event.detail_type));
        let (written, after) = rest.split_once(end).unwrap();
        // The events about the end of a run differ only in their statuses.
        let fields = match event.detail.split_first() {
            Some((status, _)) if status.name == "status" && event.detail_type != FIRST => {
                format!("{}\nAll other fields are those of `{FIRST}`.\n", tables(&[*status], ""))
            }
            _ => tables(&event.detail, ""),
        };
        let expected = format!("\n{}\n\n`resources`: {}\n\n{fields}\n", event.when, event.resources);
        if is_writing {
            page = format!("{before}{begin}{expected}{end}{after}");
        } else {
            assert!(written == expected, "docs/events.md says something else of {}", event.detail_type);
        }
    }
    if is_writing {
        fs::write(path, page).unwrap();
    }
}

#[test]
fn the_schema_is_that_of_every_event() {
    let schema = schema("events");
    for event in own_events() {
        let definition = &schema["definitions"][event.detail_type.replace(' ', "")];
        assert_eq!(definition["properties"]["detail-type"], json!({"const": event.detail_type}));
        let detail = definition["properties"]["detail"]["properties"].as_object().unwrap();
        let described: BTreeSet<&str> = event.detail.iter().map(|field| field.name).collect();
        assert_eq!(detail.keys().map(String::as_str).collect::<BTreeSet<_>>(), described, "{}", event.detail_type);
    }
}
