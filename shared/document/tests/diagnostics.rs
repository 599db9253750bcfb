//! What is wrong with a document, as its author reads it.

use goldsmith_document::Document;

fn found(text: &str) -> String {
    Document::parse("f.yml", text).err().map(|found| found.to_string()).unwrap_or_default()
}

/// A document with one phase whose steps are given.
fn with_steps(steps: &str) -> String {
    format!("schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n{steps}")
}

#[test]
fn unknown_keys_and_actions_are_refused_with_what_was_probably_meant() {
    let text = with_steps(
        "      - name: One\n        acton: ExecuteBash\n      - name: Two\n        action: ExecuteBsh\n        onFailure: stop\n        \
         inputs: {commands: [x]}\n",
    );
    let expected = "\
f.yml:5:9: error: `action` of a step is missing
        - name: One
          ^^^^
f.yml:6:9: error: unknown key `acton` in a step
          acton: ExecuteBash
          ^^^^^
help: did you mean `action`?
f.yml:8:17: error: unknown action `ExecuteBsh`
          action: ExecuteBsh
                  ^^^^^^^^^^
help: did you mean `ExecuteBash`?
f.yml:9:20: error: `stop` is not a value of `onFailure`
          onFailure: stop
                     ^^^^
help: one of Abort, Continue, Ignore";
    assert_eq!(found(&text), expected);
}

#[test]
fn references_are_checked_where_they_stand() {
    let text = "\
schemaVersion: 1.0
parameters:
  - greeting: {type: string}
phases:
  - name: build
    steps:
      - name: One
        action: ExecuteBash
        inputs:
          commands:
            - |
              set -e
              echo {{ greting }} {{ validate.Two.outputs.stdout }}
              docker ps --format '{{.ID}}'
  - name: validate
    steps:
      - name: Two
        action: ExecuteBash
        inputs:
          commands:
            - echo {{ build.One.outputs.sdtout }} {{ build.Onne.outputs.stdout }}
";
    let expected = "\
f.yml:13:20: error: `greting` is neither a parameter nor a constant of this document
                echo {{ greting }} {{ validate.Two.outputs.stdout }}
                     ^^^^^^^^^^^^^
help: did you mean `greeting`?
f.yml:13:34: error: `validate.Two` has not run at this point
                echo {{ greting }} {{ validate.Two.outputs.stdout }}
                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: a step can use only values of steps that run before it
f.yml:14:35: error: this is not a reference
                docker ps --format '{{.ID}}'
                                    ^^^^^^^
help: a reference is `{{ Name }}` or `{{ phase.step.outputs.key }}`; to keep the text `{{.ID}}`, write `{{literal(.ID)}}`
f.yml:21:20: error: `build.One` has no output `sdtout`
              - echo {{ build.One.outputs.sdtout }} {{ build.Onne.outputs.stdout }}
                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: did you mean `stdout`?
f.yml:21:51: error: there is no step `build.Onne`
              - echo {{ build.One.outputs.sdtout }} {{ build.Onne.outputs.stdout }}
                                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: did you mean `build.One`?";
    assert_eq!(found(text), expected);
}

