//! What this machine needs for a local AWS: permission to run instances, and Python for the emulator.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use goldsmith_local::requirements;
use rustix::process::geteuid;

use crate::exit::lacking;

/// How a program is started with the permissions to run instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// With the permissions of this process, which runs as root or as a user who may make user namespaces.
    Own,
    /// Through `sudo`, which asks for no password.
    Sudo,
}

/// Environment variables that are needed to fetch packages and that sudo removes.
const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

impl Privilege {
    /// Returns how this process gets the permissions, or what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        if geteuid().is_root() {
            return Ok(Privilege::Own);
        }
        match requirements(&std::env::temp_dir()).missing() {
            None => Ok(Privilege::Own),
            Some(_) if succeeds(Command::new("sudo").args(["-n", "true"])) => Ok(Privilege::Sudo),
            Some(missing) => Err(missing),
        }
    }

    /// Returns a command that runs `program` with these permissions.
    pub(crate) fn command(self, program: &Path) -> Command {
        if self == Privilege::Own {
            return Command::new(program);
        }
        let mut command = Command::new("sudo");
        let proxies = PROXIES.iter().filter_map(|name| std::env::var(name).ok().map(|value| format!("{name}={value}")));
        command.args(["-n", "--", "env"]).args(proxies).arg(program);
        command
    }
}

/// Checks everything that a local stack needs, before anything is started. The error has one line.
pub(crate) fn check() -> Result<Privilege> {
    let privilege = Privilege::find().map_err(|missing| {
        lacking(format!("instances cannot run: {missing} (`goldsmith local doctor` shows details)"))
    })?;
    // Debian's python3 has `venv` without `ensurepip`, which only python3-venv brings and without which `-m venv`
    // fails.
    if !succeeds(
        Command::new("python3").args(["-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)"]),
    ) {
        return Err(lacking("the emulator needs Python 3.10 or later with venv: install python3 and python3-venv"));
    }
    Ok(privilege)
}

/// Returns whether a command can be started and succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
