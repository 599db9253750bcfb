//! Programs that steps start: their arguments, their end, and the end of all that they started.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::machine::{Machine, Run, TIMED_OUT, is_alive};

fn binary(path: &str, arguments: &str) -> Machine {
    Machine::with_steps(&format!(
        "      - {{name: Starts, action: ExecuteBinary, inputs: {{path: {path}, arguments: [{arguments}]}}}}\n      \
         - {{name: Show, action: ExecuteBash, inputs: {{commands: [\"echo '({{{{ build.Starts.outputs.stdout }}}})'\"]}}}}\n"
    ))
}

impl Machine {
    fn program(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path("")).unwrap();
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_binary_gets_its_arguments_without_a_shell() {
    let run = binary("printf", "'%s|', 'a b', '$HOME', '*'").run();
    assert_eq!((run.status, run.said()), (Some(0), vec!["a b|$HOME|*|", "(a b|$HOME|*|)"]));
}

#[test]
fn a_path_starts_at_the_working_directory() {
    let machine = binary("./own/tool", "x");
    machine.program("tool", "");
    fs::create_dir_all(machine.path("own")).unwrap();
    machine.program("own/tool", "#!/bin/sh\necho $1 in $PWD\n");
    let folder = machine.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    assert_eq!(machine.run().said()[0], format!("x in {folder}"));
}

#[test]
fn what_cannot_be_started_is_named() {
    assert_eq!(binary("no-such-program", "").run().message(), "`no-such-program` is not on this machine's PATH");
    let machine = binary("./tool", "");
    let missing = format!(
        "{} does not exist, or the interpreter that its first line names does not exist",
        machine.path("./tool").display()
    );
    assert_eq!(machine.run().message(), missing);
    let machine = binary("./tool", "");
    machine.program("tool", "#!/no/such/interpreter\n");
    assert!(
        machine
            .run()
            .message()
            .ends_with("/tool does not exist, or the interpreter that its first line names does not exist")
    );
    let machine = binary("./tool", "");
    machine.program("tool", "");
    fs::set_permissions(machine.path("tool"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(machine.run().message().contains("/tool cannot be started: Permission denied"));
}

#[test]
fn a_binary_may_ask_for_a_reboot_and_fail() {
    let machine = binary("./tool", "");
    machine.program("tool", "#!/bin/sh\ntest -e marker && exit 3\ntouch marker; exit 194\n");
    assert_eq!(machine.run().status, Some(194));
    let run = machine.run();
    assert_eq!((run.message().as_str(), run.result().failure_context.unwrap().exit_code), ("exit status 3", Some(3)));
    let machine = binary("./tool", "");
    machine.program("tool", "#!/bin/sh\nkill -9 $$\n");
    assert_eq!(machine.run().message(), "killed by signal 9 (SIGKILL)");
}

#[test]
fn a_time_out_also_ends_processes_that_left_their_group() {
    let machine = Machine::with_steps(
        "      - name: Hangs\n        action: ExecuteBash\n        timeoutSeconds: 1\n        inputs:\n          commands:\n            \
         - (setsid bash -c 'echo $BASHPID > daemon; exec sleep 300' &)\n            - sleep 300\n",
    );
    let run = machine.run();
    assert_eq!((run.status, run.message().as_str()), (Some(1), TIMED_OUT));
    assert!(!is_alive(&machine.path("daemon")));
}

#[test]
fn fifty_last_lines_explain_a_failure() {
    let run =
        Machine::with_steps("      - {name: Talks, action: ExecuteBash, inputs: {commands: ['seq 100; exit 1']}}\n")
            .run();
    let lines = run.result().failure_context.unwrap().last_lines;
    assert_eq!((lines.len(), lines[0].as_str(), lines[49].as_str()), (50, "51", "100"));
}

#[test]
fn nothing_is_logged_where_logging_is_disabled() {
    let document = "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      \
        - {name: Open, action: ExecuteBash, inputs: {commands: [echo open]}}\n      \
        - {name: Quiet, action: ExecuteBash, disableLogging: true, inputs: {commands: [echo quiet1]}}\n      \
        - {name: Again, action: ExecuteBash, inputs: {commands: ['test {{ build.Quiet.outputs.stdout }} = quiet1 && echo again']}}\n  \
        - name: validate\n    disableLogging: true\n    steps:\n      \
        - {name: Fails, action: ExecuteBash, inputs: {commands: [echo quiet2 && exit 1]}}\n";
    let machine = Machine::new(&[document]);
    let run = machine.run();
    assert_eq!(run.said(), ["open", "again"]);
    assert!(run.result().failure_context.unwrap().last_lines.is_empty());
    for file in ["console.log", "application.log"] {
        let log = fs::read_to_string(machine.log_folder().join(file)).unwrap();
        assert!(!log.contains("quiet1") && !log.contains("quiet2"), "{file}: {log}");
    }
    let output = machine.detailed_output();
    let step = &output["documents"][0]["phases"][0]["steps"][1];
    assert_eq!((&step["inputs"], &step["outputs"]), (&"[]".into(), &"[]".into()));
    let all = Machine::new(&[&document.replace("schemaVersion: 1.0", "schemaVersion: 1.0\ndisableLogging: true")]);
    assert!(all.run().said().is_empty());
}

#[test]
fn modules_of_windows_and_blocked_ones_are_refused_before_anything_runs() {
    for (action, inputs) in [
        ("ExecutePowerShell", "{commands: [dir]}"),
        ("InstallMSI", "{path: 'C:\\a.msi'}"),
        ("UninstallMSI", "{path: 'C:\\a.msi'}"),
        ("SetRegistry", "[{path: 'HKLM:\\SOFTWARE\\A', name: n, value: v, type: SZ}]"),
    ] {
        let run = Machine::with_steps(&format!(
            "      - {{name: First, action: ExecuteBash, inputs: {{commands: [echo ran]}}}}\n      \
             - {{name: Windows, action: {action}, inputs: {inputs}}}\n"
        ))
        .run();
        assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
        let message = run.message();
        assert!(message.starts_with("doc-1:6:") && message.contains(action) && message.contains("Linux"), "{message}");
    }
    let mut machine = binary("true", "");
    machine.order.blocked_action_modules = vec!["ExecuteBinary".to_owned()];
    let run = machine.run();
    assert_eq!(run.stdout, "");
    assert!(run.message().contains("ExecuteBinary"), "{}", run.message());
    machine.order.blocked_action_modules = vec!["ExecuteBinaries".to_owned()];
    assert_eq!(machine.run().message(), "`ExecuteBinaries` cannot be blocked: there is no such action");
}

#[test]
fn programs_find_a_home_and_a_path() {
    let machine = binary("env", "");
    let run = Run::of(machine.command().env_remove("PATH").env_remove("HOME").output().unwrap());
    let said = run.said();
    assert!(said.contains(&"HOME=/root") && said.iter().any(|line| line.starts_with("PATH=/usr/local/sbin:")));
}
