//! `ExecuteDocument`.

use std::fs;

use crate::cloud::Cloud;
use crate::machine::{Machine, Run, agent};
use goldsmith_executor::{EVENT_PREFIX, Event, Nonce, RunStatus};

const HEAD: &str = "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n";

/// A machine that runs `inner.yml`, given as its steps.
fn nesting(inner: &str, inputs: &str, more: &str) -> Machine {
    let machine = Machine::with_steps(&format!(
        "      - {{name: Nested, action: ExecuteDocument, inputs: {{document: inner.yml{inputs}}}}}\n{more}"
    ));
    machine.file("inner.yml", &format!("{HEAD}{inner}"));
    machine
}

impl Machine {
    fn file(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path("")).unwrap();
        fs::write(self.path(name), text).unwrap();
    }
}

fn bash(name: &str, command: &str) -> String {
    format!("      - {{name: {name}, action: ExecuteBash, inputs: {{commands: ['{command}']}}}}\n")
}

fn calls(name: &str, document: &str) -> String {
    format!("      - {{name: {name}, action: ExecuteDocument, inputs: {{document: {document}}}}}\n")
}

#[test]
fn a_document_runs_in_a_step_with_parameters_phases_and_outputs() {
    let machine = nesting(
        "",
        ", phases: 'build, other', parameters: [{name: word, value: hi}, {name: unknown, value: x}]",
        &bash(
            "Show",
            "echo {{ build.Nested.outputs.status }} {{ build.Nested.outputs.executedStepCount }} {{ build.Nested.outputs.failedStepCount }}",
        ),
    );
    machine.file(
        "inner.yml",
        "name: inner\nschemaVersion: 1.0\nparameters: [{word: {type: string}}]\nphases:\n  \
        - {name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: ['echo {{ word }}']}}]}\n  \
        - {name: test, steps: [{name: Not, action: ExecuteBash, inputs: {commands: [echo not]}}]}\n  \
        - {name: other, steps: [{name: Too, action: ExecuteBash, inputs: {commands: [echo too]}}]}\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["hi", "too", "success 2 0"]), "{}", run.stderr);
    assert_eq!(run.result().executed_step_count, 2, "its own steps");
    let output = machine.detailed_output();
    let nested = &output["documents"][0]["phases"][0]["steps"][0]["detailedOutput"][0];
    assert_eq!(
        (&nested["status"], &nested["documents"][0]["phases"][1]["steps"][0]["name"]),
        (&"success".into(), &"Too".into())
    );
    let id = nested["executionId"].as_str().unwrap();
    let copy = machine.log_folder().join(format!("nested-{id}/document.yaml"));
    assert!(fs::read_to_string(copy).unwrap().starts_with("name: inner"));
}

#[test]
fn a_failed_inner_document_fails_the_step_and_on_failure_applies() {
    let run = nesting(&bash("Breaks", "echo broken; exit 3"), "", &bash("After", "echo after")).run();
    assert_eq!((run.status, run.said()), (Some(1), vec!["broken"]));
    let context = run.result().failure_context.unwrap();
    assert_eq!(context.message, "inner.yml failed in its step `build.Breaks`: exit status 3");
    assert_eq!(
        (context.step.as_deref(), context.exit_code, context.last_lines),
        (Some("Nested"), Some(3), vec!["broken".to_owned()])
    );
    let machine = nesting(&bash("Breaks", "exit 3"), "", "");
    let body = machine.order.documents[0].body.replace("action: Exec", "onFailure: Ignore, action: Exec")
        + &bash("After", "echo after");
    let run = machine.with_body(&body).run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["after"]));
}

