//! Processes that the kernel killed because memory ran out.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;

use super::machine::Machine;

/// The most records of the kernel's log that are read. The log is a ring of some thousand records.
const RECORDS: usize = 20_000;

/// What is known of the machine when a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    /// The number of processes that the kernel has killed because memory ran out. Kernels before 4.13 do not count them.
    kills: u64,
}

impl Before {
    /// Returns what is known now.
    pub(crate) fn now() -> Option<Self> {
        kills(&Machine::own()).map(|kills| Self { kills })
    }
}

/// Returns the facts about memory. `is_killed` says that a program of the step was killed by SIGKILL.
pub(super) fn facts(machine: &Machine, before: Option<Before>, is_killed: bool) -> Vec<String> {
    let more = before.zip(kills(machine)).map(|(before, now)| now.saturating_sub(before.kills));
    let memory = memory(machine);
    let mut facts = Vec::new();
    match (more, memory) {
        (Some(1..), memory) => {
            let size = memory.map(|memory| format!(": the instance has {memory}")).unwrap_or_default();
            let log = last_kill(machine);
            let name = log.as_deref().and_then(killed).unwrap_or("a process");
            facts.push(format!("The kernel has killed {name} because memory ran out{size}."));
            facts.extend(log.map(|text| format!("The kernel's log says: {text}")));
        }
        (known, memory) if is_killed => {
            facts.extend(memory.map(|memory| format!("The instance has {memory}.")));
            let other =
                "The kernel has killed no process for want of memory during the step, so another process sent SIGKILL.";
            facts.extend(known.map(|_| other.to_owned()));
        }
        _ => {}
    }
    facts
}

/// Returns the counter of processes that the kernel has killed because memory ran out.
fn kills(machine: &Machine) -> Option<u64> {
    machine.text("/proc/vmstat")?.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// Returns the sizes of memory and swap.
fn memory(machine: &Machine) -> Option<String> {
    let text = machine.text("/proc/meminfo")?;
    let mib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
    };
    let swap = match mib("SwapTotal") {
        Some(0) | None => "no swap".to_owned(),
        Some(swap) => format!("{swap} MiB of swap"),
    };
    Some(format!("{} MiB of memory and {swap}", mib("MemTotal")?))
}

/// Returns the kernel's last sentence about a process that it has killed because memory ran out.
fn last_kill(machine: &Machine) -> Option<String> {
    // A read that would wait for the next record fails instead. Each read returns one record.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).ok()?;
    let mut log = OpenOptions::new().read(true).custom_flags(flags).open(machine.path("/dev/kmsg")).ok()?;
    let mut last = None;
    let mut record = [0; 8_192];
    for _ in 0..RECORDS {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => last = kill_in(record.get(..length).unwrap_or_default()).or(last),
            // A record that was overwritten in the meantime is skipped.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::PIPE.raw_os_error()) => {}
            Err(_) => break,
        }
    }
    last
}

/// Returns the sentence of a record, such as `Out of memory: Killed process 174 (python3) total-vm:…`.
fn kill_in(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let lines = text.lines().map(|line| line.split_once(';').map_or(line, |(_, text)| text));
    let text = lines.rev().find(|line| line.contains("ut of memory: Kill"))?;
    Some(text.to_owned())
}

/// Returns the name of the process in the kernel's sentence.
fn killed(text: &str) -> Option<&str> {
    let (_, process) = text.split_once(" process ")?;
    let (name, _) = process.split_once(" (")?.1.split_once(')')?;
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::machine::testing::Fixture;
    use super::{Before, facts, kill_in};

    const MEMINFO: &[u8] = b"MemTotal:         474604 kB\nMemFree:           10000 kB\nSwapTotal:             0 kB\n";
    const KMSG: &[u8] = b"4,1,2,-;booted\n3,900,812,-;Out of memory: Killed process 174 (python3) total-vm:900000kB, anon-rss:400000kB\n SUBSYSTEM=x\n6,901,9,-;later\n";

    #[test]
    fn a_kill_for_want_of_memory_is_told_with_the_size_of_the_machine() {
        let files = [
            ("/proc/vmstat", &b"nr_free_pages 3\noom_kill 5\npgfault 9\n"[..]),
            ("/proc/meminfo", MEMINFO),
            ("/dev/kmsg", KMSG),
        ];
        let fixture = Fixture::new(&files);
        let machine = fixture.machine();
        let killed = [
            "The kernel has killed python3 because memory ran out: the instance has 463 MiB of memory and no swap.",
            "The kernel's log says: Out of memory: Killed process 174 (python3) total-vm:900000kB, anon-rss:400000kB",
        ];
        assert_eq!(facts(&machine, Some(Before { kills: 4 }), true), killed);
        // The kernel may kill a child of the program, which then ends by itself.
        assert_eq!(facts(&machine, Some(Before { kills: 4 }), false), killed);
        let other =
            "The kernel has killed no process for want of memory during the step, so another process sent SIGKILL.";
        let size = "The instance has 463 MiB of memory and no swap.";
        assert_eq!(facts(&machine, Some(Before { kills: 5 }), true), [size, other]);
        assert_eq!(facts(&machine, None, true), [size]);
        assert!(facts(&machine, Some(Before { kills: 5 }), false).is_empty());
    }

    #[test]
    fn an_old_kernel_and_unreadable_files_are_no_failure() {
        let fixture = Fixture::new(&[
            ("/proc/vmstat", b"oom_kill \xff\n"),
            ("/proc/meminfo", b"MemTotal: x\nSwapTotal: 2048 kB\n"),
        ]);
        assert!(facts(&fixture.machine(), Some(Before { kills: 0 }), true).is_empty());
        let fixture = Fixture::new(&[("/proc/meminfo", b"MemTotal: 2097152 kB\nSwapTotal: 1048576 kB\n")]);
        assert_eq!(
            facts(&fixture.machine(), None, true),
            ["The instance has 2048 MiB of memory and 1024 MiB of swap."]
        );
    }

    #[test]
    fn both_forms_of_the_kernels_sentence_are_read() {
        let of = |text: &[u8]| kill_in(text);
        let old = b"3,1,2,-;Out of memory: Kill process 7 (x) score 900 or sacrifice child";
        assert_eq!(of(old).as_deref(), Some("Out of memory: Kill process 7 (x) score 900 or sacrifice child"));
        assert!(of(b"3,1,2,-;Memory cgroup out of memory: Killed process 7 (x)").is_some());
        assert_eq!((of(b"3,1,2,-;eth0: up"), of(b"\xff\xfe")), (None, None));
    }
}
