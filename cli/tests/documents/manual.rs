//! Checks that `docs/documents.md` is true: its examples are valid, and its table of actions follows from their
//! descriptions.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1`, and read the difference before you commit
//! it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use goldsmith_document::{Form, Input, Module, Shape};

use crate::folder::Folder;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/documents.md")
}

fn manual() -> String {
    fs::read_to_string(path()).unwrap()
}

#[test]
fn every_example_is_a_valid_document() {
    let manual = manual();
    let examples: Vec<&str> =
        manual.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let said = Folder::with(&[("example.yml", example)]).goldsmith("validate example.yml");
        said.is(0, "1 file: valid\n", "");
    }
}

const BEGIN: &str = "<!-- `cargo test` writes this table: GOLDSMITH_WRITE_EXPECTED=1 -->\n";
const END: &str = "<!-- the end of the table -->\n";

/// Returns the table of all actions, made from their descriptions.
fn actions() -> String {
    let mut table = String::from(
        "| action | what it does | inputs (default) | outputs | runs on |\n| --- | --- | --- | --- | --- |\n",
    );
    for module in Module::ALL {
        let of_element = if module.form() == Form::List { "each: " } else { "" };
        let inputs: Vec<String> = module.inputs().map(input).collect();
        let inputs = if module.form() == Form::Expression { "one operator".to_owned() } else { inputs.join(", ") };
        let outputs: Vec<String> = module.outputs().iter().map(|key| format!("`{key}`")).collect();
        let platforms: Vec<&str> = module.platforms().iter().map(|platform| platform.name()).collect();
        let (name, summary, outputs, platforms) =
            (module.name(), module.summary(), outputs.join(", "), platforms.join(", "));
        writeln!(table, "| `{name}` | {summary} | {of_element}{inputs} | {outputs} | {platforms} |").unwrap();
    }
    table
}

fn input(input: Input) -> String {
    let list = if input.shape == Shape::NamesAndValues { " (list of `name`, `value`)" } else { "" };
    let remark = match input.default {
        Some(default) => format!(" (`{default}`)"),
        None if input.is_required => String::new(),
        None => " (optional)".to_owned(),
    };
    format!("`{}`{list}{remark}", input.key)
}

#[test]
fn the_table_of_actions_says_what_their_descriptions_say() {
    let manual = manual();
    let (before, rest) = manual.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let expected = format!("\n{}\n", actions());
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        fs::write(path(), format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert!(written == expected, "docs/documents.md has another table of actions than their descriptions");
}
