//! `goldsmith run`

use std::fs;

use crate::folder::{Folder, Said};

const HELLO: &str = "\
schemaVersion: 1.0
parameters:
  - greeting: {type: string, default: Hello}
phases:
  - name: build
    steps:
      - {name: Greet, action: ExecuteBash, inputs: {commands: ['echo \"{{ greeting }}\"']}}
      - {name: Keep, action: CreateFile, inputs: [{path: kept.txt, content: '{{ build.Greet.outputs.stdout }}'}]}
  - name: validate
    steps:
      - {name: Check, action: ExecuteBash, inputs: {commands: [grep -q Hello kept.txt]}}
";

/// Returns the summary of a successful run.
fn summary(executed: usize) -> String {
    format!(
        r#"{{
  "executionId": "ID",
  "status": "success",
  "failedStepCount": 0,
  "executedStepCount": {executed},
  "ignoredFailedStepCount": 0,
  "skippedStepCount": 0,
  "failureMessage": "",
  "logUrl": "DIR/TOE_TIME_ID"
}}
"#
    )
}

fn steps(names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}: success in TIME\n")).collect()
}

#[test]
fn a_run_leaves_its_files_and_logs_and_nothing_else() {
    let folder = Folder::with(&[("hello.yml", HELLO)]);
    let names = ["hello.yml / build / Greet", "hello.yml / build / Keep", "hello.yml / validate / Check"];
    folder.goldsmith("run -d hello.yml").is(0, &summary(3), &steps(&names));
    assert_eq!(folder.read("kept.txt"), "Hello");
    assert_eq!(folder.names(), ["TOE_TIME_ID", "hello.yml", "kept.txt"]);
}

#[test]
fn a_failure_is_told_with_its_place_and_last_lines() {
    let folder = Folder::with(&[("hello.yml", HELLO)]);
    let failed = r#"{
  "executionId": "ID",
  "status": "failed",
  "failedStepCount": 1,
  "executedStepCount": 3,
  "ignoredFailedStepCount": 0,
  "skippedStepCount": 0,
  "failureMessage": "Document hello.yml failed!",
  "logUrl": "DIR/logs/TOE_TIME_ID",
  "failureContext": {
    "kind": "step",
    "document": "hello.yml",
    "phase": "validate",
    "step": "Check",
    "action": "ExecuteBash",
    "exitCode": 1,
    "message": "exit status 1",
    "lastLines": []
  }
}
"#;
    let told = "\
hello.yml / build / Greet: started
  | Bye
hello.yml / build / Greet: success in TIME
hello.yml / build / Keep: started
hello.yml / build / Keep: success in TIME
hello.yml / validate / Check: started
hello.yml / validate / Check: failed, exit code 1 in TIME
the run failed: exit status 1
  document   hello.yml
  phase      validate
  step       Check (ExecuteBash)
  exit code  1
  logs       DIR/logs/TOE_TIME_ID
";
    folder.goldsmith("run -d hello.yml --parameters greeting=Bye --trace -l logs").is(1, failed, told);
    assert_eq!(folder.names(), ["hello.yml", "kept.txt", "logs"]);
}

#[test]
fn several_documents_and_selected_phases_run_in_the_documents_order() {
    let folder = Folder::with(&[("a.yml", HELLO), ("b.yml", HELLO)]);
    let names = ["a.yml / build / Greet", "a.yml / build / Keep", "b.yml / build / Greet", "b.yml / build / Keep"];
    folder.goldsmith("run -d a.yml,b.yml -p build").is(0, &summary(4), &steps(&names));
    let unknown = "\
--phases:1:7: error: no document has the phase `valdate`
  build,valdate
        ^^^^^^^
help: did you mean `validate`?
goldsmith: error: 1 mistake in 1 document: nothing was run
";
    folder.goldsmith("run -d a.yml -p build,valdate").is(2, "", unknown);
}

#[test]
fn wrong_documents_and_calls_run_nothing() {
    let wrong = "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      - {name: Set, action: ExecutePowerShell, \
                 inputs: {commands: [dir]}}\n";
    let folder = Folder::with(&[("hello.yml", HELLO), ("wrong.yml", wrong)]);
    let windows = "\
wrong.yml:5:29: error: the action `ExecutePowerShell` is not available on Linux
        - {name: Set, action: ExecutePowerShell, inputs: {commands: [dir]}}
                              ^^^^^^^^^^^^^^^^^
help: it is available on Windows
goldsmith: error: 1 mistake in 2 documents: nothing was run
";
    folder.goldsmith("run -d hello.yml,wrong.yml").is(2, "", windows);
    let blocked = "\
hello.yml:8:30: error: the action `CreateFile` is blocked
        - {name: Keep, action: CreateFile, inputs: [{path: kept.txt, content: '{{ build.Greet.outputs.stdout }}'}]}
                               ^^^^^^^^^^
goldsmith: error: 1 mistake in 1 document: nothing was run
";
    folder.goldsmith("run -d hello.yml --blocked-action-modules CreateFile").is(2, "", blocked);
    let unknown = "goldsmith: error: `CreateFiles` cannot be blocked: there is no such action; did you mean \
                   `CreateFile`?\n";
    folder.goldsmith("run -d hello.yml --blocked-action-modules CreateFiles").is(2, "", unknown);
    let remote = "goldsmith: error: `s3://bucket/a.yml` is not on this machine: fetch it first\n";
    folder.goldsmith("run -d s3://bucket/a.yml").is(2, "", remote);
    assert_eq!(folder.goldsmith("run").status, Some(2));
    assert_eq!(folder.goldsmith("run -d hello.yml -c config.json").status, Some(2));
    assert_eq!(folder.names(), ["hello.yml", "wrong.yml"]);
}

