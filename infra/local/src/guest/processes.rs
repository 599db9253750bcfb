//! Finding the processes of an instance from the host's `/proc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::scripts::SCRIPTS;

/// Copies of disks share their blocks if the file system supports it. The flag also tells such a copy from other
/// processes.
pub(super) const REFLINK: &str = "--reflink=auto";

/// How long instances may take to end by themselves after their endpoint has ended.
const ENDING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

/// Flag in `/proc/PID/stat` of a process that is ending (`PF_EXITING`).
const EXITING: u64 = 4;

/// Returns all processes in the process namespace of `init`. The list is empty if `init` is gone, since the kernel ends
/// them with it.
pub(super) fn in_namespace_of(init: Pid) -> Vec<Pid> {
    match namespace(init) {
        Some(own) => all().filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect(),
        None => Vec::new(),
    }
}

/// Returns the first process of a process namespace that a child of `parent` has made.
pub(super) fn first_in_grandchild(parent: Pid) -> Option<Pid> {
    let own = namespace(parent)?;
    let is_child = |pid: Pid| parent_of(pid) == Some(parent);
    all().find(|pid| parent_of(*pid).is_some_and(is_child) && namespace(*pid).is_some_and(|other| other != own))
}

/// Returns all processes whose root directory is `folder` or below it, without zombies.
pub(super) fn rooted_below(folder: &Path) -> Vec<Pid> {
    all().filter(|pid| fs::read_link(proc_file(*pid, "root")).is_ok_and(|root| root.starts_with(folder))).collect()
}

/// Returns whether `pid` is the helper of the first process that waits for the endpoint's end.
pub(super) fn is_lifeline(pid: Pid, init: Pid) -> bool {
    parent_of(pid) == Some(init) && status(pid).lines().any(|line| line == "Name:\tcat")
}

/// Returns whether a process has ended or is about to end. The kernel ends a process namespace while its first process
/// is still ending.
pub(super) fn is_ending(pid: Pid) -> bool {
    let fields = stat(pid);
    let flags: Option<u64> = fields.get(6).and_then(|flags| flags.parse().ok());
    fields.first().is_none_or(|state| matches!(state.as_str(), "Z" | "X"))
        || flags.is_none_or(|flags| flags & EXITING != 0)
}

/// Returns the fields of `/proc/PID/stat` from the third field on, which is the state.
fn stat(pid: Pid) -> Vec<String> {
    let stat = fs::read_to_string(proc_file(pid, "stat")).unwrap_or_default();
    // The program's name, in brackets, may contain any character.
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// Returns the control groups of a process.
pub(super) fn cgroup(pid: Pid) -> Option<String> {
    fs::read_to_string(proc_file(pid, "cgroup")).ok()
}

/// Ends the processes that a killed endpoint left running in its state folder, and waits until they are gone. Most of
/// them end by themselves as soon as they notice that no process holds the other end of their standard input.
pub(super) fn end_left(state: &Path) {
    let (began, instances, folders) =
        (Instant::now(), state.join("instances"), ["instances", "layers"].map(|name| state.join(name)));
    loop {
        let mut left = rooted_below(&instances);
        left.extend(all().filter(|pid| copies_into(*pid, &folders)));
        let holders: Vec<Pid> = all().filter(|pid| holds_instance(*pid, state)).collect();
        if began.elapsed() > ENDING {
            left.extend(&holders);
        }
        for pid in &left {
            kill_process(*pid, Signal::KILL).ok();
        }
        if left.is_empty() && holders.is_empty() || began.elapsed() > 2 * ENDING {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

/// Returns the processes of a process group except its first, without zombies.
pub(super) fn others_in_group(first: Pid) -> impl Iterator<Item = Pid> {
    let group = first.as_raw_nonzero().to_string();
    let lives_in = move |stat: &[String]| stat.get(2) == Some(&group) && stat.first().is_none_or(|state| state != "Z");
    all().filter(move |pid| *pid != first && lives_in(&stat(*pid)))
}

/// Returns whether a child of this process has ended. The child is not reaped.
pub(super) fn is_over(child: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(child), look), Ok(None))
}

/// Returns whether a process starts an instance in this state folder or waits for the end of one: no other process
/// works there with one of the scripts.
fn holds_instance(pid: Pid, state: &Path) -> bool {
    fs::read_link(proc_file(pid, "cwd")).is_ok_and(|folder| folder == state)
        && arguments(pid).iter().any(|word| SCRIPTS.iter().any(|(name, _)| word == name))
}

/// Returns whether a process is a `cp` that an endpoint has started and that copies into one of these folders.
fn copies_into(pid: Pid, folders: &[PathBuf]) -> bool {
    let words = arguments(pid);
    let into = words.last().is_some_and(|last| folders.iter().any(|folder| Path::new(last).starts_with(folder)));
    into && words.first().is_some_and(|program| program == "cp") && words.iter().any(|word| word == REFLINK)
}

fn arguments(pid: Pid) -> Vec<String> {
    let text = fs::read(proc_file(pid, "cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&text).trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

fn namespace(pid: Pid) -> Option<PathBuf> {
    fs::read_link(proc_file(pid, "ns/pid")).ok()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let status = status(pid);
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Pid::from_raw(parent.trim().parse().ok()?)
}

fn status(pid: Pid) -> String {
    fs::read_to_string(proc_file(pid, "status")).unwrap_or_default()
}

fn all() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

fn proc_file(pid: Pid, name: &str) -> PathBuf {
    format!("/proc/{}/{name}", pid.as_raw_nonzero()).into()
}