#[test]
fn three_levels_are_allowed_and_a_fourth_is_not() {
    let machine = nesting(&calls("Two", "two.yml"), "", "");
    machine.file("two.yml", &format!("{HEAD}{}", calls("Three", "three.yml")));
    machine.file("three.yml", &format!("{HEAD}{}", bash("Deep", "echo deep")));
    let run = machine.run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["deep"]), "{}", run.stderr);
    let machine = nesting(&calls("Two", "two.yml"), "", "");
    machine.file("two.yml", &format!("{HEAD}{}", calls("Three", "three.yml")));
    machine.file("three.yml", &format!("{HEAD}{}", calls("Four", "four.yml")));
    machine.file("four.yml", &format!("{HEAD}{}", bash("Deep", "echo deep")));
    let run = machine.run();
    assert!(run.message().ends_with("documents can run documents 3 levels deep, but four.yml would be one level more"));
    assert_eq!(run.said(), ["documents can run documents 3 levels deep, but four.yml would be one level more"]);
}

#[test]
fn a_document_never_runs_inside_of_itself() {
    let machine = nesting(&calls("Again", "./inner.yml"), "", "");
    assert!(machine.run().message().ends_with("./inner.yml is already running and would run inside itself"));
    let machine = nesting(&calls("Other", "other.yml"), "", "");
    machine.file("other.yml", &format!("{HEAD}{}", calls("Back", "inner.yml")));
    assert!(machine.run().message().ends_with("inner.yml is already running and would run inside itself"));
    let machine = nesting("", "", "");
    machine.file("inner.yml", &machine.order.documents[0].body);
    assert_eq!(machine.run().message(), "inner.yml is already running and would run inside itself");
}

#[test]
fn an_inner_document_resumes_after_a_reboot_with_its_old_text() {
    let inner = bash("Before", "echo before >> ran")
        + "      - {name: Restart, action: Reboot}\n"
        + &bash("Late", "echo after >> ran");
    let machine = nesting(&inner, "", &bash("Show", "echo {{ build.Nested.outputs.executedStepCount }}"));
    let first = machine.run();
    assert_eq!((first.status, first.stderr.as_str()), (Some(194), ""));
    fs::remove_file(machine.path("inner.yml")).unwrap();
    let second = machine.run();
    assert_eq!((second.status, second.said()), (Some(0), vec!["3"]), "{}", second.stderr);
    assert_eq!(machine.read("ran"), "before\nafter\n");
    let output = machine.detailed_output();
    let step = &output["documents"][0]["phases"][0]["steps"][0];
    assert_eq!(step["detailedOutput"].as_array().unwrap().len(), 1);
}

#[test]
fn reboots_of_an_inner_document_count_as_the_outer_phases() {
    let mut machine = nesting(&bash("Loops", "exit 194"), "", "");
    machine.order.limits.reboots_per_phase = 2;
    assert_eq!([machine.run().status, machine.run().status], [Some(194), Some(194)]);
    assert!(machine.run().message().contains("the phase `build` asked for more reboots than its limit of 2"));
}

#[test]
fn each_iteration_runs_the_document_anew() {
    let machine = nesting(
        "",
        ", parameters: [{name: word, value: '{{ loop.value }}'}]",
        &bash("Show", "echo \"{{ build.Nested.outputs.status }}\""),
    );
    machine.file(
        "inner.yml",
        &format!("parameters: [{{word: {{type: string}}}}]\n{HEAD}{}", bash("Say", "echo {{ word }}")),
    );
    let body = machine.order.documents[0].body.replace("action: ExecuteD", "loop: {forEach: [a, b]}, action: ExecuteD");
    let run = machine.with_body(&body).run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["a", "b", "success", "success"]), "{}", run.stderr);
}

