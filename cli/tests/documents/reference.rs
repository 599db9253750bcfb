//! Checks that `docs/definitions.md` contains the description of each key.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1`, and read the difference before you commit
//! it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use goldsmith_model::definitions::{Form, Key, Kind};

/// Returns the tables of one kind: its keys, and then the keys of each map within it.
fn tables(keys: &[Key], path: &str) -> String {
    let mut tables = String::new();
    if !path.is_empty() {
        write!(tables, "`{path}`:\n\n").unwrap();
    }
    tables.push_str("| key | value | default | meaning |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let default = if key.is_required { "required" } else { key.default };
        writeln!(tables, "| `{}` | {} | {default} | {} |", key.name, value(key.form), key.about).unwrap();
    }
    for key in keys.iter().filter(|key| !key.form.keys().is_empty()) {
        let dot = if path.is_empty() { "" } else { "." };
        let list = if matches!(key.form, Form::Maps(_)) { "[]" } else { "" };
        write!(tables, "\n{}", self::tables(key.form.keys(), &format!("{path}{dot}{}{list}", key.name))).unwrap();
    }
    tables
}

fn value(form: Form) -> String {
    let words = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match form {
        Form::Text => "text".to_owned(),
        Form::Number(_) => "number".to_owned(),
        Form::Flag => "`true`, `false`".to_owned(),
        Form::True => "`true`".to_owned(),
        Form::Word(choices) => words(choices),
        Form::Texts => "list of texts".to_owned(),
        Form::Words(choices) => format!("list of {}", words(choices)),
        Form::Pairs => "names and values".to_owned(),
        Form::Map(_) => "map".to_owned(),
        Form::Maps(_) => "list of maps".to_owned(),
        Form::TextOrMap(_) => "text or map".to_owned(),
        Form::FlagOrMap(_) => "`true`, `false` or map".to_owned(),
    }
}

#[test]
fn the_reference_of_definitions_says_what_the_descriptions_of_their_keys_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/definitions.md");
    let mut page = fs::read_to_string(&path).unwrap();
    for (word, kind) in Kind::ALL {
        let begin = format!("<!-- `cargo test` writes the tables of {word}: GOLDSMITH_WRITE_EXPECTED=1 -->\n");
        let (before, rest) = page.split_once(&begin).unwrap();
        let (written, after) = rest.split_once("<!-- the end of the tables -->\n").unwrap();
        let expected = format!("\n{}\n", tables(kind.keys(), ""));
        if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
            page = format!("{before}{begin}{expected}<!-- the end of the tables -->\n{after}");
        } else {
            assert!(written == expected, "docs/definitions.md has other tables of {word} than its keys' descriptions");
        }
    }
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        fs::write(path, page).unwrap();
    }
}
