//! What a failed step says about the machine.

use crate::machine::{Machine, Run};

/// Runs a step of bash with more keys.
fn bash(more: &str, commands: &[&str]) -> Run {
    let commands: String = commands.iter().map(|command| format!("            - {command:?}\n")).collect();
    Machine::with_steps(&format!(
        "      - name: Fails\n        action: ExecuteBash\n{more}        inputs:\n          commands:\n{commands}"
    ))
    .run()
}

fn has(run: &Run, words: &[&str]) -> bool {
    run.evidence().iter().any(|fact| words.iter().all(|word| fact.contains(word)))
}

#[test]
fn a_full_disk_is_named_also_if_an_action_finds_it() {
    let run = bash("", &["echo x > /dev/full"]);
    assert_eq!(run.message(), "exit status 1");
    assert!(
        has(&run, &["/work is on /", " of which ", " are free"]) || has(&run, &[" full: it is "]),
        "{:?}",
        run.evidence()
    );
    let run =
        Machine::with_steps("      - {name: Page, action: CreateFile, inputs: [{path: /dev/full, content: a}]}\n")
            .run();
    assert_eq!(run.message(), "/dev/full cannot be written: No space left on device (os error 28)");
    assert!(has(&run, &["/dev/full is on /dev, "]) || has(&run, &["full: it is "]), "{:?}", run.evidence());
    assert_eq!(run.said()[0], run.message());
    assert_eq!(run.said()[1..], run.evidence());
}

#[test]
fn the_holder_of_a_lock_is_named() {
    let run = bash(
        "",
        &[
            "touch lock; (exec 9<lock; flock -x 9; touch held; exec sleep 30) & holder=$!",
            "until [ -e held ]; do sleep 0.05; done",
            "echo \"E: Could not get lock $PWD/lock. It is held by process $holder (sleep)\"; sleep 0.5; kill $holder",
            "exit 100",
        ],
    );
    assert_eq!(run.message(), "exit status 100");
    assert!(
        has(
            &run,
            &[
                "Another process held the lock /",
                "/work/lock: ",
                " (sleep 30), a child of ",
                "which a step of a document has started."
            ]
        ),
        "{:?}",
        run.evidence()
    );
}

#[test]
fn a_killed_program_is_told_with_the_memory_of_the_machine() {
    let run = bash("", &["kill -9 $$"]);
    assert_eq!(run.message(), "killed by signal 9 (SIGKILL)");
    assert!(has(&run, &[" MiB of memory and "]), "{:?}", run.evidence());
    assert_eq!(run.said()[0], "killed by signal 9 (SIGKILL)");
    assert_eq!(bash("", &["exit 137"]).message(), "exit status 137: killed by signal 9 (SIGKILL)");
}

#[test]
fn a_name_that_is_not_resolved_is_told_with_the_machines_settings() {
    let run = Machine::with_steps(
        "      - {name: Get, action: WebDownload, timeoutSeconds: 1, inputs: [{source: 'http://no-such-host.invalid/f', destination: f}]}\n",
    )
    .run();
    let start = "http://no-such-host.invalid/f cannot be fetched: the name no-such-host.invalid cannot be resolved: ";
    assert!(run.message().starts_with(start), "{}", run.message());
    assert!(has(&run, &["/etc/resolv.conf"]) && has(&run, &["/etc/nsswitch.conf"]), "{:?}", run.evidence());
    assert!(has(&run, &["/etc/hosts does not have the name no-such-host.invalid."]), "{:?}", run.evidence());
    assert_eq!(run.said()[0], run.message());
}

#[test]
fn a_port_of_the_machine_is_looked_at() {
    let run =
        bash("", &["echo 'curl: (7) Failed to connect to localhost port 1 after 0 ms: Connection refused'; exit 7"]);
    assert!(has(&run, &["No program listens at port 1 of the instance"]), "{:?}", run.evidence());
    assert_eq!(run.said()[1..], run.evidence());
}

#[test]
fn the_number_of_the_attempt_is_told() {
    let run = bash("        maxAttempts: 3\n", &["echo x; exit 3"]);
    assert_eq!(run.message(), "exit status 3 (attempt 3 of 3)");
    assert_eq!((run.said(), run.evidence()), (vec!["x"; 3], Vec::new()));
    let killed = "exit status 137: killed by signal 9 (SIGKILL)";
    let said = bash("        maxAttempts: 2\n", &["exit 137"]).stdout;
    assert!(
        said.contains(&format!("{killed} (attempt 1 of 2)\n"))
            && said.contains(&format!("{killed} (attempt 2 of 2)\n"))
    );
}

#[test]
fn output_that_is_not_logged_gives_no_clue() {
    let run =
        bash("        disableLogging: true\n", &["echo 'curl: (6) Could not resolve host: secret.example'; exit 6"]);
    assert_eq!((run.evidence(), run.said()), (Vec::new(), Vec::<&str>::new()));
}
