//! Machines and orders that are not as they should be: a clear cause, an orderly end, and the result file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::machine::{Machine, Run, agent};
use goldsmith_executor::{FailureKind, WorkOrder};

/// A run must end with a cause that names the step, and with its result file.
fn fails_with_a_result_file(machine: &Machine, run: &Run) -> String {
    assert_eq!(run.status, Some(1), "{}", run.stdout);
    let context = run.result().failure_context.unwrap();
    assert_eq!((context.step.as_deref(), context.kind), (Some("Fails"), FailureKind::Step));
    let output = machine.detailed_output();
    assert_eq!(
        (&output["status"], output["failureMessage"].as_str()),
        (&"failed".into(), Some("Document doc-1 failed!"))
    );
    context.message
}

fn failing(action: &str, inputs: &str) -> (Machine, String) {
    let machine = Machine::with_steps(&format!(
        "      - {{name: Fails, action: {action}, timeoutSeconds: 2, inputs: {inputs}}}\n      \
         - {{name: After, action: ExecuteBash, inputs: {{commands: [echo after]}}}}\n"
    ));
    let run = machine.run();
    assert!(!run.said().contains(&"after"));
    let message = fails_with_a_result_file(&machine, &run);
    (machine, message)
}

#[test]
fn invalid_documents_are_rejected_before_anything_runs() {
    for (body, expected) in [
        ("", "doc-1:1:1: error: the document is empty"),
        ("\u{0}\u{1}binary", "doc-1:1:"),
        ("- a\n- b\n", "doc-1:1:1: error: "),
    ] {
        let run = Machine::new(&[body]).run();
        assert_eq!((run.status, run.stdout.as_str()), (Some(1), ""));
        assert!(run.message().starts_with(expected), "{}", run.message());
    }
}

#[test]
fn a_document_of_more_than_64_kilobytes_runs() {
    let steps: String = (0..1000)
        .map(|n| {
            format!(
                "      - {{name: Step-{n:04}, action: CreateFolder, inputs: [{{path: d/{n:04}-{}}}]}}\n",
                "x".repeat(20)
            )
        })
        .collect();
    assert!(steps.len() > 64 * 1024);
    let machine = Machine::with_steps(&steps);
    assert_eq!((machine.run().status, fs::read_dir(machine.path("d")).unwrap().count()), (Some(0), 1000));
}

#[test]
fn an_order_that_is_not_text_or_is_unreadable_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("order.json");
    for bytes in [&b"\xff\xfe\x00"[..], b"", b"{\"version\":1"] {
        fs::write(&path, bytes).unwrap();
        let run = Run::of(agent().arg(&path).output().unwrap());
        assert_eq!(run.status, Some(1));
        assert!(run.message().starts_with(&format!("{} is not a work order: ", path.display())), "{}", run.message());
    }
    let run = Run::of(agent().arg(directory.path()).output().unwrap());
    assert!(run.message().contains("cannot be read: "), "{}", run.message());
    let order: WorkOrder = serde_json::from_str(r#"{"version":1,"execution":"x"}"#).unwrap();
    assert!(order.blocked_action_modules.is_empty());
}

#[test]
fn targets_that_cannot_be_written_are_named() {
    let cases = [
        ("CreateFile", "[{path: /proc/nothing/f, content: x}]", "/proc/nothing cannot be written: "),
        ("CreateFile", "[{path: /proc/version, content: x}]", "/proc/version cannot be written: "),
        (
            "WebDownload",
            "[{source: 'http://127.0.0.1:1/f', destination: f}]",
            "http://127.0.0.1:1/f cannot be fetched: ",
        ),
        ("SetFileOwner", "[{path: /etc/hostname, owner: no-such-user}]", "there is no user `no-such-user`"),
        ("CopyFile", "[{source: /nowhere, destination: x}]", "/nowhere does not exist"),
    ];
    for (action, inputs, expected) in cases {
        let (_, message) = failing(action, inputs);
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_full_disk_is_the_cause_and_leaves_no_half_download() {
    // A device that is always full stands for the disk.
    let (_, message) = failing("AppendFile", "[{path: /dev/full, content: x}]");
    assert!(message.starts_with("/dev/full cannot be written: No space left on device"), "{message}");
    let (_, message) = failing("ExecuteBash", "{commands: ['echo x > /dev/full']}");
    assert_eq!(message, "exit status 1");
}

/// A file system of 256 KB, where this process may mount one.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(path: std::path::PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mut command = Command::new("mount");
        let mounted = command.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_state_directory_without_room_ends_the_run_with_its_result_file() {
    let machine = Machine::with_steps(
        "      - {name: Fills, action: ExecuteBash, inputs: {commands: ['cat /dev/zero > ../state/fill; seq 10000']}}\n      \
         - {name: After, action: ExecuteBash, inputs: {commands: [echo after]}}\n",
    );
    let Some(_disk) = SmallDisk::mount(machine.path("../state")) else {
        eprintln!("SKIPPED: no file system can be mounted here");
        return;
    };
    let run = machine.run();
    assert_eq!((run.status, run.said().contains(&"after")), (Some(1), false));
    let message = run.message();
    assert!(message.starts_with("the state cannot be saved in "), "{message}");
    assert!(message.contains("No space left on device"), "{message}");
    assert_eq!(machine.detailed_output()["status"], "failed");
}

#[test]
fn a_missing_interpreter_is_told_from_a_missing_program() {
    let machine = Machine::with_steps("      - {name: Fails, action: ExecuteBinary, inputs: {path: ./tool}}\n");
    fs::create_dir_all(machine.path("")).unwrap();
    fs::write(machine.path("tool"), "#!/opt/nothing/python\n").unwrap();
    fs::set_permissions(machine.path("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = machine.run();
    let message = fails_with_a_result_file(&machine, &run);
    assert!(
        message.ends_with("/tool does not exist, or the interpreter that its first line names does not exist"),
        "{message}"
    );
}

#[test]
fn logs_that_cannot_be_written_are_reported_before_anything_runs() {
    let mut machine =
        Machine::with_steps("      - {name: Fails, action: ExecuteBash, inputs: {commands: [touch ran]}}\n");
    machine.order.log_directory = "/proc/nothing".into();
    let run = machine.run();
    assert!(run.message().starts_with("the log folder /proc/nothing/TOE_"), "{}", run.message());
    assert!(!machine.path("ran").exists());
}
