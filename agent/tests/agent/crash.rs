//! The agent is killed at every moment, again and again, and nothing is done twice.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::machine::{Machine, Run, wait_for};
use goldsmith_executor::{FailureKind, RunStatus};

/// Kills of the agent in all.
const KILLS: u32 = 200;
const STEPS: usize = 40;
const STOPPED: &str = "the agent was stopped while this step ran; the step is not run again";

/// Numbers that look random and are the same in every test.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A document whose steps append their number to a file, each in a few pieces of work.
fn appending() -> Machine {
    let step = |number: usize| {
        format!(
            "      - {{name: Step-{number:03}, action: ExecuteBash, onFailure: Continue, inputs: {{commands: ['echo {number:03} >> ran']}}}}\n"
        )
    };
    Machine::with_steps(&(0..STEPS).map(step).collect::<String>())
}

#[test]
fn no_step_is_repeated_however_often_the_agent_is_killed() {
    let mut random = Random(20_260_117);
    let (mut kills, mut cut, mut runs) = (0, 0, 0);
    while kills < KILLS {
        runs += 1;
        let machine = appending();
        let result = loop {
            let mut child = machine.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            thread::sleep(Duration::from_micros(random.below(60_000)));
            if kills == KILLS || child.try_wait().unwrap().is_some() {
                break Run::of(child.wait_with_output().unwrap()).result();
            }
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            kills += u32::from(output.status.code().is_none());
            if output.status.code().is_some() {
                break Run::of(output).result();
            }
        };
        cut += check(&machine, &result);
    }
    assert!(cut > 0, "some step was cut off in {kills} kills of {runs} runs");
}

/// Every line once; what is missing, and maybe more, was reported as stopped. The answer is how many that were.
fn check(machine: &Machine, result: &goldsmith_executor::RunResult) -> u32 {
    let ran = fs::read_to_string(machine.path("ran")).unwrap_or_default();
    let lines: Vec<&str> = ran.lines().collect();
    let unique: BTreeSet<&str> = lines.iter().copied().collect();
    assert_eq!(lines.len(), unique.len(), "a step ran twice: {lines:?}");
    assert!(lines.is_sorted(), "{lines:?}");
    let output = machine.detailed_output();
    let steps = output["documents"][0]["phases"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.len(), STEPS);
    for (number, step) in steps.iter().enumerate() {
        match step["status"].as_str().unwrap() {
            "success" => {
                assert!(unique.contains(format!("{number:03}").as_str()), "step {number} succeeded without a line")
            }
            status => assert_eq!((status, step["failureMessage"].as_str().unwrap()), ("failed", STOPPED)),
        }
    }
    let failed = steps.iter().filter(|step| step["status"] == "failed").count();
    assert_eq!(result.failed_step_count as usize, failed);
    assert_eq!(result.status == RunStatus::Success, failed == 0);
    result.failed_step_count
}

/// Starts the agent, and leaves what a machine has that died once the file `started` was there: these lines of the journal,
/// and another boot.
fn go_down(machine: &Machine, is_on_disk: impl Fn(&str) -> bool) {
    let mut agent = machine.start();
    wait_for(&machine.path("started"));
    agent.kill().unwrap();
    agent.wait().unwrap();
    let mut entries = fs::read_dir(machine.path("../state")).unwrap().map(|entry| entry.unwrap().path());
    let journal = entries.find(|path| path.is_dir()).unwrap().join("state.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| is_on_disk(line)).collect();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(&journal, lines.join("\n").replace(boot.trim(), "another-boot") + "\n").unwrap();
}

#[test]
fn after_a_restart_that_nobody_asked_for_the_next_step_is_not_trusted() {
    let machine = Machine::with_steps(
        "      - {name: First, action: ExecuteBash, inputs: {commands: [echo first >> ran]}}\n      \
         - {name: Second, action: ExecuteBash, onFailure: Continue, inputs: {commands: [echo second >> ran, touch started, exec sleep 60]}}\n      \
         - {name: Third, action: ExecuteBash, inputs: {commands: [echo third >> ran]}}\n",
    );
    // The start of the second step had not reached the disk.
    go_down(&machine, |line| !line.contains("\"Second\""));
    let run = machine.run();
    assert_eq!(machine.read("ran"), "first\nsecond\nthird\n");
    let context = run.result().failure_context.unwrap();
    assert_eq!((context.step.as_deref(), context.kind), (Some("Second"), FailureKind::AgentStopped));
    assert!(context.message.starts_with("the machine was restarted, but no step asked for it"), "{}", context.message);
}

#[test]
fn a_step_during_which_the_machine_went_down_is_named() {
    let machine = Machine::with_steps(
        "      - {name: Reboots, action: ExecuteBash, inputs: {commands: [touch started, exec sleep 60]}}\n",
    );
    go_down(&machine, |_| true);
    let context = machine.run().result().failure_context.unwrap();
    assert_eq!((context.step.as_deref(), context.kind), (Some("Reboots"), FailureKind::AgentStopped));
    assert_eq!(
        context.message,
        "the machine was restarted while this step ran, but no step asked for it; to reboot, use a Reboot step or \
         end the step with exit code 194"
    );
}
