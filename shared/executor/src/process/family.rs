//! A process and all that it started, to be ended together.
//!
//! Most of them are in the process's group. One that left it (`setsid`, a daemon), or that outlived the agent that
//! started it, is known by a variable of its environment that no other step's processes have.

use std::fs;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

const VARIABLE: &str = "GOLDSMITH_PROCESS";

/// A process with its descendants.
pub(super) struct Family {
    group: Pid,
    mark: String,
}

impl Family {
    /// Marks a command that is about to be started.
    pub(super) fn mark(command: &mut Command, mark: &str) {
        command.env(VARIABLE, mark);
    }

    /// The family of a child that leads a process group and has this mark.
    pub(super) fn new(child: &Child, mark: &str) -> Self {
        Self { group: Pid::from_child(child), mark: mark.to_owned() }
    }

    /// Sends a signal to all that are there; who is gone already needs none.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
        for pid in marked(&self.mark).filter(|pid| getpgid(Some(*pid)) != Ok(self.group)) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Ends what a step of an earlier start of the agent left behind, with all that its inner documents did.
pub(crate) fn end_marked(mark: &str) {
    for pid in marked(mark) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Every process with a mark, or with one that begins with it and a `-`.
fn marked(mark: &str) -> impl Iterator<Item = Pid> {
    let wanted = format!("{VARIABLE}={mark}").into_bytes();
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(move |entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let fits =
            |variable: &[u8]| variable.strip_prefix(&wanted[..]).is_some_and(|rest| matches!(rest, [] | [b'-', ..]));
        environment.split(|byte| *byte == 0).any(fits).then_some(pid)
    })
}
