//! What an instance's first boot leaves to wait for, with programs that write down how they are called.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::machine::{Machine, Run};

/// Starts an order on an instance whose PATH has a shell and these programs, each given as what it does.
fn run(machine: &Machine, programs: &[(&str, &str)]) -> (Run, Vec<String>) {
    let folder = machine.path("bin");
    fs::create_dir_all(&folder).unwrap();
    for tool in ["bash", "sleep"] {
        let _ = symlink(format!("/bin/{tool}"), folder.join(tool));
    }
    for (name, does) in programs {
        let text = format!("#!/bin/bash\necho \"{name} $*\" >> {}\n{does}\n", machine.path("calls").display());
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = Run::of(machine.command().env("PATH", &folder).output().unwrap());
    let calls = fs::read_to_string(machine.path("calls")).unwrap_or_default();
    (run, calls.lines().map(str::to_owned).collect())
}

fn on_instance() -> Machine {
    let mut machine =
        Machine::with_steps("      - {name: Say, action: ExecuteBash, inputs: {commands: [echo step]}}\n");
    machine.order.on_instance = true;
    machine
}

#[test]
fn cloud_init_is_waited_for_before_the_first_step() {
    let (quick, calls) = run(&on_instance(), &[("cloud-init", "")]);
    assert_eq!((quick.said(), calls), (vec!["step"], vec!["cloud-init status --wait".to_owned()]));
    let (slow, _) = run(&on_instance(), &[("cloud-init", "sleep 2")]);
    let said = slow.said();
    assert_eq!(said[0], "cloud-init is still running; the steps wait for it, at most 10 minutes");
    assert!(said[1].starts_with("cloud-init ended after "), "{said:?}");
    assert_eq!(said[2], "step");
    let (warned, _) = run(&on_instance(), &[("cloud-init", "exit 2")]);
    assert_eq!(warned.said(), ["cloud-init ended with warnings; see /var/log/cloud-init.log", "step"]);
    let (failed, _) = run(&on_instance(), &[("cloud-init", "exit 1")]);
    let failing = "cloud-init failed; the steps begin anyway; see /var/log/cloud-init.log";
    assert_eq!((failed.status, failed.said()), (Some(0), vec![failing, "step"]));
    let elsewhere = Machine::with_steps("      - {name: Say, action: ExecuteBash, inputs: {commands: [echo step]}}\n");
    assert!(run(&elsewhere, &[("cloud-init", "")]).1.is_empty(), "only an instance has a first boot");
}

#[test]
fn snap_refreshes_are_held_unless_somebody_holds_them_already() {
    let machine = on_instance();
    let (ran, calls) = run(&machine, &[("snap", "[ \"$1\" != get ]")]);
    assert_eq!(
        (ran.said(), calls),
        (vec!["step"], ["snap get system refresh.hold", "snap refresh --hold"].map(str::to_owned).to_vec())
    );
    assert!(machine.path("../snap-refresh-held").exists());
    let theirs = on_instance();
    assert_eq!(run(&theirs, &[("snap", "")]).1, ["snap get system refresh.hold"]);
    assert!(!theirs.path("../snap-refresh-held").exists());
    let (old, _) = run(&on_instance(), &[("snap", "exit 1")]);
    assert_eq!(
        old.said(),
        [
            "snap refreshes cannot be held (snapd is older than 2.58); a refresh during the build may make the build \
             fail",
            "step"
        ]
    );
}
