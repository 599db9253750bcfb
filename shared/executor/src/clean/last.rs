//! The last pass of a clean-up: what the SSM agent needs until it has told the result goes when it has.
//!
//! It runs apart from the command, since the command ends only when nobody holds its outputs any more, and the instance
//! may be stopped right after. Where systemd is the first process it is a unit that exists in `/run` only: it waits for
//! the command's end, and once more goes over it when the instance goes down, after the SSM agent was stopped. Elsewhere
//! it is a process of its own.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The script, and where it and its unit lie: nothing in `/run` gets into an image.
const SCRIPT: &str = include_str!("last.sh");
const FOLDER: &str = "/run/goldsmith";
const UNIT_FOLDER: &str = "/run/systemd/system";
const UNIT: &str = "goldsmith-last-pass.service";

/// Starts it. `command` is the Run Command that this is a part of; `installed` says how the SSM agent was installed for
/// this build, if it was.
///
/// # Errors
/// It cannot be started: then the image would keep what it is for.
pub(crate) fn last_pass(command: Option<&str>, installed: Option<&str>) -> io::Result<()> {
    let command = command.unwrap_or_default();
    let plain = command.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let command = if plain && !command.is_empty() { command } else { "none" };
    let installed = installed.filter(|how| ["deb", "rpm"].contains(how)).unwrap_or("none");
    std::fs::create_dir_all(FOLDER)?;
    let script = format!("{FOLDER}/last-pass.sh");
    std::fs::write(&script, SCRIPT)?;
    if Path::new(UNIT_FOLDER).is_dir() {
        std::fs::write(Path::new(UNIT_FOLDER).join(UNIT), unit(&script, command, installed))?;
        run(Command::new("systemctl").arg("daemon-reload"))?;
        return run(Command::new("systemctl").args(["start", "--no-block", UNIT]));
    }
    let mut apart = Command::new("setsid");
    quiet(apart.args(["--fork", "sh", &script, "wait", command, installed])).status().map(drop)
}

/// The unit. Units are stopped in the opposite order of their start: what is before the SSM agent goes after it.
fn unit(script: &str, command: &str, installed: &str) -> String {
    format!(
        "[Unit]
Description=Goldsmith's last pass over what must not be in an image
DefaultDependencies=no
RequiresMountsFor=/var/lib/amazon /var/log/amazon
After=local-fs.target
Before=amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=300
TimeoutStopSec=120
ExecStart=/bin/sh {script} wait {command} {installed}
ExecStopPost=/bin/sh {script} now {command} {installed}
"
    )
}

fn run(command: &mut Command) -> io::Result<()> {
    match quiet(command).status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("systemctl ended with {status}"))),
    }
}

/// Holds none of the command's outputs.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