#[test]
fn names_follow_the_rules_and_are_unique() {
    let text = "\
schemaVersion: 2
parameters:
  - ab: {type: string}
  - size: {type: number, default: 4, allowedValues: [5, 6]}
constants:
  - size: {type: string}
phases:
  - name: build
    steps:
      - {name: my step, action: Reboot}
      - {name: Twice, action: Reboot}
      - {name: Twice, action: Reboot, timeoutSeconds: 0, maxAttempts: 0, inputs: {delaySeconds: -1}}
  - name: build
    steps: []
";
    let lines: Vec<String> = found(text).lines().filter(|line| line.starts_with("f.yml")).map(str::to_owned).collect();
    let expected = [
        "f.yml:1:16: error: schema version `2` is not known",
        "f.yml:3:5: error: the name of a parameter must have 3 to 128 characters, but `ab` has 2",
        "f.yml:4:18: error: `number` is not a value of `type`",
        "f.yml:4:35: error: the default `4` of `size` is not one of its allowed values",
        "f.yml:6:5: error: the parameter or constant `size` is declared twice",
        "f.yml:6:12: error: `value` of the constant `size` is missing",
        "f.yml:10:16: error: `my step` cannot be the name of a step",
        "f.yml:12:16: error: the step `Twice` is declared twice",
        "f.yml:12:55: error: `timeoutSeconds` cannot be 0",
        "f.yml:12:71: error: `maxAttempts` must be at least 1, not 0",
        "f.yml:12:97: error: `delaySeconds` must be a whole number that is at least 0, not `-1`",
        "f.yml:13:11: error: the phase `build` is declared twice",
        "f.yml:14:5: warning: the phase `build` has no steps",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn inputs_have_the_shape_that_their_action_wants() {
    let text = with_steps(
        "      - {name: One, action: ExecuteBash}\n      - {name: Two, action: CreateFile, inputs: {path: /x}}\n      \
         - {name: Three, action: WebDownload, inputs: [{source: 'http://x', checksum: abc}]}\n      \
         - {name: Four, action: ExecuteBash, inputs: {commands: []}}\n      - {name: Five, action: WebDownload, inputs: []}\n",
    );
    let lines: Vec<String> = found(&text).lines().filter(|line| line.starts_with("f.yml")).map(str::to_owned).collect();
    let expected = [
        "f.yml:5:10: error: Action ExecuteBash has no inputs; it requires an 'inputs'",
        "f.yml:6:50: error: `inputs` of CreateFile must be a list, not a map",
        "f.yml:7:54: error: `destination` of an input of WebDownload is missing",
        "f.yml:7:84: error: `checksum` also needs `algorithm`",
        "f.yml:8:52: error: `commands` must not be empty",
        "f.yml:9:43: error: `inputs` must not be empty",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn text_that_yaml_takes_for_something_else_is_to_be_quoted() {
    let colon = with_steps("      - {name: One, action: ExecuteBash, inputs: {commands: [echo a: b]}}\n");
    assert!(
        found(&colon).ends_with("help: put quotes around text that contains `: ` or begins with `{`"),
        "{}",
        found(&colon)
    );
    let braces = with_steps(
        "      - name: One\n        action: ExecuteBash\n        inputs:\n          commands:\n            - {{ x }}\n",
    );
    let expected = "f.yml:9:18: error: a map cannot be a key\n              - {{ x }}\n                   ^\nhelp: put quotes around text that begins with `{{`";
    assert_eq!(found(&braces), expected);
}

#[test]
fn whole_files_that_are_no_document_are_explained() {
    assert!(found("").starts_with("f.yml:1:1: error: the document is empty"));
    assert!(found("- a\n").starts_with("f.yml:1:1: error: a component document must be a map, not a list"));
    assert!(
        found("schemaVersion: 1\nphases: []\n")
            .contains("2:1: error: Document has 0 phases. Phases list must not be empty.")
    );
    assert!(
        found("a: 1\n---\nb: 1\n").starts_with("f.yml:3:1: error: a file must hold exactly one component document")
    );
}

#[test]
fn a_diagnostic_is_json_for_programs() {
    let found = Document::parse("f.yml", "schemaVersion: 1.0\nphases: []\nnaem: x\n").unwrap_err();
    let json = serde_json::to_value(&found).unwrap();
    let expected = serde_json::json!({
        "file": "f.yml", "line": 3, "column": 1, "severity": "error", "code": "unknown-key",
        "message": "unknown key `naem` in a component document", "help": "did you mean `name`?"
    });
    assert_eq!(json[1], expected);
}

#[test]
fn a_leading_zero_is_no_part_of_a_number() {
    for text in ["012", "08", "'012'"] {
        let found = found(&with_steps(&format!(
            "      - {{name: One, action: ExecuteBash, timeoutSeconds: {text}, inputs: {{commands: [x]}}}}\n"
        )));
        let text = text.trim_matches('\'');
        let expected = format!(
            "f.yml:5:58: error: `timeoutSeconds` must be a whole number without a leading zero, not `{text}`\n"
        );
        assert!(found.starts_with(&expected), "{found}");
    }
    let delay = found(&with_steps("      - {name: One, action: Reboot, inputs: {delaySeconds: 05}}\n"));
    assert!(delay.contains("`delaySeconds` must be a whole number that is at least 0, not `05`"), "{delay}");
}

#[test]
fn commands_that_succeed_without_effect_are_warned_of() {
    let warned = |command: &str, name: &str| {
        let text =
            with_steps(&format!("      - {{name: One, action: ExecuteBash, inputs: {{commands: ['{command}']}}}}\n"));
        let document = Document::parse("f.yml", &text).unwrap();
        document.warnings.to_string().contains(name)
    };
    assert!(warned("zypper --non-interactive patch", "zypper patch"));
    assert!(!warned("zypper patch --non-interactive-include-reboot-patches", "zypper patch"));
    assert!(!warned("zypper update", "zypper patch"));
    assert!(warned("curl -s http://169.254.169.254/latest/meta-data/instance-id", "token"));
    assert!(!warned("curl -H \"X-aws-ec2-metadata-token: $t\" http://169.254.169.254/latest/meta-data/", "token"));
}
