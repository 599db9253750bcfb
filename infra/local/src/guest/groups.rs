//! Control groups of instances, if the endpoint may create them: they limit the resources of an instance, and keep the
//! services of one instance's systemd apart from those of another's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::hierarchies;
use super::isolation::Isolation;

/// Most processes of one instance.
const MOST_PROCESSES: u64 = 4096;
/// Part of this machine's memory that one instance may use, in percent.
const MOST_MEMORY: u64 = 75;
/// An instance's share of the processors if others want them too; 100 is usual. An instance may use all processor time
/// that is idle, and a busy one leaves most of it to the rest of the machine. A fixed share would leave processors
/// idle.
const WEIGHT: u64 = 50;
/// The value of version 1 that corresponds to 100.
const USUAL_SHARES: u64 = 1024;

/// Start of the groups' names; the instance's id follows.
const PREFIX: &str = "goldsmith-";
/// Age up to which an empty group may belong to an instance that is starting.
const YOUNG: Duration = Duration::from_secs(60);
/// How long a group may be busy after its processes have been killed.
const ENDING: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);
/// Moves a process into groups, then becomes the rest of the command line. The arguments are groups, `--`, and a
/// command line.
const JOIN: &str = "while [ \"$1\" != -- ]; do echo 0 > \"$1/cgroup.procs\" 2> /dev/null || :; shift; done\n\
                               shift; exec \"$@\"";

/// Returns the same command of this isolation, run in groups.
pub(super) fn within(isolation: Isolation, groups: &[PathBuf], command: Command) -> Command {
    if groups.is_empty() {
        return command;
    }
    let mut joining = isolation.pretending("sh");
    joining.args(["-c", JOIN, "sh"]).args(groups).arg("--").arg(command.get_program()).args(command.get_args());
    joining
}

/// Creates the groups of an instance. Groups that cannot be created are left out; the instance runs without them.
pub(super) fn make(isolation: Isolation, id: &str) -> Vec<PathBuf> {
    if isolation == Isolation::Chroot {
        return Vec::new();
    }
    let mut made = Vec::new();
    for parent in hierarchies::parents() {
        let group = parent.join(format!("{PREFIX}{id}"));
        hierarchies::enable(&parent);
        if fs::create_dir_all(&group).is_ok() {
            bound(&group);
            made.push(group);
        }
    }
    made
}

/// Removes the groups of an instance whose processes have been killed. A group that is still busy stays until the next
/// time.
pub(super) fn remove(id: &str) {
    let began = Instant::now();
    for group in hierarchies::parents().iter().map(|parent| parent.join(format!("{PREFIX}{id}"))) {
        while remove_below(&group).is_err() && began.elapsed() < ENDING {
            std::thread::sleep(LOOK);
        }
    }
}

/// Removes groups that no endpoint removes, because their endpoint was killed and never started again.
pub(super) fn sweep() {
    for parent in hierarchies::parents() {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let old = entry.metadata().and_then(|facts| facts.modified()).is_ok_and(|made| {
                // A younger group may be about to get its first process.
                made.elapsed().is_ok_and(|age| age > YOUNG)
            });
            if old && entry.file_name().to_string_lossy().starts_with(PREFIX) && is_empty(&entry.path()) {
                remove_below(&entry.path()).ok();
            }
        }
    }
}

/// Sets the limits. The files depend on version and controllers.
fn bound(group: &Path) {
    let memory = memory_of_this_machine() / 100 * MOST_MEMORY;
    let values = [
        ("pids.max", MOST_PROCESSES),
        ("memory.max", memory),
        ("memory.limit_in_bytes", memory),
        ("cpu.weight", WEIGHT),
        ("cpu.shares", USUAL_SHARES * WEIGHT / 100),
    ];
    for (file, value) in values {
        let file = group.join(file);
        // Without the controller, there is no limit, but nothing else is wrong.
        if file.exists() {
            fs::write(file, value.to_string()).ok();
        }
    }
}

/// Returns the memory of this machine in bytes.
fn memory_of_this_machine() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes: Option<u64> = total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    kibibytes.unwrap_or_default() * 1024
}

/// Returns whether a group and all groups below it have no process.
fn is_empty(group: &Path) -> bool {
    let own = fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|processes| processes.is_empty());
    let mut below = fs::read_dir(group).into_iter().flatten().flatten();
    own && below.all(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()) || is_empty(&entry.path()))
}

/// Removes a group and the groups below it. Groups are folders that can be removed only one by one; their files go with
/// them.
fn remove_below(group: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(group) else { return Ok(()) };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_below(&entry.path())?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
