//! A process and all that it started, to be ended together.
//!
//! Most of them are in the process's group. One that left it (`setsid`, a daemon) is known by a variable of its
//! environment that no other step's processes have.

use std::fs;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

const VARIABLE: &str = "GOLDSMITH_PROCESS";

/// A process with its descendants.
pub(super) struct Family {
    group: Pid,
    mark: String,
}

impl Family {
    /// Marks a command that is about to be started.
    pub(super) fn mark(command: &mut Command) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let own = std::process::id();
        let value = format!("{own}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        command.env(VARIABLE, &value);
        format!("{VARIABLE}={value}")
    }

    /// The family of a child that leads a process group and was marked.
    pub(super) fn new(child: &Child, mark: String) -> Self {
        Self { group: Pid::from_child(child), mark }
    }

    /// Sends a signal to all that are there; who is gone already needs none.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
        for pid in self.strays() {
            let _ = kill_process(pid, signal);
        }
    }

    /// Processes with the mark that are in another group.
    fn strays(&self) -> impl Iterator<Item = Pid> {
        let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let is_ours = environment.split(|byte| *byte == 0).any(|variable| variable == self.mark.as_bytes());
            (is_ours && getpgid(Some(pid)) != Ok(self.group)).then_some(pid)
        })
    }
}