#[test]
fn a_configuration_file_says_it_all() {
    let config = r#"{
  "documents": [{"path": "hello.yml", "parameters": [{"name": "greeting", "value": "Hello, own"}]}],
  "parameters": [{"name": "greeting", "value": "Hello, all"}],
  "phases": "build", "logDirectory": "logs", "executionId": "mine", "cwLogGroup": "/a"
}
"#;
    let folder = Folder::with(&[("hello.yml", HELLO), ("config.json", config), ("bad.json", r#"{"document": []}"#)]);
    let said = folder.goldsmith("run -c config.json -p build,validate");
    let warning = "\
config.json:4:69: warning: `cwLogGroup` has no effect here
    \"phases\": \"build\", \"logDirectory\": \"logs\", \"executionId\": \"mine\", \"cwLogGroup\": \"/a\"
                                                                      ^^^^^^^^^^^^
";
    let names = ["hello.yml / build / Greet", "hello.yml / build / Keep", "hello.yml / validate / Check"];
    let stdout = summary(3).replace("\"ID\"", "\"mine\"").replace("DIR/", "DIR/logs/");
    said.is(0, &stdout, &format!("{warning}{}", steps(&names)));
    assert_eq!(folder.read("kept.txt"), "Hello, own");
    let bad = "\
bad.json:1:2: error: `documents` of this file is missing
  {\"document\": []}
   ^^^^^^^^^^
bad.json:1:2: error: unknown key `document` in this file
  {\"document\": []}
   ^^^^^^^^^^
help: did you mean `documents`?
goldsmith: error: 2 mistakes in bad.json: nothing was run
";
    folder.goldsmith("run -c bad.json").is(2, "", bad);
}

const REBOOTS: &str = "\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - {name: Before, action: ExecuteBash, inputs: {commands: [echo before >> log]}}
      - {name: Restart, action: Reboot}
      - {name: After, action: ExecuteBash, inputs: {commands: [echo after >> log]}}
";

/// Returns the output when a reboot is due, and the output after the reboot.
fn reboots(folder: &Folder, first: &str, again: &str, state: &str) -> Said {
    let told = format!(
        "{}a step asked for a reboot: reboot this machine, then start the same command with --state-directory {state}\n",
        steps(&["r.yml / build / Before", "r.yml / build / Restart"])
    );
    folder.goldsmith(first).is(194, "", &told);
    folder.goldsmith(again)
}

#[test]
fn a_run_goes_on_after_the_reboot_that_it_asked_for() {
    let folder = Folder::with(&[("r.yml", REBOOTS), ("hello.yml", HELLO)]);
    let call = "run -d r.yml -s state";
    let after = format!("resuming the execution ID\n{}", steps(&["r.yml / build / After"]));
    reboots(&folder, call, call, "state").is(0, &summary(3), &after);
    assert_eq!(folder.read("log"), "before\nafter\n");
    // That run is over: the same call is a new one.
    reboots(&folder, call, "run -d hello.yml -p build -s state", "state");
    assert_eq!(folder.read("log"), "before\nafter\nbefore\n");
    // The other document did not touch what waits for the reboot.
    folder.goldsmith(call).is(0, &summary(3), &after);
}

#[test]
fn without_a_state_directory_the_run_says_where_it_goes_on() {
    let folder = Folder::with(&[("r.yml", REBOOTS)]);
    let call = "run -d r.yml --execution-id once";
    let told = reboots(&folder, call, call, "./.goldsmith-state-once");
    assert_eq!((told.status, told.stderr), (Some(0), steps(&["r.yml / build / After"])));
    // A named run that is over is reported, and not run again.
    assert_eq!(folder.goldsmith(call), Said { status: Some(0), stderr: String::new(), stdout: told.stdout });
    assert_eq!(folder.read("log"), "before\nafter\n");
}

#[test]
fn a_killed_run_is_reported_and_its_step_is_not_run_again() {
    let killing = REBOOTS.replace(
        "{name: Restart, action: Reboot}",
        "{name: Kill, action: ExecuteBash, inputs: {commands: [echo kill >> log, kill -9 $PPID, sleep 60]}}",
    );
    let folder = Folder::with(&[("r.yml", &killing)]);
    assert_eq!(folder.goldsmith("run -d r.yml -s state").status, None);
    let said = folder.goldsmith("run -d r.yml -s state");
    assert_eq!(said.status, Some(1));
    assert!(said.stderr.contains("the run failed: the agent was stopped while this step ran"), "{}", said.stderr);
    assert_eq!(folder.read("log"), "before\nkill\n");
}

#[test]
fn an_unwritable_place_is_named() {
    let folder = Folder::with(&[("hello.yml", HELLO), ("file", "")]);
    let said = folder.goldsmith("run -d hello.yml -s file/state");
    let note = said.stderr.split("file/state/").nth(1).unwrap().split('.').next().unwrap().to_owned();
    let expected = format!(
        "goldsmith: error: file/state/{note}.execution cannot be read\n  because: Not a directory (os error 20)\n"
    );
    said.is(2, "", &expected);
    let said = folder.goldsmith("run -d hello.yml -s state -l file/logs");
    assert_eq!(said.status, Some(1));
    assert!(said.stderr.starts_with("the run failed: the log folder DIR/file/logs/TOE_"), "{}", said.stderr);
    assert!(fs::read_dir(folder.path("state")).unwrap().all(|entry| entry.unwrap().path().extension().is_none()));
}
