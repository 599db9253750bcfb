//! What a run does and writes, in a single start.

use std::os::unix::fs::PermissionsExt;

use crate::machine::{Machine, Run, TIMED_OUT, agent, is_alive};
use goldsmith_executor::RunStatus;

const GREETER: &str = include_str!("documents/greeter.yml");

#[test]
fn output_and_events_are_in_order_and_validate_gets_values_of_build() {
    let machine = Machine::new(&[GREETER]).parameter("greeting", "servus").parameter("unknown", "is ignored");
    let run = machine.run();
    let expected = [
        "<phase-started build>",
        "<step-started build Write #1>",
        "<step-ended build Write #1 success>",
        "<step-started build Speak #1>",
        "servus 1.20",
        "aside",
        "<step-ended build Speak #1 success 0>",
        "<phase-ended build success>",
        "<phase-started validate>",
        "<step-started validate Compare #1>",
        "same",
        "<step-ended validate Compare #1 success 0>",
        "<phase-ended validate success>",
    ];
    let mut lines = run.lines();
    lines[4..6].sort_by(|a, b| b.cmp(a)); // two pipes: their order is not certain
    assert_eq!(lines, expected, "{}", run.stderr);
    let result = run.result();
    assert_eq!((run.status, result.status), (Some(0), RunStatus::Success));
    assert_eq!((result.executed_step_count, result.failed_step_count, result.ignored_failed_step_count), (3, 0, 0));
    assert_eq!((result.execution_id.as_str(), result.failure_message.as_str()), ("web-1/Build", ""));
    let mode = machine.path("sub/greeting").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[test]
fn the_log_folder_has_the_originals_files() {
    let machine = Machine::new(&[GREETER]);
    let result = machine.run().result();
    let folder = machine.log_folder();
    assert_eq!(result.log_url, folder.display().to_string());
    let name = folder.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("TOE_2") && name.ends_with("_UTC-0_web-1-Build"), "{name}");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("document.yaml"), GREETER);
    assert!(
        read("console.log").contains("Info Stdout: hello 1.20\n")
            && read("console.log").contains("Info Stderr: aside\n")
    );
    assert!(read("application.log").contains("step Compare: Success"));
    let output: serde_json::Value = serde_json::from_str(&read("detailedoutput.json")).unwrap();
    assert_eq!(output["status"], "success");
    let step = &output["documents"][0]["phases"][0]["steps"][1];
    assert_eq!(
        (&step["timeoutSeconds"], &step["onFailure"], &step["maxAttempts"]),
        (&7200.into(), &"Abort".into(), &1.into())
    );
    assert_eq!(step["outputs"], r#"[{"stdout":"hello 1.20"}]"#);
    assert_eq!(step["inputs"], r#"[{"commands":["word=$(cat sub/greeting)","echo \"$word\"; echo aside >&2"]}]"#);
}

#[test]
fn each_document_names_its_copy_in_the_log_folder() {
    let other = GREETER.replace("hello", "goodbye");
    let machine = Machine::new(&[GREETER, &other]);
    machine.run();
    let output = machine.detailed_output();
    for (index, body) in [GREETER, &other].into_iter().enumerate() {
        let path = output["documents"][index]["filePath"].as_str().unwrap();
        assert_eq!(std::fs::read_to_string(machine.log_folder().join(path)).unwrap(), body);
    }
}

fn failing(on_failure: &str) -> Machine {
    let document = format!(
        "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      - name: Fails\n        action: ExecuteBash\n        \
         maxAttempts: 2\n        onFailure: {on_failure}\n        inputs: {{commands: ['echo try; exit 3']}}\n      \
         - {{name: After, action: ExecuteBash, inputs: {{commands: [echo after]}}}}\n"
    );
    let second = "schemaVersion: 1.0\nphases:\n  - name: validate\n    steps:\n      - {name: Other, action: ExecuteBash, inputs: {commands: [echo second]}}\n";
    Machine::new(&[&document, second])
}

#[test]
fn abort_runs_nothing_more() {
    let run = failing("Abort").run();
    assert_eq!(run.said(), ["try", "try"]);
    let result = run.result();
    assert_eq!((run.status, result.status), (Some(1), RunStatus::Failed));
    assert_eq!((result.executed_step_count, result.failed_step_count), (1, 1));
    assert_eq!(result.failure_message, "Document doc-1 failed!");
    let context = result.failure_context.unwrap();
    assert_eq!((context.document.as_str(), context.phase.as_deref()), ("doc-1", Some("build")));
    assert_eq!((context.step.as_deref(), context.action.as_deref()), (Some("Fails"), Some("ExecuteBash")));
    assert_eq!((context.exit_code, context.message.as_str()), (Some(3), "exit status 3 (attempt 2 of 2)"));
    assert_eq!(context.last_lines, ["try"]);
}

#[test]
fn continue_runs_on_and_fails_in_the_end() {
    let run = failing("Continue").run();
    assert_eq!(run.said(), ["try", "try", "after", "second"]);
    let result = run.result();
    assert_eq!((run.status, result.status), (Some(1), RunStatus::Failed));
    assert_eq!((result.executed_step_count, result.failed_step_count, result.ignored_failed_step_count), (3, 1, 0));
    assert!(run.lines().contains(&"<phase-ended build failed>".to_owned()));
}

#[test]
fn ignore_runs_on_and_succeeds() {
    let run = failing("Ignore").run();
    assert_eq!(run.said(), ["try", "try", "after", "second"]);
    let result = run.result();
    assert_eq!((run.status, result.status), (Some(0), RunStatus::Success));
    assert_eq!((result.failed_step_count, result.ignored_failed_step_count), (0, 1));
    assert!(result.failure_context.is_none());
    let lines = run.lines();
    assert!(lines.contains(&"<step-ended build Fails #1 failed 3>".to_owned()), "{lines:?}");
    assert!(lines.contains(&"<step-ended build Fails #2 ignoredFailure 3>".to_owned()), "{lines:?}");
    assert!(lines.contains(&"<phase-ended build successWithIgnoredFailure>".to_owned()), "{lines:?}");
}

#[test]
fn a_chain_to_a_step_without_the_value_fails_the_step_that_uses_it() {
    let machine = Machine::with_steps(
        "      - {name: Get, action: ReadFile, onFailure: Ignore, inputs: [{path: nowhere}]}\n      \
         - {name: Use, action: ExecuteBash, inputs: {commands: ['echo {{ build.Get.outputs.content }}']}}\n",
    );
    let expected = "`{{ build.Get.outputs[0].content }}` has no value: the step `build.Get` failed";
    assert_eq!(machine.run().message(), expected);

    let mut machine = Machine::new(&[GREETER]);
    machine.order.phases = vec!["validate".to_owned()];
    assert!(machine.run().message().ends_with("the step `build.Speak` did not run"));
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_with_all_its_processes() {
    let machine = Machine::with_steps(
        "      - name: Hangs\n        action: ExecuteBash\n        timeoutSeconds: 1\n        inputs:\n          commands:\n            \
         - (trap '' TERM; echo $BASHPID > stubborn; while :; do sleep 1; done) &\n            \
         - sleep 300 & echo $! > child\n            - echo waiting\n            - wait\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.message().as_str()), (Some(1), TIMED_OUT));
    assert_eq!(run.said(), ["waiting", TIMED_OUT]);
    assert!(!is_alive(&machine.path("child")) && !is_alive(&machine.path("stubborn")));
}

#[test]
fn a_program_that_takes_the_output_for_itself_does_not_outlast_its_time() {
    let machine = Machine::with_steps(
        "      - name: Reads\n        action: ExecuteBash\n        timeoutSeconds: 1\n        inputs:\n          commands:\n            \
         - for i in 1 2 3 4; do cat /proc/$$/fd/2 > /dev/null & done\n            - sleep 0.3\n            \
         - for i in {1..100}; do echo $i >&2; sleep 0.005; done\n            - sleep 300\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.message().as_str()), (Some(1), TIMED_OUT));
}

#[test]
fn the_beginning_of_a_line_is_output_though_a_process_keeps_the_pipe() {
    let machine = Machine::with_steps(
        "      - {name: Asks, action: ExecuteBash, inputs: {commands: ['sleep 30 &', 'printf 1.2.3']}}\n      \
         - {name: Tells, action: ExecuteBash, inputs: {commands: ['echo version {{ build.Asks.outputs.stdout }}']}}\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["1.2.3", "version 1.2.3"]));
}

#[test]
fn a_background_process_does_not_hold_the_step_up() {
    let machine = Machine::with_steps(
        "      - {name: Leaves, action: ExecuteBash, timeoutSeconds: 60, inputs: {commands: ['sleep 30 & echo $! > child', echo done]}}\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["done"]));
    assert!(is_alive(&machine.path("child")), "a service that a step starts stays for the next one");
    let pid = machine.read("child").trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_step_cannot_forge_an_event() {
    let machine = Machine::with_steps(
        "      - {name: Forges, action: ExecuteBash, inputs: {commands: ['printf \"\\036goldsmith {}\\nend without newline\"']}}\n",
    );
    let run = machine.run();
    assert_eq!(run.lines()[2..4], ["\\x1egoldsmith {}", "end without newline"]);
}

#[test]
fn the_result_fits_however_much_a_step_says() {
    let machine = Machine::with_steps(
        "      - {name: Talks, action: ExecuteBash, inputs: {commands: ['for i in {1..40}; do head -c 2000 /dev/zero | tr \"\\0\" \"\\\\\"; echo $i; done; exit 1']}}\n",
    );
    let run = machine.run();
    assert!(run.stderr.len() <= 7501, "{}", run.stderr.len());
    let context = run.result().failure_context.unwrap();
    assert_eq!(context.message, "exit status 1");
    assert!(!context.last_lines.is_empty());
}

#[test]
fn a_machine_without_bash_is_reported() {
    let machine = Machine::with_steps("      - {name: Any, action: ExecuteBash, inputs: {commands: [echo]}}\n");
    let run = Run::of(machine.command().env("PATH", "/nonexistent").output().unwrap());
    assert_eq!(run.message(), "bash is not on this machine's PATH, but ExecuteBash needs it");
}

#[test]
fn home_is_set_if_it_was_not() {
    let machine =
        Machine::with_steps("      - {name: Home, action: ExecuteBash, inputs: {commands: ['echo $HOME; pwd']}}\n");
    let run = Run::of(machine.command().env_remove("HOME").output().unwrap());
    assert_eq!(run.said(), ["/root", machine.path("").to_str().unwrap().trim_end_matches('/')]);
}

#[test]
fn relative_folders_start_where_the_agent_was_started() {
    let mut machine = Machine::new(&[GREETER]);
    machine.order.state_directory = "state".into();
    machine.order.log_directory = "log".into();
    machine.order.working_directory = Some("work".into());
    let directory = machine.path("..");
    let mut command = machine.command();
    std::fs::create_dir(machine.path("")).unwrap();
    let run = Run::of(command.current_dir(directory).output().unwrap());
    assert_eq!((run.status, machine.read("sub/greeting").as_str()), (Some(0), "hello 1.20"), "{}", run.stderr);
}

#[test]
fn what_is_wrong_with_an_order_is_one_line_of_json_before_anything_runs() {
    let mistaken = Machine::new(&[GREETER, "schemaVersion: 1.0\nphases: []\n"]).run();
    assert_eq!((mistaken.status, mistaken.stdout.as_str()), (Some(1), ""));
    assert!(mistaken.message().starts_with("doc-2:2:1: error: Document has 0 phases."));
    assert_eq!(mistaken.result().failure_context.unwrap().document, "doc-2");

    let mut altered = Machine::new(&[GREETER]);
    altered.order.documents[0].body.push('#');
    assert!(altered.run().message().contains("`doc-1` does not have the digest"));

    let mut newer = Machine::new(&[GREETER]);
    newer.order.version = 2;
    assert_eq!(newer.run().message(), "the work order has version 2, but this agent reads version 1");

    let mut homeless = Machine::new(&[GREETER]);
    homeless.order.state_directory = "/dev/null/state".into();
    assert!(homeless.run().message().contains("cannot be created: "));

    let choosy = GREETER.replace("default: hello", "default: hello, allowedValues: [hello]");
    let refused = Machine::new(&[&choosy]).parameter("greeting", "moin").run();
    assert_eq!(
        refused.message(),
        "`moin` is not an allowed value of the parameter `greeting`; the allowed values are hello"
    );
    let secret = Machine::new(&[&choosy.replace("greeting", "password")]).parameter("password", "hunter22").run();
    assert!(secret.message().starts_with("`****` is not an allowed value of the parameter `password`"));
}

#[test]
fn calls_without_an_order_are_told_apart() {
    let usage = Run::of(agent().output().unwrap());
    assert_eq!((usage.status, usage.stderr.as_str()), (Some(2), "usage: goldsmith-agent ORDER.json\n"));
    let missing = Run::of(agent().arg("/nonexistent/order.json").output().unwrap());
    assert_eq!(missing.status, Some(1));
    assert!(missing.message().starts_with("the work order /nonexistent/order.json cannot be read: "));
}
