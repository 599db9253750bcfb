//! A process and all processes that it started, which are ended together.
//!
//! Most of them are in the process group. A process that left the group (`setsid`, a daemon), or that outlived the
//! agent that started it, is recognized by an environment variable that the processes of no other step have.

use std::fs;

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

/// The environment variable with the mark.
pub(crate) const VARIABLE: &str = "GOLDSMITH_PROCESS";

/// A process with its descendants.
pub(super) struct Family {
    group: Pid,
    mark: String,
}

impl Family {
    /// Returns the family of a child that leads a process group and has this mark.
    pub(super) fn new(child: Pid, mark: &str) -> Self {
        Self { group: child, mark: mark.to_owned() }
    }

    /// Sends a signal to all processes of the family. Processes that have already ended need none.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
        // The members of the group have already received the signal. A second one could run their handlers twice.
        for pid in marked(&self.mark).filter(|pid| getpgid(Some(*pid)) != Ok(self.group)) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Ends the processes that a step of an earlier start of the agent left behind, including those of its nested
/// documents.
pub(crate) fn end_marked(mark: &str) {
    for pid in marked(mark) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Returns every process with a mark, or with a mark that begins with it and a `-`.
fn marked(mark: &str) -> impl Iterator<Item = Pid> {
    let wanted = format!("{VARIABLE}={mark}").into_bytes();
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(move |entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        // Without the separator, the mark of step 1 would also fit the processes of step 10.
        let fits =
            |variable: &[u8]| variable.strip_prefix(&wanted[..]).is_some_and(|rest| matches!(rest, [] | [b'-', ..]));
        environment.split(|byte| *byte == 0).any(fits).then_some(pid)
    })
}
