//! The last pass of a clean-up: what the SSM agent needs until it has told the result goes when it has, and once more all
//! that services write while they are stopped.
//!
//! It runs apart from the command, since the command ends only when nobody holds its outputs any more, and the instance
//! may be stopped right after. Where systemd is the first process it is a unit that exists in `/run` only: it waits for
//! the command's end, and once more goes over it when the instance goes down, after the services were stopped. Elsewhere
//! it is a process of its own.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::{Builtin, WorkOrder};

/// The script, and where it and its unit lie: nothing in `/run` gets into an image.
const SCRIPT: &str = include_str!("last.sh");
const FOLDER: &str = "/run/goldsmith";
const UNIT_FOLDER: &str = "/run/systemd/system";
const UNIT: &str = "goldsmith-last-pass.service";

/// This program for the last pass, in a file system of its own where none may be run from `/run` (Debian, Ubuntu), and
/// the order that it is given.
const PROGRAMS: &str = "/run/goldsmith/bin";
const PROGRAM: &str = "goldsmith-agent";
const ORDER: &str = "/run/goldsmith/last-pass.json";

/// Services that write while they are stopped, and start so early that the end of `sysinit.target` does not imply theirs.
/// The others, as rsyslog, cron or sysstat, are stopped before that target is.
const EARLY: &str = "amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service auditd.service \
                     systemd-random-seed.service systemd-boot-random-seed.service systemd-update-utmp.service \
                     systemd-journal-flush.service systemd-networkd.service systemd-timesyncd.service \
                     NetworkManager.service iscsid.service";

/// Has the system's journal written to memory only from now on. Its files on the disk are open and mapped otherwise,
/// while they are overwritten and removed, and get what is told until the machine is off. Nothing here fails the
/// clean-up: the last pass meets what came.
pub(crate) fn let_journal_go() {
    if !Path::new("/run/systemd/journal").is_dir() {
        return;
    }
    let folder = "/run/systemd/journald.conf.d";
    let _ = fs::create_dir_all(folder)
        .and_then(|()| fs::write(Path::new(folder).join("goldsmith.conf"), "[Journal]\nStorage=volatile\n"));
    // By this file journald knows that it has gone over to the disk, and goes back to it whenever it rotates.
    let _ = fs::remove_file("/run/systemd/journal/flushed");
    // Before systemd 243 it cannot be asked, and has to read its configuration.
    if run(Command::new("journalctl").arg("--relinquish-var")).is_err() {
        let _ = run(Command::new("systemctl").args(["restart", "systemd-journald.service"]));
    }
}

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
    fs::create_dir_all(FOLDER)?;
    let script = format!("{FOLDER}/last-pass.sh");
    fs::write(&script, SCRIPT)?;
    keep_program()?;
    if Path::new(UNIT_FOLDER).is_dir() {
        fs::write(Path::new(UNIT_FOLDER).join(UNIT), unit(&script, command, installed))?;
        run(Command::new("systemctl").arg("daemon-reload"))?;
        return run(Command::new("systemctl").args(["start", "--no-block", UNIT]));
    }
    let mut apart = Command::new("setsid");
    quiet(apart.args(["--fork", "sh", &script, "wait", command, installed])).status().map(drop)
}

/// Puts this program and its order where the last pass finds them when the disk's are gone.
fn keep_program() -> io::Result<()> {
    fs::create_dir_all(PROGRAMS)?;
    let may_run = |folder: &str| statvfs(folder).is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::NOEXEC));
    if !may_run(PROGRAMS) {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=0700,nosuid,nodev", "goldsmith", PROGRAMS]))?;
    }
    // A copy that runs cannot be written to; it is replaced.
    let (new, program) = (format!("{PROGRAMS}/new"), format!("{PROGRAMS}/{PROGRAM}"));
    // Where there is no /proc, as in a chroot, this program is where it was called.
    let called = || std::env::args_os().next().unwrap_or_default();
    fs::copy("/proc/self/exe", &new).or_else(|_| fs::copy(called(), &new))?;
    fs::rename(&new, &program)?;
    let order = WorkOrder { builtin: Some(Builtin::CleanAgain), ..WorkOrder::clean("last-pass") };
    fs::write(ORDER, serde_json::to_vec(&order)?)
}

/// The unit. Units are stopped in the opposite order of their start: what is before others goes after them, so this one
/// goes last of all but the file systems.
fn unit(script: &str, command: &str, installed: &str) -> String {
    format!(
        "[Unit]
Description=Goldsmith's last pass over what must not be in an image
DefaultDependencies=no
RequiresMountsFor={PROGRAMS} /boot /etc /home /root /var/lib/amazon /var/lib/cloud /var/log/amazon /var/log/journal /var/tmp
After=local-fs.target
Before=sysinit.target shutdown.target umount.target {EARLY}
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
        status => Err(io::Error::other(format!("{} ended with {status}", command.get_program().display()))),
    }
}

/// Holds none of the command's outputs.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::{UNIT, unit};

    #[test]
    fn systemd_takes_the_unit_and_stops_it_after_those_that_write_when_they_stop() {
        let text = unit("/run/goldsmith/last-pass.sh", "c-1", "deb");
        let before = text.lines().find(|line| line.starts_with("Before=")).unwrap();
        let words: Vec<_> = before["Before=".len()..].split_whitespace().collect();
        for name in ["sysinit.target", "amazon-ssm-agent.service", "auditd.service", "systemd-random-seed.service"] {
            assert!(words.contains(&name), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(UNIT), text).unwrap();
        // Where systemd is not installed there is nobody to ask.
        let Ok(found) = Command::new("systemd-analyze").arg("verify").arg(folder.path().join(UNIT)).output() else {
            return;
        };
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    }
}
