//! Reboots, second starts, and a death in the middle: what the state directory is for.

use std::fs;

use crate::machine::{Machine, Run, is_alive, wait_for, wait_until_locked_out};
use goldsmith_executor::{FailureKind, RunStatus};

#[test]
fn after_the_reboot_action_the_next_step_runs() {
    let machine = Machine::with_steps(
        "      - {name: Before, action: ExecuteBash, inputs: {commands: [echo before]}}\n      - {name: Restart, action: Reboot}\n      \
         - {name: After, action: ExecuteBash, inputs: {commands: ['echo {{ build.Before.outputs.stdout }} and after']}}\n",
    );
    let first = machine.run();
    assert_eq!((first.status, first.stderr.as_str()), (Some(194), ""));
    assert_eq!(first.said(), ["before"]);
    assert_eq!(first.lines().last().unwrap(), "<step-ended build Restart #1 success>");
    let second = machine.run();
    let expected = [
        "<step-started build After #1>",
        "before and after",
        "<step-ended build After #1 success 0>",
        "<phase-ended build success>",
    ];
    assert_eq!((second.status, second.lines()), (Some(0), expected.map(str::to_owned).to_vec()));
    assert_eq!(second.result().executed_step_count, 3);
    assert_eq!(fs::read_dir(machine.log_folder().parent().unwrap()).unwrap().count(), 1, "the same log folder");
}

#[test]
fn a_start_by_ssm_before_the_pending_reboot_runs_nothing_and_asks_again() {
    let machine = Machine::with_steps(
        "      - {name: Restart, action: Reboot}\n      - {name: After, action: ExecuteBash, inputs: {commands: [echo after]}}\n",
    );
    let start = || Run::of(machine.command().env("AWS_SSM_INSTANCE_ID", "i-1").output().unwrap());
    assert_eq!(start().status, Some(194));
    for _ in 0..2 {
        let early = start();
        assert_eq!((early.status, early.stdout.as_str(), early.stderr.as_str()), (Some(194), "", ""));
    }
    let last = start();
    assert_eq!((last.status, last.stdout.as_str()), (Some(1), ""));
    assert!(last.message().starts_with("a reboot was requested"), "{}", last.message());
}

#[test]
fn after_exit_194_the_same_step_runs_again() {
    let machine = Machine::with_steps(
        "      - {name: Once, action: ExecuteBash, inputs: {commands: [echo once]}}\n      - name: Again\n        action: ExecuteBash\n        \
         inputs: {commands: ['test -e marker && exec echo rebooted', 'touch marker; exit 194']}\n",
    );
    let first = machine.run();
    assert_eq!((first.status, first.stderr.as_str()), (Some(194), ""));
    assert_eq!(first.lines().last().unwrap(), "<step-ended build Again #1 rebooting 194>");
    let second = machine.run();
    assert_eq!((second.status, second.said()), (Some(0), vec!["rebooted"]));
    assert_eq!(second.lines()[0], "<step-started build Again #1>");
    assert_eq!(second.result().status, RunStatus::Success);
}

#[test]
fn the_eleventh_reboot_of_a_phase_fails_whatever_on_failure_says() {
    let machine = Machine::with_steps(
        "      - {name: Loops, action: ExecuteBash, onFailure: Ignore, inputs: {commands: [exit 194]}}\n      \
         - {name: After, action: ExecuteBash, inputs: {commands: [echo after]}}\n",
    );
    for _ in 0..10 {
        assert_eq!(machine.run().status, Some(194));
    }
    let last = machine.run();
    assert_eq!((last.status, last.said()), (Some(1), vec![last.message().as_str()]));
    assert_eq!(last.message(), "the phase `build` asked for more reboots than its limit of 10");
    assert_eq!(last.result().failure_context.unwrap().kind, FailureKind::RebootLimit);
}

#[test]
fn all_phases_together_may_not_reboot_for_ever_either() {
    let mut machine =
        Machine::with_steps("      - {name: First, action: Reboot}\n      - {name: Second, action: Reboot}\n");
    machine.order.limits.reboots = 1;
    assert_eq!(machine.run().status, Some(194));
    assert_eq!(machine.run().message(), "the run asked for more reboots than its limit of 1");
}

