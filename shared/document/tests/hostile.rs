//! Input that nobody means well with: an error, in reasonable time, never a panic.

use goldsmith_document::{Diagnostics, Document};
use proptest::prelude::*;

fn refused(text: &str) -> Diagnostics {
    Document::parse("f.yml", text).err().unwrap_or_default()
}

/// A document whose only command is given.
fn step(command: &str) -> String {
    format!(
        "schemaVersion: 1.0\nphases:\n- name: build\n  steps:\n  - name: One\n    action: ExecuteBash\n    inputs: {{commands: ['{command}']}}\n"
    )
}

fn codes(found: &Diagnostics) -> Vec<&str> {
    let mut codes: Vec<&str> = found.iter().map(|found| found.code).collect();
    codes.dedup();
    codes
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h", "i"].into_iter().zip("abcdefgh".chars()) {
        text += &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 9].join(", "));
    }
    assert_eq!(codes(&refused(&text)), ["alias"]);
}

#[test]
fn nesting_without_end_ends_soon() {
    for opening in ["[", "{", "- ", "{a: ", "[{"] {
        for bytes in [100_000, 4_000_000] {
            let codes_of = |text: &str| codes(&refused(text)).join(" ");
            let found = codes_of(&opening.repeat(bytes / opening.len()));
            assert!(matches!(found.as_str(), "too-deep" | "yaml-syntax"), "{opening}: {found}");
        }
    }
    assert_eq!(codes(&refused(&"[".repeat(10 * 1024 * 1024))), ["too-long"]);
}

#[test]
fn many_keys_and_many_mistakes_cost_no_more_than_their_number() {
    let different: String = (0..50_000).map(|n| format!("key{n}: x\n")).collect();
    assert_eq!(refused(&different).len(), Diagnostics::MAX);
    let same = "key: x\n".repeat(20_000);
    let found = refused(&same);
    assert_eq!((found.len(), codes(&found)), (Diagnostics::MAX, vec!["duplicate-key"]));
    let line = format!("{{{}}}", "é: [1], ".repeat(20_000));
    assert_eq!(refused(&line).len(), Diagnostics::MAX);
}

#[test]
fn braces_without_end_are_text() {
    assert!(Document::parse("f.yml", &step(&"{".repeat(400_000))).is_ok());
    assert!(refused(&step(&"{{ x }}".repeat(20_000))).len() == Diagnostics::MAX);
    assert!(refused(&step(&"''{{ ''x }}".repeat(20_000))).len() == Diagnostics::MAX);
    assert!(Document::parse("f.yml", &step(&"{{literal(x)}}".repeat(20_000))).is_ok());
    assert!(refused(&step(&"{{literal(x}}".repeat(20_000))).len() == Diagnostics::MAX);
}

#[test]
fn long_words_and_lines_are_cut_in_messages() {
    let word = "x".repeat(1_000_000);
    for text in [
        format!("{word}: 1"),
        format!("schemaVersion: {word}"),
        format!("schemaVersion: 1\nphases: {word}"),
        step(&format!("{{{{ {word} }}}}")),
        step(&format!("{{{{ .{word} }}}}")),
        step(&format!("{{{{ context:{word} }}}} {{{{ aws:imds:iam/{word} }}}}")),
        step(&format!("{{{{ {word}.Two.outputs.stdout }}}}")),
        format!("schemaVersion: 1\nphases: [{{name: {word}, steps: [{{name: One, action: {word}}}]}}]"),
    ] {
        let shown = refused(&text).to_string();
        assert!(shown.len() < 3_000, "{} bytes: {}", shown.len(), &shown[..500]);
    }
}

#[test]
fn nothing_of_a_file_reaches_the_terminal_as_a_command() {
    let text = "na\u{1b}[2Jme: x\nschemaVersion: \u{1b}]0;x\u{7}\r\nphases: []\rother: \u{9b}2J\n";
    let shown = refused(text).to_string();
    assert!(shown.chars().all(|c| !c.is_control() || c == '\n'), "{shown:?}");
}

#[test]
fn what_is_no_text_of_yaml_is_explained() {
    for text in [
        "\0",
        "\u{1}a: b",
        "a: \u{7f}",
        "%YAML 9.9\n---\na: b",
        "\t- a",
        "? [a]\n: b",
        "--- |\n--- |\n",
        "\u{feff}\u{feff}",
    ] {
        assert!(refused(text).has_errors(), "{text:?}");
    }
}

/// Words of the language and marks of YAML, so that a random sequence gets far into the checks.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "schemaVersion: 1.0\n",
        "phases:\n",
        "- name: build\n",
        "  steps:\n",
        "  - name: One\n",
        "    action: ",
        "ExecuteBash\n",
        "Assert\n",
        "UpdateOS\n",
        "    inputs:\n",
        "      commands: [ls]\n",
        "    if: ",
        "    loop: ",
        "{for: {start: 1, end: 2, updateBy: 1}}\n",
        "{forEach: [a]}\n",
        "{not: ",
        "{fileExists: /a}",
        "stringEquals: ",
        "value: ",
        "{{ x }}",
        "{{",
        "}}",
        "'{{ loop.value }}'",
        "{{ a.b.outputs[0].c }}",
        "{{literal(",
        ")}}",
        "aws:ssm:resolve(",
        "parameters:\n",
        "constants:\n",
        "- a-b:\n",
        "type: string\n",
        "default: |\n",
        "&a ",
        "*a",
        "!!str ",
        "---\n",
        "...\n",
        "\n",
        "  ",
        "    ",
        "- ",
        ": ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "\\x7b",
        "#",
        "|",
        ">",
        "?",
        "%",
        "@",
        "\t",
        "\r\n",
        "\r",
        "\u{feff}",
        "é",
        "\u{2028}",
        "\u{85}",
        "0777",
        "~",
        "-1",
    ];
    proptest::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match Document::parse("f.yml", text) {
        Ok(document) => prop_assert!(!document.warnings.has_errors() && !document.phases.is_empty()),
        Err(found) => {
            prop_assert!(found.has_errors());
            prop_assert!(found.iter().all(|found| found.line > 0 && found.column > 0 && found.len > 0));
            prop_assert!(!found.to_string().is_empty());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        check(&text)?;
    }

    #[test]
    fn no_sequence_of_words_makes_the_parser_panic(words in proptest::collection::vec(fragment(), 0..80)) {
        check(&words.concat())?;
    }

    #[test]
    fn no_change_of_a_document_makes_the_parser_panic(
        cut in 0.0..1.0f64,
        length in 0..40usize,
        put in proptest::collection::vec(fragment(), 0..4),
    ) {
        let text = include_str!("documents/greeter.yml");
        let at = (text.len() as f64 * cut) as usize;
        let end = (at + length).min(text.len());
        check(&format!("{}{}{}", &text[..at], put.concat(), &text[end..]))?;
    }
}