#[test]
fn documents_come_from_s3_and_not_from_image_builder() {
    let cloud = Cloud::start();
    cloud.object("docs/base.yml", &format!("{HEAD}{}", bash("Say", "echo from s3")));
    let machine = Machine::with_steps(
        "      - {name: Nested, action: ExecuteDocument, inputs: {document: 's3://docs/base.yml', document-s3-bucket-owner: '012345678901'}}\n",
    );
    let mut command = machine.command();
    cloud.serve(&mut command);
    let run = Run::of(command.output().unwrap());
    assert_eq!((run.status, run.said()), (Some(0), vec!["from s3"]), "{}", run.stderr);
    let arn = "arn:aws:imagebuilder:eu-west-1:012345678901:component/base/1.0.0/1";
    let run = Machine::with_steps(&calls("Nested", &format!("'{arn}'"))).run();
    assert_eq!(
        run.message(),
        format!(
            "`{arn}` is the ARN of a component, but this agent does not call Image Builder: name a file or an s3:// object"
        )
    );
}

#[test]
fn an_invalid_inner_document_is_the_cause_of_the_steps_failure() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "inner.yml:1:1: error: the document is empty"),
        (b"\xff\xfe", "inner.yml is not text in UTF-8"),
        (b"schemaVersion: 1.0\nphases: []\n", "inner.yml:2:1: error: Document has 0 phases."),
        (b"schemaVersion: 1.0\nphases: [{name: build, steps: [{name: Win, action: InstallMSI, inputs: {path: 'C:\\a'}}]}]\n", "inner.yml:2:"),
    ];
    for (text, expected) in cases {
        let machine = nesting("", "", "");
        fs::write(machine.path("inner.yml"), text).unwrap();
        let run = machine.run();
        assert!(run.message().starts_with(expected), "{}", run.message());
        assert_eq!(run.result().failure_context.unwrap().step.as_deref(), Some("Nested"));
    }
    let machine = nesting("", "", "");
    fs::remove_file(machine.path("inner.yml")).unwrap();
    assert!(machine.run().message().ends_with("/inner.yml does not exist"));
    let machine = nesting("", ", parameters: [{name: word, value: no}]", "");
    machine.file(
        "inner.yml",
        &format!(
            "parameters: [{{word: {{type: string, allowedValues: [yes]}}}}]\n{HEAD}{}",
            bash("Say", "echo {{ word }}")
        ),
    );
    assert_eq!(
        machine.run().message(),
        "`no` is not an allowed value of the parameter `word`; the allowed values are yes"
    );
    assert_eq!(machine.run().result().status, RunStatus::Failed);
}

/// Steps are root: they can read every file, and the environment and arguments of every process.
#[test]
fn no_step_finds_the_nonce_with_which_the_event_lines_are_sealed() {
    let look = "find .. -type f ! -name seen -exec cat {} + > seen.part; env >> seen.part; cat /proc/$PPID/environ /proc/$PPID/cmdline \
                >> seen.part; mv seen.part seen; exit 194";
    let again = "test -e seen && exec echo found nothing";
    let step = format!("      - {{name: Look, action: ExecuteBash, inputs: {{commands: ['{again}', '{look}']}}}}\n");
    let mut machine = nesting(&step, "", "");
    let nonce = Nonce::random().unwrap();
    machine.order.event_nonce = Some(nonce.clone());
    let order = machine.command();
    let start = || Run::of(agent().args(order.get_args()).output().unwrap());
    let (first, second) = (start(), start());
    assert_eq!((first.status, second.status, second.said()), (Some(194), Some(0), vec!["found nothing"]));
    let seen = machine.read("seen");
    assert!(seen.contains("\"execution\"") && seen.contains("goldsmith-agent"), "it has looked: {seen}");
    for text in [&seen, &first.stdout, &second.stdout] {
        assert!(!text.contains(nonce.reveal()), "{text}");
    }
    let events = |run: &Run| run.stdout.lines().filter(|line| line.starts_with(EVENT_PREFIX)).count();
    let sealed = |run: &Run| run.stdout.lines().filter(|line| Event::parse(line, Some(&nonce)).is_some()).count();
    assert_eq!((sealed(&first), sealed(&second)), (events(&first), events(&second)), "also after the reboot");
    assert!(sealed(&first) > 2 && sealed(&second) > 2);
}
