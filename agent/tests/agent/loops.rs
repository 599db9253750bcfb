//! Steps with a loop.

use std::fs;

use crate::machine::Machine;

fn looped(repeat: &str, more: &str, commands: &str) -> Machine {
    Machine::with_steps(&format!(
        "      - name: Loops\n        action: ExecuteBash\n        loop: {repeat}\n        {more}\n        inputs: {{commands: [{commands}]}}\n      \
         - {{name: Show, action: ExecuteBash, inputs: {{commands: [\"echo '({{{{ build.Loops.outputs.stdout }}}})'\"]}}}}\n"
    ))
}

const SAY: &str = "'echo {{ loop.index }}={{ loop.value }}'";

#[test]
fn loops_go_through_numbers_lists_and_pieces_in_order() {
    for (repeat, expected) in [
        ("{for: {start: 1, end: 10, updateBy: 4}}", vec!["0=1", "1=5", "2=9"]),
        ("{for: {start: 3, end: 1, updateBy: -1}}", vec!["0=3", "1=2", "2=1"]),
        ("{for: {start: 7, end: 7, updateBy: 1}}", vec!["0=7"]),
        ("{forEach: [x, '{{ context:phase }}']}", vec!["0=x", "1=build"]),
        ("{forEach: {list: 'a,b,,c,'}}", vec!["0=a", "1=b", "2=c"]),
        ("{forEach: {list: \"a\\nb\", delimiter: \"\\n\"}}", vec!["0=a", "1=b"]),
        ("{forEach: {list: 'a b', delimiter: ' '}}", vec!["0=a", "1=b"]),
    ] {
        let run = looped(repeat, "maxAttempts: 1", SAY).run();
        let mut said = expected.clone();
        let joined = format!("({})", expected.join("\n"));
        said.extend(joined.lines());
        assert_eq!((run.status, run.said()), (Some(0), said), "{repeat} {}", run.stderr);
    }
}

#[test]
fn a_loop_has_a_name_and_an_empty_list_no_iteration() {
    let run =
        looped("{name: Hosts, forEach: [x]}", "maxAttempts: 1", "'echo {{ Hosts.index }}={{ Hosts.value }}'").run();
    assert_eq!(run.said(), ["0=x", "(0=x)"]);
    let machine = Machine::with_steps(
        "      - {name: None, action: ExecuteBash, inputs: {commands: ['true']}}\n      \
         - {name: Loops, action: ExecuteBash, loop: {forEach: {list: '{{ build.None.outputs.stdout }}'}}, inputs: {commands: [echo never]}}\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.said().len()), (Some(0), 0));
}

#[test]
fn a_loop_says_once_that_its_output_is_cut() {
    let machine = Machine::with_steps(
        "      - {name: Loops, action: ExecuteBash, loop: {for: {start: 1, end: 4, updateBy: 1}}, \
         inputs: {commands: ['head -c 120000 /dev/zero | tr \"\\0\" x']}}\n",
    );
    let run = machine.run();
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    let log = std::fs::read_to_string(machine.log_folder().join("console.log")).unwrap();
    let sentence = "the output `stdout` of this loop has more than 256 KiB: the rest is not kept for other steps";
    assert_eq!(log.matches(sentence).count(), 1, "{log:.2000}");
    assert!(run.stdout.contains(sentence));
}

#[test]
fn a_failed_iteration_ends_the_attempt_and_a_retry_begins_anew() {
    let machine = looped(
        "{forEach: [a, b, c]}",
        "maxAttempts: 2",
        "'echo {{ loop.value }} >> ran', 'test {{ loop.value }} != b || test -e second || { touch second; exit 4; }'",
    );
    assert_eq!(machine.run().status, Some(0));
    assert_eq!(machine.read("ran"), "a\nb\na\nb\nc\n");
}

#[test]
fn the_cause_names_the_iteration_and_outputs_of_the_good_ones_stay() {
    let machine = looped(
        "{forEach: [a, b, c]}",
        "onFailure: Ignore",
        "'test {{ loop.value }} = b && exit 4; echo {{ loop.value }}'",
    );
    let run = machine.run();
    assert_eq!(run.said(), ["a", "iteration 1 failed: exit status 4", "(a)"]);
    let step = &machine.detailed_output()["documents"][0]["phases"][0]["steps"][0];
    assert_eq!(step["failureMessage"], "iteration 1 failed: exit status 4");
    let run = looped("{forEach: [a, b]}", "maxAttempts: 1", "exit 4").run();
    assert_eq!(
        (run.message().as_str(), run.result().failure_context.unwrap().exit_code),
        ("iteration 0 failed: exit status 4", Some(4))
    );
}

#[test]
fn the_time_limit_is_for_all_iterations_together() {
    let run = looped("{for: {start: 1, end: 100, updateBy: 1}}", "timeoutSeconds: 1", "sleep 0.4").run();
    let message = run.message();
    assert!(message.starts_with("the loop timed out in iteration "), "{message}");
}

#[test]
fn after_a_reboot_the_loop_goes_on_where_it_was() {
    let machine = looped(
        "{forEach: [a, b, c]}",
        "maxAttempts: 1",
        "'echo {{ loop.value }} >> ran; echo {{ loop.value }}', 'test {{ loop.value }} != b || test -e marker || { touch marker; exit 194; }'",
    );
    assert_eq!(machine.run().status, Some(194));
    let run = machine.run();
    assert_eq!(run.said(), ["b", "c", "(a", "b", "c)"]);
    assert_eq!(machine.read("ran"), "a\nb\nb\nc\n");
}

#[test]
fn the_reboot_action_in_a_loop_reboots_once_for_each_value() {
    let machine = Machine::with_steps(
        "      - {name: Twice, action: Reboot, loop: {for: {start: 1, end: 2, updateBy: 1}}}\n      \
         - {name: After, action: ExecuteBash, inputs: {commands: [echo after]}}\n",
    );
    assert_eq!([machine.run().status, machine.run().status], [Some(194), Some(194)]);
    assert_eq!(machine.run().said(), ["after"]);
}

#[test]
fn a_condition_is_asked_once_before_the_loop() {
    let machine = looped("{forEach: [a, b]}", "if: {not: {fileExists: made}}", "touch made && echo x");
    assert_eq!(machine.run().said(), ["x", "x", "(x", "x)"]);
}

#[test]
fn other_actions_loop_as_well() {
    let machine = Machine::with_steps(
        "      - {name: Write, action: CreateFile, loop: {forEach: [a, b]}, inputs: [{path: 'd/{{ loop.value }}', content: '{{ loop.index }}'}]}\n",
    );
    assert_eq!(machine.run().status, Some(0));
    assert_eq!((machine.read("d/a"), machine.read("d/b")), ("0".to_owned(), "1".to_owned()));
    assert_eq!(fs::read_dir(machine.path("d")).unwrap().count(), 2);
}
