//! What this machine must have for a local AWS: root for the instances, and Python for the emulator.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use rustix::process::geteuid;

use crate::exit::{Exit, Stop};

/// How a program is started as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// This process is root.
    Root,
    /// `sudo` asks for no password.
    Sudo,
}

/// Environment that fetching packages needs and that sudo takes away.
const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

impl Privilege {
    /// How this process comes to root; none when it cannot.
    pub(crate) fn find() -> Option<Self> {
        if geteuid().is_root() {
            return Some(Privilege::Root);
        }
        succeeds(Command::new("sudo").args(["-n", "true"])).then_some(Privilege::Sudo)
    }

    /// A command that runs `program` as root.
    pub(crate) fn command(self, program: &Path) -> Command {
        if self == Privilege::Root {
            return Command::new(program);
        }
        let mut command = Command::new("sudo");
        let proxies = PROXIES.iter().filter_map(|name| std::env::var(name).ok().map(|value| format!("{name}={value}")));
        command.args(["-n", "--", "env"]).args(proxies).arg(program);
        command
    }
}

/// Checks everything that a local stack needs before anything is started. The error is one line.
pub(crate) fn check() -> Result<Privilege> {
    let Some(privilege) = Privilege::find() else {
        return Err(lacking(
            "instances need root: run this as root, or let this user run `sudo -n` without a password",
        ));
    };
    if !succeeds(
        Command::new("python3").args(["-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)"]),
    ) {
        return Err(lacking("the emulator needs Python 3.10 or later with venv: install python3 and python3-venv"));
    }
    Ok(privilege)
}

/// This machine lacks what is needed.
pub(crate) fn lacking(message: impl Into<String>) -> anyhow::Error {
    Stop { exit: Exit::Machine, message: message.into() }.into()
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
