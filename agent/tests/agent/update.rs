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
    // In memory, where that can be.
    let places = [work.to_str().unwrap(), "/run/goldsmith/work"];
    let calls = calls.lines().map(|line| places.iter().fold(line.to_owned(), |line, at| line.replace(at, "STATE")));
    let calls = calls.collect();
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
    assert_eq!(calls(&["yum", "dnf", "zypper"], ""), [format!("{DNF} upgrade")]);
    assert_eq!(calls(&["yum", "zypper"], ""), ["yum -y update"]);
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
    assert_eq!(calls(&["dnf"], both), [format!("{DNF} --exclude=kernel* upgrade curl vim")]);
    assert_eq!(calls(&["yum"], both), ["yum -y --exclude=kernel* update curl vim"]);
    assert_eq!(calls(&["zypper"], both)[1..], ["zypper --non-interactive update --auto-agree-with-licenses curl vim"]);
    assert!(calls(&["dnf"], "include: [kernel], exclude: [kernel]").is_empty(), "nothing is left to update");
}

const DNF: &str = "dnf -y --refresh --setopt=skip_if_unavailable=0";
const APT: &str =
    "apt-get -q -y -oDpkg::Options::=--force-confdef -oDpkg::Options::=--force-confold -oDPkg::Lock::Timeout=300";

#[test]
fn apt_is_refreshed_first_and_excludes_by_preferences() {
    assert_eq!(
        calls(&["apt-get"], ""),
        ["apt-get -q -oAPT::Update::Error-Mode=any update", &format!("{APT} upgrade --with-new-pkgs")]
    );
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
fn a_managers_failure_fails_the_step_and_its_hints_do_not() {
    let (run, calls) = update(&[("apt-get", "echo E: broken >&2; exit 100")], "");
    assert_eq!((run.message().as_str(), calls.len()), ("exit status 100", 1));
    assert_eq!(run.result().failure_context.unwrap().last_lines, ["E: broken"]);
    assert_eq!(update(&[("dnf", "exit 194")], "").0.message(), "exit status 194");
    let scriptlet = "case $* in *update*) exit 107;; esac";
    let (run, _) = update(&[("zypper", scriptlet)], "");
    assert_eq!(run.status, Some(0));
    let warning = "warning: a script of an updated package failed; the package is installed";
    assert!(run.said().contains(&warning), "{:?}", run.said());
    let (run, _) = update(&[("dnf", "echo 'warning: %post(vim-9) scriptlet failed, exit status 1'")], "");
    assert!(run.said().contains(&warning), "{:?}", run.said());
    assert_eq!(update(&[("zypper", "case $* in *update*) exit 106;; esac")], "").0.message(), "exit status 106");
}

#[test]
fn a_lock_or_a_mirror_that_comes_free_fails_no_update() {
    let once = |words: &str, code: u32| format!("test -e again || {{ > again; echo '{words}' >&2; exit {code}; }}");
    let lock = once("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (python3)", 100);
    let (run, calls) = update(&[("apt-get", &lock)], "");
    assert_eq!((run.status, calls.len()), (Some(0), 3), "{}", run.stderr);
    let waits = "apt-get: another program holds its lock; trying again in 3 s";
    assert!(run.said().contains(&waits), "{:?}", run.said());
    let mirror = once("Error: Failed to download metadata for repo: Cannot download repomd.xml", 1);
    let (run, calls) = update(&[("dnf", &mirror)], "");
    assert_eq!((run.status, calls.len()), (Some(0), 2), "{}", run.stderr);
}