#[test]
fn a_state_that_cannot_be_saved_ends_the_run() {
    let machine = Machine::with_steps(
        "      - {name: Ruins, action: ExecuteBash, inputs: {commands: [rm -r ../state]}}\n      \
         - {name: After, action: ExecuteBash, inputs: {commands: [echo after]}}\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.said().len()), (Some(1), 0));
    assert!(run.message().starts_with("the state cannot be saved in "), "{}", run.message());
    assert_eq!(run.result().executed_step_count, 1);
}

#[test]
fn a_finished_execution_only_has_its_result_printed_again() {
    let machine =
        Machine::with_steps("      - {name: Once, action: ExecuteBash, inputs: {commands: [echo x >> ran, exit 7]}}\n");
    let (first, second) = (machine.run(), machine.run());
    assert_eq!((second.status, second.stdout.as_str()), (Some(1), ""));
    assert_eq!(second.stderr, first.stderr);
    assert_eq!(machine.read("ran"), "x\n");
}

#[test]
fn another_execution_or_another_document_starts_from_the_beginning() {
    let mut machine =
        Machine::with_steps("      - {name: Once, action: ExecuteBash, inputs: {commands: [echo x >> ran]}}\n");
    assert_eq!(machine.run().status, Some(0));
    machine.order.execution = "web-2/Build".into();
    assert_eq!(machine.run().status, Some(0));
    machine.order.documents[0].body.push_str("# changed\n");
    machine.order.documents[0].digest = goldsmith_document::digest(&machine.order.documents[0].body);
    assert_eq!(machine.run().status, Some(0));
    assert_eq!(machine.read("ran"), "x\nx\nx\n");
}

/// A machine whose one step waits until it may go on, and then does this.
fn waits(then: &str) -> Machine {
    Machine::with_steps(&format!(
        "      - {{name: Waits, action: ExecuteBash, timeoutSeconds: 60, inputs: {{commands: [echo x >> ran, touch started, \
         'until test -e go; do sleep 0.05; done', {then}]}}}}\n"
    ))
}

/// Starts the same order twice at once, and lets the step go on when the second waits for the first.
fn run_twice(machine: &Machine) -> (Run, Run) {
    let first = machine.start();
    wait_for(&machine.path("started"));
    let second = machine.start();
    wait_until_locked_out(&second);
    fs::write(machine.path("go"), "").unwrap();
    (Run::of(first.wait_with_output().unwrap()), Run::of(second.wait_with_output().unwrap()))
}

#[test]
fn a_second_start_waits_for_the_first_and_prints_its_result() {
    let machine = waits("'true'");
    let (first, second) = run_twice(&machine);
    assert_eq!((first.status, second.status), (Some(0), Some(0)));
    assert_eq!((second.stdout.as_str(), &second.stderr), ("", &first.stderr));
    assert_eq!(machine.read("ran"), "x\n");
}

#[test]
fn a_second_start_waits_for_the_reboot_that_the_first_requested() {
    let machine = waits("exit 194");
    let (first, second) = run_twice(&machine);
    assert_eq!((first.status, second.status, second.stderr.as_str()), (Some(194), Some(194), ""));
    assert_eq!(machine.read("ran"), "x\n");
}

const STOPPED: &str = "the agent was stopped while this step ran; the step is not run again";

/// Starts the machine, kills the agent in its first step, and starts it again.
fn killed_in_its_first_step(on_failure: &str) -> (Machine, Run) {
    let machine = Machine::with_steps(&format!(
        "      - {{name: Dies, action: ExecuteBash, onFailure: {on_failure}, maxAttempts: 3, inputs: {{commands: [echo x >> ran, touch started, exec sleep 60]}}}}\n      \
         - {{name: After, action: ExecuteBash, inputs: {{commands: [echo after]}}}}\n"
    ));
    let mut first = machine.start();
    wait_for(&machine.path("started"));
    first.kill().unwrap();
    first.wait().unwrap();
    let second = machine.run();
    (machine, second)
}

#[test]
fn a_step_in_which_the_agent_was_killed_has_failed_and_is_not_run_again() {
    let (machine, second) = killed_in_its_first_step("Abort");
    assert_eq!((second.status, second.said()), (Some(1), vec![STOPPED]));
    assert_eq!(second.message(), STOPPED);
    assert_eq!(second.result().failure_context.unwrap().kind, FailureKind::AgentStopped);
    assert_eq!(machine.read("ran"), "x\n");
}

#[test]
fn on_failure_decides_what_follows_such_a_step() {
    let (machine, second) = killed_in_its_first_step("Ignore");
    assert_eq!((second.status, second.said()), (Some(0), vec![STOPPED, "after"]));
    assert_eq!(second.result().ignored_failed_step_count, 1);
    assert_eq!(machine.read("ran"), "x\n");
}

#[test]
fn what_such_a_step_had_started_is_ended_and_what_others_left_is_not() {
    let machine = Machine::with_steps(
        "      - {name: Serves, action: ExecuteBash, inputs: {commands: ['sleep 300 & echo $! > service']}}\n      \
         - {name: Dies, action: ExecuteBash, onFailure: Continue, inputs: {commands: ['setsid sleep 300 & echo $! > orphan', touch started, wait]}}\n",
    );
    let mut first = machine.start();
    wait_for(&machine.path("started"));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(is_alive(&machine.path("orphan")), "only its parent was ended");
    assert_eq!(machine.run().status, Some(1));
    assert!(!is_alive(&machine.path("orphan")) && is_alive(&machine.path("service")));
    let pid = machine.read("service").trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}
