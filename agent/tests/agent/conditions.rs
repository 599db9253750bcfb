//! `if` and `Assert`.

use std::fs;

use crate::machine::Machine;

/// Whether an assertion holds, with files `f` (content `abc`) and folder `d` in the working folder.
fn holds(expression: &str) -> bool {
    let machine = Machine::with_steps(&format!("      - {{name: Check, action: Assert, inputs: {{{expression}}}}}\n"));
    fs::create_dir_all(machine.path("d")).unwrap();
    fs::write(machine.path("f"), "abc").unwrap();
    let run = machine.run();
    if run.status == Some(1) {
        assert!(run.message().starts_with("the assertion is false: "), "{expression}: {}", run.message());
    }
    run.status == Some(0)
}

#[test]
fn every_operator_decides() {
    true_expressions().iter().for_each(|expression| assert!(holds(expression), "{expression}"));
    false_expressions().iter().for_each(|expression| assert!(!holds(expression), "{expression}"));
}

/// What an assertion that does not hold says.
fn said(expression: &str) -> String {
    let machine = Machine::with_steps(&format!("      - {{name: Check, action: Assert, inputs: {{{expression}}}}}\n"));
    machine.run().message().strip_prefix("the assertion is false: ").unwrap().to_owned()
}

#[test]
fn a_false_assertion_says_what_was_compared() {
    for (expression, expected) in [
        ("stringEquals: debian, value: Debian GNU/Linux", "`Debian GNU/Linux` is not equal to `debian`"),
        ("numberLessThan: 12, value: 13", "`13` is not less than `12`"),
        ("not: {stringEquals: a, value: A}", "`A` is equal to `a`"),
        ("patternMatches: ^b, value: abc", "`abc` does not match `^b`"),
        (
            "and: [{stringIsEmpty: ''}, {numberGreaterThanEquals: 2, value: 1}, {binaryExists: none}]",
            "`1` is not at least `2`",
        ),
        ("or: [{binaryExists: none}, {folderExists: d}]", "there is no program `none`, and there is no folder `d`"),
        ("fileExists: none", "there is no file `none`"),
    ] {
        assert_eq!(said(expression), expected, "{expression}");
    }
}

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";

fn true_expressions() -> Vec<String> {
    let sha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D";
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    let expressions = [
        "stringIsEmpty: ''",
        "stringIsWhitespace: \" \\t\"",
        "stringEquals: Abc, value: aBC",
        "stringLessThan: b, value: A",
        "stringLessThanEquals: b, value: B",
        "stringGreaterThan: 'a', value: b",
        "stringGreaterThanEquals: 9, value: a",
        "patternMatches: '^[a-z]+$', value: ThisIsValue",
        "patternMatches: B, value: abc",
        "numberEquals: 1.20, value: 1.2",
        "numberLessThan: 2, value: 1",
        "numberLessThanEquals: 2, value: 2",
        "numberGreaterThan: -2, value: -1.5",
        "numberGreaterThanEquals: 10, value: 10.0",
        "binaryExists: bash",
        "fileExists: f",
        "folderExists: d",
        &format!("fileMD5Equals: {MD5}, path: f"),
        &format!("fileSHA1Equals: {sha1}, path: f"),
        &format!("fileSHA256Equals: {sha256}, path: f"),
        &format!("fileSHA512Equals: {sha512}, path: f"),
        "and: [{fileExists: f}, {folderExists: d}]",
        "or: [{fileExists: d}, {folderExists: d}]",
        "not: {fileExists: d}",
        "not: [{and: [{fileExists: f}, {or: [{fileExists: d}, {folderExists: f}]}]}]",
    ];
    expressions.map(str::to_owned).to_vec()
}

fn false_expressions() -> Vec<String> {
    let expressions = [
        "stringIsEmpty: ' '",
        "stringIsWhitespace: ''",
        "stringEquals: abc, value: 'abc '",
        "stringLessThan: a, value: A",
        "stringGreaterThan: a, value: A",
        "patternMatches: '^b', value: abc",
        "numberEquals: 1, value: one",
        "numberLessThan: 2, value: ''",
        "numberGreaterThan: 0, value: 1e3",
        "binaryExists: no-such-program",
        "fileExists: d",
        "folderExists: f",
        &format!("fileMD5Equals: {MD5}, path: nowhere"),
        "fileMD5Equals: 00000000000000000000000000000000, path: f",
        "and: [{fileExists: f}, {folderExists: f}]",
        "or: [{fileExists: d}, {folderExists: f}]",
        "not: {fileExists: f}",
    ];
    expressions.map(str::to_owned).to_vec()
}

