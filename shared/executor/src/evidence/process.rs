//! What a process is: its program, its parent and its unit of systemd.

use super::machine::Machine;
use crate::process::MARK_VARIABLE;

/// Returns a description such as `174 (unattended-upgr), of apt-daily-upgrade.service`, or `None` if there is no such
/// process. It has no arguments but the first one, and no options, because command lines may contain passwords.
pub(super) fn described(machine: &Machine, pid: u32) -> Option<String> {
    let mut text = named(machine, pid)?;
    let unit = unit(machine, pid);
    let parent = parent(machine, pid).filter(|parent| *parent > 1 || unit.is_none());
    if let Some(parent) = parent.and_then(|parent| named(machine, parent)) {
        text = format!("{text}, a child of {parent}");
    }
    if let Some(unit) = unit {
        text = format!("{text}, of {unit}");
    }
    if is_of_a_step(machine, pid) {
        text = format!("{text}, which a step of a document has started");
    }
    Some(text)
}

/// Returns the number of a process with its program.
fn named(machine: &Machine, pid: u32) -> Option<String> {
    let name = machine.text(format!("/proc/{pid}/comm"))?.trim().to_owned();
    let command = machine.text(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = command.split('\0').nth(1).filter(|word| is_plain(word));
    // The name of a script is also the name of its process, which the kernel cuts to 15 bytes.
    let is_script = |word: &&str| word.rsplit('/').next().is_some_and(|last| last.starts_with(&name));
    let first = first.filter(|word| !is_script(word)).map(|word| format!(" {word}")).unwrap_or_default();
    Some(format!("{pid} ({name}{first})"))
}

fn is_plain(word: &str) -> bool {
    let is_short = !word.is_empty() && word.len() <= 60 && !word.starts_with('-');
    is_short && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'))
}

fn parent(machine: &Machine, pid: u32) -> Option<u32> {
    let status = machine.text(format!("/proc/{pid}/status"))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok().filter(|parent| *parent > 0)
}

/// Returns the unit of systemd, which is the last part of the path of the control group that is a unit.
fn unit(machine: &Machine, pid: u32) -> Option<String> {
    let groups = machine.text(format!("/proc/{pid}/cgroup"))?;
    // With several hierarchies, only that of systemd and the unified one have its units.
    let of_systemd = |line: &&str| line.starts_with("0::") || line.contains(":name=systemd:");
    let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    groups.lines().filter(of_systemd).find_map(|line| line.rsplit('/').find(is_unit)).map(str::to_owned)
}

fn is_of_a_step(machine: &Machine, pid: u32) -> bool {
    let environment = machine.bytes(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mark = format!("{MARK_VARIABLE}=");
    environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::machine::testing::Fixture;
    use super::described;

    #[test]
    fn a_process_is_described_by_what_the_kernel_says() {
        let fixture = Fixture::new(&[
            ("/proc/174/comm", b"unattended-upgr\n"),
            ("/proc/174/cmdline", b"/usr/bin/python3\0/usr/bin/unattended-upgrade\0--verbose\0"),
            ("/proc/174/status", b"Name:\tunattended-upgr\nPPid:\t1\n"),
            ("/proc/174/cgroup", b"0::/system.slice/apt-daily-upgrade.service\n"),
            ("/proc/1/comm", b"systemd\n"),
            ("/proc/9/comm", b"apt-get\n"),
            ("/proc/9/cmdline", b"apt-get\0install\0--password\0hunter2\0"),
            ("/proc/9/status", b"PPid:\t8\n"),
            ("/proc/9/cgroup", b"12:cpu:/x.service\n1:name=systemd:/user.slice/session-3.scope/inner\n"),
            ("/proc/9/environ", b"HOME=/root\0GOLDSMITH_PROCESS=a-0-0-1\0"),
            ("/proc/8/comm", b"sh\n"),
            ("/proc/8/cmdline", b"sh\0-c\0x\0"),
            ("/proc/7/comm", b"\xff\x1b\n"),
            ("/proc/7/status", b"PPid:\t1\n"),
        ]);
        let of = |pid| described(&fixture.machine(), pid);
        assert_eq!(of(174).as_deref(), Some("174 (unattended-upgr), of apt-daily-upgrade.service"));
        let own = "9 (apt-get install), a child of 8 (sh), of session-3.scope, which a step of a document has started";
        assert_eq!(of(9).as_deref(), Some(own));
        assert_eq!(of(7).as_deref(), Some("7 (\u{fffd}\u{1b}), a child of 1 (systemd)"));
        assert_eq!(of(5), None);
    }
}
