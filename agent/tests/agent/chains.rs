//! References to inputs, outputs and the environment.

use crate::machine::{Machine, Run};

#[test]
fn inputs_and_outputs_are_chained_by_index_over_phases() {
    let document = "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      \
        - {name: Files, action: CreateFile, inputs: [{path: one, content: first}, {path: two, content: second, permissions: 0640}]}\n      \
        - {name: Read, action: ReadFile, inputs: [{path: '{{ build.Files.inputs[1].path }}'}]}\n  - name: validate\n    steps:\n      \
        - {name: Show, action: ExecuteBash, inputs: {commands: ['echo {{ build.Files.inputs.path }} {{ build.Files.inputs[1].permissions }}', \
        'echo {{ build.Read.outputs.content }}={{ build.Read.outputs[0].content }}']}}\n";
    let run = Machine::new(&[document]).run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["one 0640", "second=second"]), "{}", run.stderr);
}

#[test]
fn only_the_newlines_at_the_end_of_an_output_go() {
    let run = Machine::with_steps(
        "      - {name: Says, action: ExecuteBash, inputs: {commands: ['printf \" a\\nb \\n\\n\"']}}\n      \
         - {name: Show, action: ExecuteBash, inputs: {commands: [\"echo '({{ build.Says.outputs.stdout }})'\"]}}\n",
    )
    .run();
    assert_eq!(run.said(), [" a", "b ", "", "( a", "b )"]);
}

#[test]
fn variables_of_the_environment_and_literal_braces() {
    let machine = Machine::with_steps(
        "      - {name: Show, action: ExecuteBash, inputs: {commands: [\"echo '{{ env:COLOUR }} {{literal(.ID)}} {{ unclosed'\"]}}\n",
    );
    let run = Run::of(machine.command().env("COLOUR", "red").output().unwrap());
    assert_eq!(run.said(), ["red {{.ID}} {{ unclosed"]);
    assert_eq!(machine_without().message(), "`{{ env:COLOUR }}` has no value: the variable is not set");
}

fn machine_without() -> Run {
    Machine::with_steps("      - {name: Show, action: ExecuteBash, inputs: {commands: ['echo {{ env:COLOUR }}']}}\n")
        .run()
}

#[test]
fn a_reference_in_a_setting_is_read_when_it_is_known() {
    let steps = "      - {name: Mode, action: ExecuteBash, inputs: {commands: [echo WORD]}}\n      \
                 - {name: Make, action: CreateFile, inputs: [{path: f, permissions: '{{ build.Mode.outputs.stdout }}'}]}\n";
    assert_eq!(Machine::with_steps(&steps.replace("WORD", "0600")).run().status, Some(0));
    let run = Machine::with_steps(&steps.replace("WORD", "rwx")).run();
    assert_eq!(run.message(), "`permissions` is `rwx`, which is not an octal mode, such as 0644");
}