#[test]
fn operands_take_references_and_skipped_operands_do_not_matter() {
    let machine = Machine::with_steps(
        "      - {name: Arch, action: ExecuteBash, inputs: {commands: [echo x86_64]}}\n      \
         - {name: Equal, action: Assert, inputs: {stringEquals: x86_64, value: '{{ build.Arch.outputs.stdout }}'}}\n      \
         - {name: Short, action: Assert, inputs: {or: [{fileExists: /etc/passwd}, {stringIsEmpty: '{{ env:NO_SUCH_VARIABLE }}'}]}}\n      \
         - {name: Long, action: Assert, inputs: {and: [{fileExists: /etc/passwd}, {stringIsEmpty: '{{ env:NO_SUCH_VARIABLE }}'}]}}\n",
    );
    let run = machine.run();
    assert_eq!(run.result().executed_step_count, 4);
    assert_eq!(run.message(), "`{{ env:NO_SUCH_VARIABLE }}` has no value: the variable is not set");
}

#[test]
fn a_baseline_that_is_no_number_is_an_error() {
    let run = Machine::with_steps(
        "      - {name: Check, action: Assert, inputs: {numberEquals: '{{ context:phase }}', value: 1}}\n",
    )
    .run();
    assert_eq!(run.message(), "`build` is not a number to compare with");
}

/// A document whose second step has a condition.
fn conditional(condition: &str, on_failure: &str) -> Machine {
    Machine::with_steps(&format!(
        "      - {{name: First, action: ExecuteBash, inputs: {{commands: [touch there]}}}}\n      \
         - {{name: Maybe, action: ExecuteBash, onFailure: {on_failure}, maxAttempts: 3, if: {{{condition}}}, inputs: {{commands: [echo ran]}}}}\n      \
         - {{name: After, action: ExecuteBash, inputs: {{commands: [echo after]}}}}\n"
    ))
}

#[test]
fn then_and_else_decide_whether_the_step_runs() {
    for (condition, said, skipped) in [
        ("fileExists: there", vec!["ran", "after"], 0),
        ("fileExists: nowhere", vec!["after"], 1),
        ("fileExists: there, then: Skip, else: Execute", vec!["after"], 1),
        ("fileExists: nowhere, then: Skip, else: Execute", vec!["ran", "after"], 0),
        ("not: {fileExists: nowhere}", vec!["ran", "after"], 0),
    ] {
        let run = conditional(condition, "Abort").run();
        assert_eq!((run.status, run.said()), (Some(0), said), "{condition}");
        let result = run.result();
        assert_eq!((result.skipped_step_count, result.executed_step_count), (skipped, 3 - skipped), "{condition}");
    }
    let lines = conditional("fileExists: nowhere", "Abort").run().lines();
    assert!(lines.contains(&"<step-ended build Maybe #1 skipped>".to_owned()), "{lines:?}");
}

#[test]
fn abort_fails_the_step_without_an_attempt_and_on_failure_applies() {
    let run = conditional("fileExists: there, then: Abort", "Abort").run();
    assert_eq!((run.status, run.message().as_str()), (Some(1), "the step's condition says Abort"));
    assert_eq!(run.said(), ["the step's condition says Abort"]);
    let run = conditional("fileExists: there, then: Abort", "Ignore").run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["the step's condition says Abort", "after"]));
    let run = conditional("stringIsEmpty: '{{ env:NO_SUCH_VARIABLE }}'", "Continue").run();
    assert_eq!((run.status, run.said().pop()), (Some(1), Some("after")));
}

#[test]
fn a_chain_to_a_skipped_step_says_so() {
    let run = Machine::with_steps(
        "      - {name: Maybe, action: ExecuteBash, if: {fileExists: nowhere}, inputs: {commands: [echo ran]}}\n      \
         - {name: Use, action: ExecuteBash, inputs: {commands: ['echo {{ build.Maybe.outputs.stdout }}']}}\n",
    )
    .run();
    assert_eq!(run.message(), "`{{ build.Maybe.outputs[0].stdout }}` has no value: the step `build.Maybe` was skipped");
}

#[test]
fn a_condition_is_not_asked_again_after_a_reboot() {
    let machine = Machine::with_steps(
        "      - name: Once\n        action: ExecuteBash\n        if: {not: {fileExists: marker}}\n        \
         inputs: {commands: ['test -e marker && exec echo resumed', 'touch marker; exit 194']}\n",
    );
    assert_eq!(machine.run().status, Some(194));
    let run = machine.run();
    assert_eq!((run.said(), run.result().skipped_step_count), (vec!["resumed"], 0));
}
