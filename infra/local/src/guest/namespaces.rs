//! The namespaces of a running instance, and ways to enter them.

use std::path::PathBuf;

use rustix::process::Pid;
use tokio::process::{Child, ChildStdin, Command};

use super::{Guest, groups};

/// The processes that hold an instance's namespaces. When the pipe is dropped, all of them end.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) unshare: Child,
    /// First process of the namespace that `unshare` made.
    pub(super) supervisor: Pid,
    /// First process that the instance sees: the same process, or the container's systemd.
    pub(super) init: Pid,
    /// Control groups of all its processes.
    pub(super) groups: Vec<PathBuf>,
    pub(super) _lifeline: ChildStdin,
}

impl Inside {
    /// Returns the start of a command line that runs the rest of the line in the instance.
    pub(super) fn enter(&self, guest: &Guest) -> Command {
        // A command counts against the limits of its instance only from its control group on. So it enters the group
        // before the namespaces.
        Command::from(groups::within(guest.way.isolation, &self.groups, self.nsenter(guest)))
    }

    /// Does the same for commands that only read, often and for a moment. They are not moved into the groups, because
    /// the kernel stops every fork of this machine to move a process.
    pub(super) fn peek(&self, guest: &Guest) -> Command {
        Command::from(self.nsenter(guest))
    }

    fn nsenter(&self, guest: &Guest) -> std::process::Command {
        guest.way.isolation.nsenter(&self.init.as_raw_nonzero().to_string(), guest.network)
    }
}
