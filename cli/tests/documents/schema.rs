//! Checks `goldsmith schema`: the committed schemas are its output, and agree with the readers of the files.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1`, and read the difference before you commit
//! it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use goldsmith_document::{Diagnostics, Document, Module};
use goldsmith_model::definitions::{Draft, Form, Key, Kind, Limits, SourceFile};
use serde_json::{Value, json};

use crate::folder::Folder;

pub(crate) fn schema(of: &str) -> Value {
    let said = Folder::with(&[]).goldsmith(&format!("schema {of}"));
    assert_eq!((said.status, said.stderr.as_str()), (Some(0), ""));
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/{of}.schema.json"));
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        fs::write(&committed, &said.stdout).unwrap();
    }
    assert!(fs::read_to_string(committed).unwrap() == said.stdout, "docs/{of}.schema.json is not what is printed");
    serde_json::from_str(&said.stdout).unwrap()
}

/// Returns the names in a list, or the keys of a map.
fn names(value: &Value) -> BTreeSet<String> {
    let listed = value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    listed.chain(value.as_object().into_iter().flat_map(|map| map.keys().cloned())).collect()
}

/// Returns the keys that a reader knows, from its help for the key `zzz`.
fn known(found: &Diagnostics) -> BTreeSet<String> {
    let unknown = found.iter().find(|found| found.message.starts_with("unknown key `zzz`")).unwrap();
    let (_, keys) = unknown.help.as_ref().unwrap().split_once(" are ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

/// Returns the keys that a reader reports as missing.
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

/// Writes a definition that has `keys` in the map or list of maps at `path`.
fn definition(word: &str, path: &[&Key], keys: &str) -> String {
    let nested = path.iter().rev().fold(keys.to_owned(), |inner, key| match key.form {
        Form::Maps(_) => format!("{}: [{{{inner}}}]", key.name),
        _ => format!("{}: {{{inner}}}", key.name),
    });
    format!("{{kind: {word}, {nested}}}\n")
}

fn read_definition(text: String) -> Diagnostics {
    let files = [SourceFile { path: "f".to_owned(), text }];
    Draft::read(&files, &|_| Err(std::io::ErrorKind::NotFound.into())).check_alone().unwrap_err()
}

/// Checks that the reader knows these keys and requires those that are required, here and in the maps within.
fn check_keys(word: &str, path: &mut Vec<&'static Key>, keys: &'static [Key]) {
    let found = read_definition(definition(word, path, "zzz: 1"));
    let mut supported = known(&found);
    supported.retain(|key| {
        let found = read_definition(definition(word, path, &format!("{key}: x")));
        !found.iter().any(|found| found.message == format!("`{key}` is not supported yet"))
    });
    supported.remove("kind");
    let names = |keys: &mut dyn Iterator<Item = &Key>| keys.map(|key| key.name.to_owned()).collect::<BTreeSet<_>>();
    let place: Vec<&str> = std::iter::once(word).chain(path.iter().map(|key| key.name)).collect();
    assert_eq!(names(&mut keys.iter()), supported, "{}", place.join("."));
    let required = names(&mut keys.iter().filter(|key| key.is_required));
    let mut missed = missing(&found);
    if !path.is_empty() {
        // The keys around this map are missing too.
        missed.retain(|key| required.contains(key));
    }
    assert_eq!(required, missed, "{}", place.join("."));
    for key in keys.iter().filter(|key| !key.form.keys().is_empty()) {
        path.push(key);
        check_keys(word, path, key.form.keys());
        path.pop();
    }
}

#[test]
fn the_keys_of_definitions_are_those_that_are_read_and_supported() {
    for (word, kind) in Kind::ALL {
        check_keys(word, &mut Vec::new(), kind.keys());
    }
}

/// Calls `check` with each key of the definitions and its path.
fn each_key(path: &mut Vec<&'static Key>, keys: &'static [Key], check: &mut dyn FnMut(&[&'static Key], &'static Key)) {
    for key in keys {
        check(path, key);
        path.push(key);
        each_key(path, key.form.keys(), check);
        path.pop();
    }
}

/// Returns what is wrong with `value` as the value of this key.
fn mistakes(word: &str, path: &[&Key], key: &Key, value: &str) -> Vec<String> {
    let found = read_definition(definition(word, path, &format!("{}: {value}", key.name)));
    let of_form = |code: &str| ["wrong-shape", "unknown-value"].contains(&code);
    found.iter().filter(|found| of_form(found.code)).map(|found| found.message.clone()).collect()
}

#[test]
fn each_key_of_a_definition_takes_values_of_its_form_and_no_others() {
    for (word, kind) in Kind::ALL {
        each_key(&mut Vec::new(), kind.keys(), &mut |path, key| {
            let (good, bad): (Vec<String>, &str) = match key.form {
                // It is also the beginning of a document, for `data`.
                Form::Text => (vec!["'schemaVersion: 1.0'".to_owned()], "[a, b]"),
                Form::Number(limits) => (vec![limits.least.to_string(), limits.most.to_string()], "many"),
                Form::Flag => (vec!["true".to_owned(), "'false'".to_owned()], "maybe"),
                Form::True => (vec!["true".to_owned()], "maybe"),
                Form::Word(words) => (words.iter().map(|word| (*word).to_owned()).collect(), "[zzz]"),
                Form::Texts => (vec!["[abc]".to_owned()], "{a: b}"),
                Form::Words(words) => (vec![format!("[{}]", words.join(", "))], "{a: b}"),
                Form::Pairs => (vec!["{a: b}".to_owned()], "[a]"),
                Form::Map(_) => (vec!["{}".to_owned()], "[a]"),
                Form::Maps(_) => (vec!["[{}]".to_owned()], "{a: b}"),
                Form::TextOrMap(_) => (vec!["abc".to_owned(), "{}".to_owned()], "[a]"),
                Form::FlagOrMap(_) => (vec!["true".to_owned(), "'false'".to_owned(), "{}".to_owned()], "[a]"),
            };
            for value in good {
                assert_eq!(mistakes(word, path, key, &value), [""; 0], "{word}: {}: {value}", key.name);
            }
            assert!(!mistakes(word, path, key, bad).is_empty(), "{word}: {}: {bad}", key.name);
        });
    }
}

#[test]
fn a_number_beyond_its_limits_is_a_mistake_for_the_reader_and_for_an_editor() {
    let schema = schema("pipeline");
    let mut numbers = 0;
    for (word, kind) in Kind::ALL {
        each_key(&mut Vec::new(), kind.keys(), &mut |path, key| {
            let Form::Number(Limits { least, most }) = key.form else { return };
            let (least, most) = (i64::from(least), i64::from(most));
            let is_outside = |value: i64| {
                let found = read_definition(definition(word, path, &format!("{}: {value}", key.name)));
                found.iter().any(|found| found.code == "out-of-range")
            };
            let found = [least - 1, least, most, most + 1].map(is_outside);
            assert_eq!(found, [true, false, false, true], "{word}: {}", key.name);
            let shown = &within(&schema["definitions"][word], path)["properties"][key.name];
            assert_eq!((&shown["minimum"], &shown["maximum"]), (&json!(least), &json!(most)), "{word}: {}", key.name);
            numbers += 1;
        });
    }
    assert!(numbers > 0);
}

/// Returns the schema of the map that this path leads to.
fn within<'a>(definition: &'a Value, path: &[&Key]) -> &'a Value {
    path.iter().fold(definition, |schema, key| match key.form {
        Form::Maps(_) => &schema["properties"][key.name]["items"],
        Form::TextOrMap(_) | Form::FlagOrMap(_) => &schema["properties"][key.name]["anyOf"][1],
        _ => &schema["properties"][key.name],
    })
}

#[test]
fn an_editor_shows_what_each_key_of_a_definition_is() {
    let schema = schema("pipeline");
    for (word, kind) in Kind::ALL {
        let definition = &schema["definitions"][word];
        assert_eq!(definition["required"][0], "kind");
        each_key(&mut Vec::new(), kind.keys(), &mut |path, key| {
            let within = within(definition, path);
            let shown = within["properties"][key.name]["description"].as_str().unwrap();
            assert!(shown.starts_with(key.about), "{word}: {}", key.name);
            assert_eq!(names(&within["required"]).contains(key.name), key.is_required, "{word}: {}", key.name);
        });
    }
}
