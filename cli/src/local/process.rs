//! Processes that outlive this program: they are started apart from the terminal, identified by their start time, and
//! ended by a later call.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::machine::Privilege;

/// How long a process may take to end: the endpoint first ends its instances.
const ENDING: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// Number of log lines that an error shows.
const LAST_LINES: usize = 5;

/// A process that this program has started. After this program has ended, the process id alone may belong to another
/// process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: i32,
    /// Start time of the process, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub(crate) started: u64,
}

impl Process {
    /// Starts a command in its own session, so that neither Ctrl-C nor a closed terminal affects it. The command writes
    /// its output to `log`. Only the program and the arguments of `command` are used.
    pub(crate) fn start(command: &Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
        let name = command.get_program().to_string_lossy().into_owned();
        // `setsid` forks only if it leads a process group, which a new child does not. So the program keeps the id of
        // the child.
        let mut apart = Command::new("setsid");
        apart.arg(command.get_program()).args(command.get_args());
        let started = apart.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = started.with_context(|| format!("cannot start {name}"))?;
        let pid = i32::try_from(child.id()).context("a process id is a positive number")?;
        Self::of(pid).with_context(|| format!("{name} ended at once: {}", last_lines(log)))
    }

    /// Returns the process that has this id now.
    fn of(pid: i32) -> Option<Self> {
        Stat::of(pid).map(|stat| Process { pid, started: stat.started })
    }

    /// Returns whether the process is still running and is the one that was started.
    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Asks the process to end, and waits until it and all processes that it started have ended. Remaining processes
    /// are killed. It is no error if the process has already ended.
    pub(crate) fn end(self, privilege: Privilege) -> Result<()> {
        if !self.is_alive() {
            return Ok(()); // the number of its session may belong to another one by now
        }
        // Only the process itself is asked to end, not its whole session: the endpoint ends its instances first.
        signal(&[self.pid], Signal::TERM, privilege)?;
        let asked = Instant::now();
        while asked.elapsed() < ENDING && self.is_alive() {
            sleep(LOOK);
        }
        let killed = Instant::now();
        loop {
            let left = self.session();
            if left.is_empty() {
                return Ok(());
            }
            if killed.elapsed() > ENDING {
                bail!("process {} does not end", self.pid);
            }
            signal(&left, Signal::KILL, privilege)?;
            sleep(LOOK);
        }
    }

    /// Returns the ids of all living processes in the session of the process.
    fn session(self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| Stat::of(*pid).is_some_and(|stat| stat.session == self.pid)).collect()
    }
}

/// What the system reports about a living process.
struct Stat {
    session: i32,
    started: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The program's name, in parentheses, may contain anything; the third field follows it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // These fields begin with the third one of proc(5): the state. The session is field 6, and the start is field
        // 22.
        let ended = matches!(*fields.first()?, "Z" | "X");
        let stat = Stat { session: fields.get(3)?.parse().ok()?, started: fields.get(19)?.parse().ok()? };
        (!ended).then_some(stat)
    }
}

/// Sends a signal to processes. It is no error if a process has ended in the meantime.
fn signal(pids: &[i32], signal: Signal, privilege: Privilege) -> Result<()> {
    for pid in pids {
        let told = match (privilege, Pid::from_raw(*pid)) {
            (Privilege::Own, Some(pid)) => kill_process(pid, signal).is_ok(),
            (Privilege::Sudo, Some(_)) => {
                let mut kill = privilege.command(Path::new("kill"));
                kill.arg(format!("-{}", signal.as_raw())).arg(pid.to_string()).status()?.success()
            }
            (_, None) => false,
        };
        if !told && Stat::of(*pid).is_some() {
            bail!("process {pid} cannot be ended");
        }
    }
    Ok(())
}

/// Returns the end of a log, in one line.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    lines
        .get(from..)
        .filter(|lines| !lines.is_empty())
        .map_or_else(|| "it printed nothing".to_owned(), |lines| lines.join("; "))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Process, last_lines};
    use crate::local::machine::Privilege;

    #[test]
    fn a_process_is_ended_and_another_with_its_id_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut sleeper = Command::new("sleep");
        sleeper.arg("60");
        let process = Process::start(&sleeper, &folder.path().join("log")).unwrap();
        let other = Process { started: process.started + 1, ..process };
        other.end(Privilege::Own).unwrap();
        assert!(process.is_alive() && !other.is_alive());
        process.end(Privilege::Own).unwrap();
        assert!(!process.is_alive());
    }

    #[test]
    fn what_a_process_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 60 & echo started; wait"]);
        let log = folder.path().join("log");
        let process = Process::start(&shell, &log).unwrap();
        while std::fs::read_to_string(&log).unwrap().is_empty() {
            std::thread::sleep(super::LOOK);
        }
        assert_eq!(process.session().len(), 2);
        process.end(Privilege::Own).unwrap();
        assert_eq!(process.session(), [0; 0]);
    }

    #[test]
    fn the_end_of_a_log_is_one_line() {
        let log = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(last_lines(log.path()), "it printed nothing");
        std::fs::write(log.path(), "a\nb\n\nc\nd\ne\nf\n").unwrap();
        assert_eq!(last_lines(log.path()), "b; c; d; e; f");
    }
}
