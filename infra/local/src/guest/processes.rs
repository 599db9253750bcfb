//! Finding the processes of an instance from the host's `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// Flag in `/proc/PID/stat` of a process that is on its way out (`PF_EXITING`).
const EXITING: u64 = 4;

/// All processes in the process namespace of `init`. Empty when `init` is gone, since the kernel ends them with it.
pub(super) fn in_namespace_of(init: Pid) -> Vec<Pid> {
    match namespace(init) {
        Some(own) => all().filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect(),
        None => Vec::new(),
    }
}

/// The first process of a process namespace that a child of `parent` has made.
pub(super) fn first_in_grandchild(parent: Pid) -> Option<Pid> {
    let own = namespace(parent)?;
    let is_child = |pid: Pid| parent_of(pid) == Some(parent);
    all().find(|pid| parent_of(*pid).is_some_and(is_child) && namespace(*pid).is_some_and(|other| other != own))
}

/// All processes whose root directory is `folder` or below it, zombies not counted.
pub(super) fn rooted_below(folder: &Path) -> Vec<Pid> {
    all().filter(|pid| fs::read_link(proc_file(*pid, "root")).is_ok_and(|root| root.starts_with(folder))).collect()
}

/// Whether `pid` is the helper of the first process that waits for the endpoint's end.
pub(super) fn is_lifeline(pid: Pid, init: Pid) -> bool {
    parent_of(pid) == Some(init) && status(pid).lines().any(|line| line == "Name:\tcat")
}

/// Whether a process has ended or is about to. The kernel ends a process namespace while its first process still is.
pub(super) fn is_ending(pid: Pid) -> bool {
    let stat = fs::read_to_string(proc_file(pid, "stat")).unwrap_or_default();
    // The program's name, in brackets, may hold anything; the third field follows it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let flags: Option<u64> = fields.get(6).and_then(|flags| flags.parse().ok());
    fields.first().is_none_or(|state| matches!(*state, "Z" | "X")) || flags.is_none_or(|flags| flags & EXITING != 0)
}

/// The control groups of a process.
pub(super) fn cgroup(pid: Pid) -> Option<String> {
    fs::read_to_string(proc_file(pid, "cgroup")).ok()
}

/// Ends what an earlier endpoint left running in this folder.
pub(super) fn kill_below(folder: &Path) {
    for pid in rooted_below(folder) {
        kill_process(pid, Signal::KILL).ok();
    }
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
