//! The last pass of a clean-up. It removes the files that the SSM agent needs until it has reported the result, and
//! again everything that services write while they stop.
//!
//! It runs separately from the command, because the command ends only when no process holds its outputs any more, and
//! the instance may be stopped directly after that. If systemd is the first process, the last pass is a unit that
//! exists in `/run` only. The unit waits for the end of the command, and it runs once more when the instance shuts
//! down, after the services have stopped. Otherwise the last pass is a separate process.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::{Builtin, WorkOrder};

/// The script. It and its unit are in `/run`, and nothing in `/run` gets into an image.
const SCRIPT: &str = include_str!("last.sh");
const FOLDER: &str = "/run/goldsmith";
const UNIT_FOLDER: &str = "/run/systemd/system";
const UNIT: &str = "goldsmith-last-pass.service";

/// The folder of this program for the last pass, and the order that the program gets. If programs must not run from
/// `/run` (Debian, Ubuntu), the folder is a file system of its own.
const PROGRAMS: &str = "/run/goldsmith/bin";
const PROGRAM: &str = "goldsmith-agent";
const ORDER: &str = "/run/goldsmith/last-pass.json";

/// Services that write while they stop, and that start so early that the stop of `sysinit.target` does not imply that
/// they have stopped. Other services, such as rsyslog, cron or sysstat, stop before that target.
const EARLY: &str = "amazon-ssm-agent.service snap.amazon-ssm-agent.amazon-ssm-agent.service auditd.service \
                     systemd-random-seed.service systemd-boot-random-seed.service systemd-update-utmp.service \
                     systemd-journal-flush.service systemd-networkd.service systemd-timesyncd.service \
                     NetworkManager.service iscsid.service";

/// Switches the system's journal to memory only. Otherwise its files on the disk stay open and mapped while they are
/// overwritten and removed, and receive messages until the machine is off. Nothing here fails the clean-up: the last
/// pass removes what was written in the meantime.
pub(crate) fn let_journal_go() {
    if !Path::new("/run/systemd/journal").is_dir() {
        return;
    }
    let folder = "/run/systemd/journald.conf.d";
    let _ = fs::create_dir_all(folder)
        .and_then(|()| fs::write(Path::new(folder).join("goldsmith.conf"), "[Journal]\nStorage=volatile\n"));
    // This file tells journald that it has switched to the disk. With the file, journald returns to the disk whenever
    // it rotates.
    let _ = fs::remove_file("/run/systemd/journal/flushed");
    // Before systemd 243, journald does not know this request and must read its configuration again.
    if run(Command::new("journalctl").arg("--relinquish-var")).is_err() {
        let _ = run(Command::new("systemctl").args(["restart", "systemd-journald.service"]));
    }
}

/// Starts the last pass. `command` is the Run Command that this clean-up is a part of. `installed` says how the SSM
/// agent was installed for this build, if it was.
///
/// # Errors
/// The last pass cannot be started. The image would then keep the files that it removes.
pub(crate) fn last_pass(command: Option<&str>, installed: Option<&str>) -> io::Result<()> {
    let command = command.unwrap_or_default();
    // Both values become words of a unit's command line, so only plain ones are used.
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
        // Without `--no-block`, this command would wait for the unit, which itself waits for the end of this command.
        return run(Command::new("systemctl").args(["start", "--no-block", UNIT]));
    }
    let mut apart = Command::new("setsid");
    quiet(apart.args(["--fork", "sh", &script, "wait", command, installed])).status().map(drop)
}

/// Copies this program and its order to the place where the last pass finds them after those on the disk have been
/// removed.
fn keep_program() -> io::Result<()> {
    fs::create_dir_all(PROGRAMS)?;
    let may_run = |folder: &str| statvfs(folder).is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::NOEXEC));
    if !may_run(PROGRAMS) {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=0700,nosuid,nodev", "goldsmith", PROGRAMS]))?;
    }
    // A copy that is running cannot be written to, so it is replaced.
    let (new, program) = (format!("{PROGRAMS}/new"), format!("{PROGRAMS}/{PROGRAM}"));
    // If there is no /proc, as in a chroot, this program is at the path by which it was called.
    let called = || std::env::args_os().next().unwrap_or_default();
    fs::copy("/proc/self/exe", &new).or_else(|_| fs::copy(called(), &new))?;
    fs::rename(&new, &program)?;
    let order = WorkOrder { builtin: Some(Builtin::CleanAgain), ..WorkOrder::clean("last-pass") };
    fs::write(ORDER, serde_json::to_vec(&order)?)
}

/// Returns the text of the unit. Units stop in the reverse order of their start: a unit that starts before others stops
/// after them. So this one stops after all other units except the file systems.
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

/// Disconnects a command from all outputs.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::{UNIT, unit};

    #[test]
    fn systemd_accepts_the_unit_and_stops_it_after_units_that_write_last() {
        let text = unit("/run/goldsmith/last-pass.sh", "c-1", "deb");
        let before = text.lines().find(|line| line.starts_with("Before=")).unwrap();
        let words: Vec<_> = before["Before=".len()..].split_whitespace().collect();
        for name in ["sysinit.target", "amazon-ssm-agent.service", "auditd.service", "systemd-random-seed.service"] {
            assert!(words.contains(&name), "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(UNIT), text).unwrap();
        // Without systemd, the unit cannot be verified.
        let Ok(found) = Command::new("systemd-analyze").arg("verify").arg(folder.path().join(UNIT)).output() else {
            return;
        };
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    }
}
