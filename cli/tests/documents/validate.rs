//! `goldsmith validate`

use crate::folder::Folder;

const GOOD: &str = "\
schemaVersion: 1.0
parameters:
  - channel: {type: string, default: stable, allowedValues: [stable, edge]}
phases:
  - name: build
    steps:
      - {name: Show, action: ExecuteBash, inputs: {commands: ['echo {{ channel }}']}}
";

const BAD: &str = "\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - {name: Show, action: ExecuteBsh, inputs: {commands: ['echo']}}
      - {name: Format, action: ExecuteBash, inputs: {commands: [\"docker ps --format '{{.ID}}'\"]}}
";

const EXPLAINED: &str = "\
bad.yml:5:30: error: unknown action `ExecuteBsh`
        - {name: Show, action: ExecuteBsh, inputs: {commands: ['echo']}}
                               ^^^^^^^^^^
help: did you mean `ExecuteBash`?
bad.yml:6:86: error: this is not a reference
        - {name: Format, action: ExecuteBash, inputs: {commands: [\"docker ps --format '{{.ID}}'\"]}}
                                                                                       ^^^^^^^
help: a reference is `{{ Name }}` or `{{ phase.step.outputs.key }}`; to keep the text `{{.ID}}`, write `{{literal(.ID)}}`
";

#[test]
fn valid_documents_are_counted_and_wrong_ones_explained() {
    let folder = Folder::with(&[("good.yml", GOOD), ("bad.yml", BAD)]);
    folder.goldsmith("validate good.yml").is(0, "1 file: valid\n", "");
    folder.goldsmith("validate good.yml bad.yml").is(1, &format!("{EXPLAINED}2 files: 2 errors\n"), "");
    let of_folder = EXPLAINED.replace("bad.yml", "./bad.yml");
    folder.goldsmith("validate .").is(1, &format!("{of_folder}2 files: 2 errors\n"), "");
}

#[test]
fn twelve_mistakes_are_twelve_findings_for_programs() {
    let mistakes = include_str!("../../../shared/document/tests/mistakes/twelve.yml");
    let folder = Folder::with(&[("twelve.yml", mistakes), ("good.yml", GOOD)]);
    let said = folder.goldsmith("validate twelve.yml --output json");
    let found: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.status, found.len(), said.stderr.as_str()), (Some(1), 12, ""));
    let first = serde_json::json!({
        "file": "twelve.yml", "line": 3, "column": 1, "severity": "error", "code": "unknown-key",
        "message": "unknown key `desciption` in a component document", "help": "did you mean `description`?",
    });
    assert_eq!(found[0], first);
    folder.goldsmith("validate good.yml --output json").is(0, "[]\n", "");
}

#[test]
fn the_platform_decides_which_actions_there_are() {
    let windows = "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      - {name: Set, action: ExecutePowerShell, \
                   inputs: {commands: [Get-Date]}}\n";
    let folder = Folder::with(&[("w.yml", windows)]);
    folder.goldsmith("validate w.yml --platform windows").is(0, "1 file: valid\n", "");
    for platform in ["linux", "macos", "darwin"] {
        let name = if platform == "linux" { "Linux" } else { "macOS" };
        let expected = format!(
            "\
w.yml:5:29: error: the action `ExecutePowerShell` is not available on {name}
        - {{name: Set, action: ExecutePowerShell, inputs: {{commands: [Get-Date]}}}}
                              ^^^^^^^^^^^^^^^^^
help: it is available on Windows
1 file: 1 error
"
        );
        folder.goldsmith(&format!("validate w.yml --platform {platform}")).is(1, &expected, "");
    }
}

#[test]
fn parameters_are_held_against_the_documents() {
    let folder = Folder::with(&[("good.yml", GOOD)]);
    folder.goldsmith("validate good.yml --parameters channel=edge").is(0, "1 file: valid\n", "");
    let expected = "\
--parameters:1:9: error: `beta` is not an allowed value of the parameter `channel`
  channel=beta
          ^^^^
help: one of stable, edge
1 file: 1 error
";
    folder.goldsmith("validate good.yml --parameters channel=beta").is(1, expected, "");
    let warning = "\
--parameters:1:1: warning: no document has a parameter `chanel`
  chanel=edge
  ^^^^^^
help: did you mean `channel`?
1 file: valid, 1 warning
";
    folder.goldsmith("validate good.yml --parameters chanel=edge").is(0, warning, "");
    let usage = "goldsmith: error: `edge` in --parameters is not a name and a value: write NAME=VALUE,NAME=VALUE, and \
                 `\\,` for a comma in a value\n";
    folder.goldsmith("validate good.yml --parameters edge").is(2, "", usage);
}

#[test]
fn a_value_is_given_to_a_parameter_only_once() {
    let folder = Folder::with(&[("good.yml", GOOD)]);
    let twice = folder.goldsmith("validate good.yml --parameters channel=edge --parameters channel=stable");
    twice.is(2, "", "goldsmith: error: --parameters has `channel` twice\n");
}

#[test]
fn no_message_shows_a_value_that_looks_like_a_secret() {
    let document = "schemaVersion: 1.0\nparameters:\n  - dbPassword:\n      type: string\n      allowedValues: [a, b]\n\
                    phases: [{name: build, steps: []}]\n";
    let recipe = "kind: Component\nname: data\nsemanticVersion: 1.0.0\nuri: given.yml\n---\nkind: ImageRecipe\nname: web\n\
                  semanticVersion: 1.0.0\nparentImage: ami-0123456789abcdef0\ncomponents:\n\
                  - {name: data, version: 1.x.x, parameters: {dbPassword: hunter22}}\n";
    let long = format!("description: {}, defualt: hunter22", "x".repeat(300));
    let long = document.replace("  - dbPassword:\n", &format!("  - dbPassword: {{{long}}}\n  - two:\n"));
    let files = [
        ("given.yml", document.to_owned()),
        ("recipe.yml", recipe.to_owned()),
        ("default.yml", document.replace("allowedValues", "default: hunter22\n      allowedValues")),
        (
            "key.yml",
            document.replace("  - dbPassword:\n", "  - dbPassword: {type: string, defualt: hunter22}\n  - two:\n"),
        ),
        ("broken.yml", "schemaVersion: 1.0\ndbPassword: [hunter22\nphases: []\n".to_owned()),
        ("long.yml", long),
        (
            "config.json",
            r#"{"documents": [], "parameters": [{"name": "dbPassword", "value": ["hunter22"]}]}"#.to_owned(),
        ),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = Folder::with(&files);
    for (call, said) in [
        (
            "validate given.yml --parameters dbPassword=hunter22",
            "`****` is not an allowed value of the parameter `dbPassword`",
        ),
        ("validate given.yml --parameters dbPasswort=1,dbPassword=a,hunter22", "`****` in --parameters is not a name"),
        ("validate given.yml --parameters dbPassword=hunter22 --platform none", "invalid value 'none'"),
        ("validate given.yml --platform dbPassword=hunter22", "invalid value 'dbPassword=****' for '--platform"),
        ("validate given.yml --platform=dbPassword=hunter22", "invalid value 'dbPassword=****' for '--platform"),
        (
            "build web --parameter dbPassword=hunter22",
            "invalid value 'dbPassword=****' for '--parameter <COMPONENT.NAME=VALUE>'",
        ),
        ("build web data.dbPassword=hunter22", "unexpected argument 'data.dbPassword=****' found"),
        ("validate default.yml", "the default `****` of `dbPassword` is not one of its allowed values"),
        ("validate recipe.yml", "`****` is not an allowed value of parameter `dbPassword`"),
        ("validate key.yml", "key.yml:3:32: error: unknown key `defualt`"),
        ("validate broken.yml", "broken.yml:"),
        ("validate long.yml", "long.yml:3:333: error: unknown key `defualt`"),
        ("run -d key.yml", "key.yml:3:32: error: unknown key `defualt`"),
        ("run -c config.json", "config.json:1:66: error: "),
    ] {
        let output = folder.goldsmith(call);
        let all = format!("{}{}", output.stdout, output.stderr);
        assert!(all.contains(said) && !all.contains("hunter22"), "{call}: {all}");
        assert_ne!(output.status, Some(0), "{call}");
    }
}

#[test]
fn definitions_are_checked_together_with_the_documents_that_they_name() {
    let definitions = "\
kind: Component
name: bad
semanticVersion: 1.0.0
uri: bad.yml
---
kind: ImageRecipe
name: web
semanticVersion: 1.0
parentImage: ami-0123456789abcdef0
components: [{name: bad, version: 1.x.x}]
";
    let folder = Folder::with(&[("all.yml", definitions), ("bad.yml", BAD)]);
    let expected = format!(
        "\
{EXPLAINED}all.yml:8:18: error: `1.0` is not a version: expected three numbers, such as 1.4.2
  semanticVersion: 1.0
                   ^^^
2 files: 3 errors
"
    );
    let said = folder.goldsmith("validate .");
    said.is(1, &expected.replace("bad.yml:", "./bad.yml:").replace("all.yml:", "./all.yml:"), "");
}

#[test]
fn what_is_no_text_is_a_finding_and_what_is_not_there_is_a_wrong_call() {
    let folder = Folder::with(&[("good.yml", GOOD), ("empty.yml", "")]);
    std::fs::write(folder.path("binary.yml"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    let expected = "\
binary.yml:1:1: error: the file is not UTF-8 text
help: it looks like UTF-16: save it as UTF-8
empty.yml:1:1: error: the document is empty
3 files: 2 errors
";
    folder.goldsmith("validate binary.yml empty.yml good.yml").is(1, expected, "");
    let missing = "goldsmith: error: none.yml cannot be read\n  because: No such file or directory (os error 2)\n";
    folder.goldsmith("validate none.yml good.yml").is(2, "", missing);
    assert_eq!(folder.goldsmith("validate").status, Some(2));
}
