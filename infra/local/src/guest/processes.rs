//! Finding the processes of an instance from the host's `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// All processes in the process namespace of `init`. Empty when `init` is gone, since the kernel ends them with it.
pub(super) fn in_namespace_of(init: Pid) -> Vec<Pid> {
    let namespace = |pid: Pid| fs::read_link(proc_file(pid, "ns/pid")).ok();
    match namespace(init) {
        Some(own) => all().filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect(),
        None => Vec::new(),
    }
}

/// All processes whose root directory is `folder` or below it, zombies not counted.
pub(super) fn rooted_below(folder: &Path) -> Vec<Pid> {
    all().filter(|pid| fs::read_link(proc_file(*pid, "root")).is_ok_and(|root| root.starts_with(folder))).collect()
}

/// Whether `pid` is the helper of the first process that waits for the endpoint's end.
pub(super) fn is_lifeline(pid: Pid, init: Pid) -> bool {
    let status = fs::read_to_string(proc_file(pid, "status")).unwrap_or_default();
    let is = |line: String| status.lines().any(|found| found == line);
    is(format!("PPid:\t{}", init.as_raw_nonzero())) && is("Name:\tcat".to_owned())
}

/// Ends what an earlier endpoint left running in this folder.
pub(super) fn kill_below(folder: &Path) {
    for pid in rooted_below(folder) {
        kill_process(pid, Signal::KILL).ok();
    }
}

fn all() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

fn proc_file(pid: Pid, name: &str) -> PathBuf {
    format!("/proc/{}/{name}", pid.as_raw_nonzero()).into()
}
