//! `goldsmith schema`: the committed schemas are what it prints, and say the same as the readers of the files.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1` and read the difference before it is
//! committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use goldsmith_document::{Diagnostics, Document, Module};
use goldsmith_model::definitions::{Draft, Kind, SourceFile};
use serde_json::Value;

use crate::folder::Folder;

fn schema(of: &str) -> Value {
    let said = Folder::with(&[]).goldsmith(&format!("schema {of}"));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{of}.schema.json"));
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        fs::write(&committed, &said.stdout).unwrap();
    }
    assert!(fs::read_to_string(committed).unwrap() == said.stdout, "docs/{of}.schema.json is not what is printed");
    serde_json::from_str(&said.stdout).unwrap()
}

/// Names in a list, or keys of a map.
fn names(value: &Value) -> BTreeSet<String> {
    let listed = value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    listed.chain(value.as_object().into_iter().flat_map(|map| map.keys().cloned())).collect()
}

/// The keys that a reader knows, out of its help for the key `zzz`.
fn known(found: &Diagnostics) -> BTreeSet<String> {
    let unknown = found.iter().find(|found| found.message.starts_with("unknown key `zzz`")).unwrap();
    let (_, keys) = unknown.help.as_ref().unwrap().split_once(" are ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

/// The keys that a reader misses.
fn missing(found: &Diagnostics) -> BTreeSet<String> {
    let name = |message: &str| Some(message.strip_prefix('`')?.split_once("` of ")?.0.to_owned());
    found.iter().filter(|found| found.code == "missing-key").filter_map(|found| name(&found.message)).collect()
}

#[test]
fn the_inputs_of_every_action_are_those_that_are_read() {
    let schema = schema("component");
    let steps = schema["definitions"]["step"]["allOf"].as_array().unwrap();
    for &module in Module::ALL.iter().filter(|module| **module != Module::Assert) {
        let name = module.name();
        let of_action = |step: &&Value| step["if"]["properties"]["action"]["const"] == name;
        let then = &steps.iter().find(of_action).unwrap()["then"];
        let inputs = &then["properties"]["inputs"];
        let (element, text) =
            if inputs["type"] == "array" { (&inputs["items"], "[{zzz: 1}]") } else { (inputs, "{zzz: 1}") };
        let head = "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n";
        let found = Document::parse("f", &format!("{head}      - {{name: One, action: {name}, inputs: {text}}}\n"));
        let found = found.unwrap_err();
        assert_eq!(names(&element["properties"]), known(&found), "{name}");
        if module != Module::ExecutePowerShell {
            assert_eq!(names(&element["required"]), missing(&found), "{name}"); // one of two there
        }
        let without = Document::parse("f", &format!("{head}      - {{name: One, action: {name}}}\n"));
        assert_eq!(names(&then["required"]).contains("inputs"), without.is_err(), "{name}");
    }
}

#[test]
fn the_operators_are_those_that_are_read() {
    let schema = schema("component");
    let text = "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: One, action: Assert, inputs: {zzz: 1}}]}]\n";
    let found = Document::parse("f", text).unwrap_err();
    let help = found.iter().find_map(|found| found.help.clone()).unwrap();
    let read: BTreeSet<String> = help.split_once(" are ").unwrap().1.split(", ").map(str::to_owned).collect();
    for part in ["expression", "condition"] {
        let forms = schema["definitions"][part]["oneOf"].as_array().unwrap();
        let operators = forms.iter().map(|form| form["required"][0].as_str().unwrap().to_owned());
        assert_eq!(operators.collect::<BTreeSet<_>>(), read, "{part}");
    }
}

#[test]
fn documents_phases_and_steps_have_the_keys_that_are_read() {
    let schema = schema("component");
    let known_in = |text: &str| known(&Document::parse("f", text).unwrap_err());
    assert_eq!(names(&schema["properties"]), known_in("zzz: 1\n"));
    let phase = "schemaVersion: 1.0\nphases: [{zzz: 1}]\n";
    assert_eq!(names(&schema["definitions"]["phase"]["properties"]), known_in(phase));
    let step = "schemaVersion: 1.0\nphases: [{name: build, steps: [{zzz: 1}]}]\n";
    assert_eq!(names(&schema["definitions"]["step"]["properties"]), known_in(step));
}

#[test]
fn definitions_have_the_keys_that_are_read_and_supported() {
    let schema = schema("pipeline");
    let read = |text: String| {
        let files = [SourceFile { path: "f".to_owned(), text }];
        Draft::read(&files, &|_| Err(std::io::ErrorKind::NotFound.into())).check_alone().unwrap_err()
    };
    for (word, _) in Kind::ALL {
        let definition = &schema["definitions"][word];
        let found = read(format!("kind: {word}\nzzz: 1\n"));
        let (keys, required) = (names(&definition["properties"]), names(&definition["required"]));
        let mut supported = known(&found);
        supported.retain(|key| {
            let found = read(format!("kind: {word}\n{key}: x\n"));
            !found.iter().any(|found| found.message == format!("`{key}` is not supported yet"))
        });
        assert_eq!(keys, supported, "{word}");
        let mut needed = missing(&found);
        needed.insert("kind".to_owned());
        assert_eq!(required, needed, "{word}");
    }
}
