//! `UpdateOS`, with package managers that write down how they are called.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::machine::{Machine, Run};

/// A machine whose PATH has nothing but a shell and these programs, each given as what it does besides writing down
/// its call.
fn update(programs: &[(&str, &str)], inputs: &str) -> (Run, Vec<String>) {
    let inputs = if inputs.is_empty() { String::new() } else { format!(", inputs: {{{inputs}}}") };
    let machine = Machine::with_steps(&format!("      - {{name: Patch, action: UpdateOS{inputs}}}\n"));
    let folder = machine.path("bin");
    fs::create_dir_all(&folder).unwrap();
    for tool in ["bash", "cat", "sed"] {
        symlink(format!("/bin/{tool}"), folder.join(tool)).unwrap();
    }
    for (name, does) in programs {
        let calls = machine.path("calls");
        let text = format!("#!/bin/bash\necho \"{name} $*\" >> {}\n{does}\n", calls.display());
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = Run::of(machine.command().env("PATH", &folder).output().unwrap());
    let calls = fs::read_to_string(machine.path("calls")).unwrap_or_default();
    let work = machine.path("..").join("state");
    let work = work.canonicalize().unwrap();
    let calls = calls.lines().map(|line| line.replace(work.to_str().unwrap(), "STATE")).collect();
    (run, calls)
}

fn calls(programs: &[&str], inputs: &str) -> Vec<String> {
    let programs: Vec<_> = programs.iter().map(|name| (*name, "")).collect();
    let (run, calls) = update(&programs, inputs);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    calls
}

#[test]
fn the_first_manager_that_is_there_is_asked() {
    assert_eq!(calls(&["yum", "dnf", "apt-get", "zypper"], ""), ["dnf -y --refresh upgrade"]);
    assert_eq!(calls(&["apt-get", "yum"], ""), ["yum -y update"]);
    assert_eq!(
        calls(&["zypper"], ""),
        ["zypper --non-interactive refresh", "zypper --non-interactive update --auto-agree-with-licenses"]
    );
    let (run, _) = update(&[], "");
    assert_eq!(run.message(), "this machine has none of dnf, yum, apt-get and zypper");
}

#[test]
fn packages_are_included_and_excluded() {
    let both = "include: [curl, vim, kernel-core], exclude: ['kernel*']";
    assert_eq!(calls(&["dnf"], both), ["dnf -y --refresh --exclude=kernel* upgrade curl vim"]);
    assert_eq!(calls(&["yum"], both), ["yum -y --exclude=kernel* update curl vim"]);
    assert_eq!(calls(&["zypper"], both)[1..], ["zypper --non-interactive update --auto-agree-with-licenses curl vim"]);
    assert!(calls(&["dnf"], "include: [kernel], exclude: [kernel]").is_empty(), "nothing is left to update");
}

const APT: &str =
    "apt-get -q -y -oDpkg::Options::=--force-confdef -oDpkg::Options::=--force-confold -oDPkg::Lock::Timeout=300";

#[test]
fn apt_is_refreshed_first_and_excludes_by_preferences() {
    assert_eq!(calls(&["apt-get"], ""), ["apt-get -q update", &format!("{APT} upgrade --with-new-pkgs")]);
    assert_eq!(calls(&["apt-get"], "include: [curl]")[1], format!("{APT} install --only-upgrade curl"));
    let does =
        "for word; do case $word in -oDir::Etc::Preferences=*) cat ${word#*=};; esac; done; echo \"$DEBIAN_FRONTEND\"";
    let (run, calls) = update(&[("apt-get", does)], "exclude: [linux-image-amd64]");
    assert!(calls[1].starts_with(&format!("{APT} -oDir::Etc::Preferences=STATE/")), "{calls:?}");
    let said = run.said();
    let ban = ["Package: linux-image-amd64", "Pin: release *", "Pin-Priority: -1"];
    assert!(said.windows(3).any(|lines| lines == ban), "{said:?}");
    assert!(said.contains(&"noninteractive"));
}

#[test]
fn zypper_names_what_is_not_excluded() {
    let does = "case $* in *list-updates) echo \"<update name='x'/><update kind=\\\"package\\\" name=\\\"vim\\\"/><update name=\\\"kernel-default\\\" />\";; esac";
    let (run, calls) = update(&[("zypper", does)], "exclude: ['kernel*']");
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert_eq!(
        calls[1..],
        [
            "zypper --non-interactive --xmlout list-updates",
            "zypper --non-interactive update --auto-agree-with-licenses vim"
        ]
    );
}

#[test]
fn a_managers_failure_is_the_steps_and_its_hints_are_not() {
    let (run, calls) = update(&[("apt-get", "echo E: broken >&2; exit 100")], "");
    assert_eq!((run.message().as_str(), calls.len()), ("exit status 100", 1));
    assert_eq!(run.result().failure_context.unwrap().last_lines, ["E: broken"]);
    assert_eq!(update(&[("dnf", "exit 194")], "").0.message(), "exit status 194");
    assert_eq!(update(&[("zypper", "case $* in *update*) exit 102;; esac")], "").0.status, Some(0));
    let again = "case $* in *update*) test -e again || { > again; exit 103; };; esac";
    let (run, calls) = update(&[("zypper", again)], "");
    assert_eq!((run.status, calls.len()), (Some(0), 3));
}
