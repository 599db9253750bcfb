//! With `--output json`, a command that fails without a result prints one document that says why.

use serde_json::{Value, json};

use crate::folder::{Folder, Said};
use crate::schema::schema;

const BAD: &str = "\
kind: Component
name: nginx
semanticVersion: 1.0.0
uri: nginx.yaml
---
kind: ImageRecipe
name: web
semanticVersion: 1.0
parentImage: ami-0123456789abcdef0
components: [{name: nginx, version: 1.x.x}]
";

const DOCUMENT: &str =
    "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      - name: Run\n        action: ExecuteBsh\n";

/// Runs a call that fails with this exit code, with and without `--output json`. Checks that standard error is the same
/// except for the options in clap's usage, and returns the one document on standard output.
#[track_caller]
fn failure(folder: &Folder, call: &str, exit: i32) -> Value {
    let (text, json) = (folder.goldsmith(call), folder.goldsmith(&format!("{call} --output json")));
    assert_eq!((text.status, text.stdout.as_str()), (Some(exit), ""), "{call}");
    let told = |said: &Said| said.stderr.split("\n\nUsage: ").next().unwrap().to_owned();
    assert_eq!((json.status, told(&json)), (Some(exit), told(&text)), "{call}");
    let document =
        serde_json::from_str(&json.stdout).unwrap_or_else(|error| panic!("{call}: {error}: {}", json.stdout));
    check_schema(&schema("error"), &document, call);
    document
}

/// Checks that the schema describes each key, and that the keys that it requires are there.
#[track_caller]
fn check_schema(schema: &Value, value: &Value, call: &str) {
    if let Some(list) = value.as_array() {
        list.iter().for_each(|item| check_schema(&schema["items"], item, call));
    }
    let Some(map) = value.as_object() else { return };
    let required = schema["required"].as_array().unwrap();
    assert!(required.iter().all(|key| map.contains_key(key.as_str().unwrap())), "{call}: {value}");
    for (key, value) in map {
        assert!(schema["properties"][key].is_object(), "{call}: `{key}` is not in the schema");
        check_schema(&schema["properties"][key], value, call);
    }
}

#[test]
fn mistakes_in_definitions_are_listed_as_validate_lists_them() {
    let folder = Folder::with(&[("all.yml", BAD), ("nginx.yaml", DOCUMENT)]);
    let validated = folder.goldsmith("validate . --output json");
    let problems: Value = serde_json::from_str(&validated.stdout).unwrap();
    for (command, nothing) in [("plan", "planned"), ("apply", "applied"), ("build", "applied")] {
        let message = format!("2 mistakes in .: nothing was {nothing}");
        let expected = json!({"error": {"message": message, "problems": problems}});
        assert_eq!(failure(&folder, &format!("{command} ."), 2), expected);
    }
    let found = failure(&folder, "graph .", 2);
    assert_eq!(found["error"]["problems"].as_array().unwrap().len(), 2, "{found}");
    let run = failure(&folder, "run -d nginx.yaml", 2);
    let unknown = json!({"file": "nginx.yaml", "line": 6, "column": 17, "severity": "error", "code": "unknown-action",
                         "message": "unknown action `ExecuteBsh`", "help": "did you mean `ExecuteBash`?"});
    assert_eq!(run["error"]["problems"], json!([unknown]), "{run}");
}

#[test]
fn a_failure_names_its_causes_and_what_helps() {
    let folder = Folder::with(&[]);
    for (call, exit, expected) in [
        (
            "apply none.yml",
            2,
            json!({"message": "none.yml cannot be read", "because": ["No such file or directory (os error 2)"]}),
        ),
        (
            "build web --parameter nginx.dbPassword=hunter22",
            2,
            json!({"message": "the value of `--parameter nginx.dbPassword` looks like a secret, which a build's record should \
                               not contain",
                   "fix": "keep it in the Parameter Store as a SecureString and write `{{ aws:ssm:/path/name }}` where it \
                           is used; if it is not a secret, use --allow-plain-secrets"}),
        ),
        (
            "explain ami-name-takn",
            2,
            json!({"message": "there is no problem or error `ami-name-takn`: did you mean `ami-name-taken`?"}),
        ),
        ("plan none --detailed-exitcode --region eu-west-1 --endpoint-url http://127.0.0.1:9", 1, Value::Null),
    ] {
        let found = failure(&folder, call, exit);
        assert!(expected.is_null() || found["error"] == expected, "{call}: {found}");
    }
}

#[test]
fn a_wrong_command_line_is_a_failure_like_others() {
    let folder = Folder::with(&[]);
    for (call, expected) in [
        (
            "validate . --platfrm linux",
            json!({"message": "unexpected argument '--platfrm' found", "fix": "a similar argument exists: '--platform'"}),
        ),
        (
            "validate . --platform none",
            json!({"message": "invalid value 'none' for '--platform <PLATFORM>' [possible values: linux, windows, macos]"}),
        ),
        ("validate", json!({"message": "the following required arguments were not provided: <PATH>..."})),
        (
            "validate . --platform=dbPassword=hunter22",
            json!({"message": "invalid value 'dbPassword=****' for '--platform <PLATFORM>' [possible values: linux, \
                               windows, macos]"}),
        ),
    ] {
        assert_eq!(failure(&folder, call, 2), json!({"error": expected}), "{call}");
    }
    let help = folder.goldsmith("validate --help --output json");
    assert!(help.status == Some(0) && help.stdout.starts_with("Check documents"), "{help:?}");
}

#[test]
fn a_command_whose_result_is_only_text_rejects_json() {
    let folder = Folder::with(&[]);
    for (call, result) in [("completion bash", "the script of a shell"), ("local python", "the path of an interpreter")]
    {
        let said = folder.goldsmith(&format!("{call} --output json"));
        let message = format!("{result} is no JSON: leave out --output json");
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!((said.status, &document), (Some(2), &json!({"error": {"message": message}})), "{call}");
        assert_eq!(said.stderr, format!("goldsmith: error: {message}\n"));
    }
}

#[test]
fn a_result_that_is_a_failure_comes_without_a_second_document() {
    let folder = Folder::with(&[("all.yml", BAD), ("nginx.yaml", DOCUMENT)]);
    let said = folder.goldsmith("validate . --output json");
    assert_eq!(said.status, Some(1));
    assert!(serde_json::from_str::<Value>(&said.stdout).unwrap().is_array(), "{said:?}");
}
