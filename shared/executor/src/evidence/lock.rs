//! The processes that hold the locks of package managers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

use super::clue::path_in;
use super::machine::Machine;
use super::process::described;

/// The locks that are looked at if a program does not name its own.
const DPKG: &[&str] = &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"];
const RPM: &[&str] = &["/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock", "/run/dnf/rpmtransaction.lock"];
const NONE: &[&str] = &[];
/// The texts of the programs for a lock that another process holds.
const DPKG_WORDS: [&str; 4] =
    ["Could not get lock", "Unable to lock directory", "Unable to acquire the dpkg", "locked by another process"];
const RPM_WORDS: [&str; 3] = ["transaction lock", "waiting for exclusive lock on", "waiting for shared lock on"];
const OTHER_WORDS: [&str; 4] =
    ["holding the yum lock", "Existing lock /", "System management is locked", "Waiting for process with pid"];
/// The files in which package managers leave the number of their process.
const PID_FILES: [&str; 2] = ["/run/yum.pid", "/run/zypp.pid"];
/// How many processes are named.
const HOLDERS: usize = 2;
/// The most processes, and files of each, that are looked at.
const PROCESSES: usize = 4_000;
const FILES: usize = 4_000;

/// A lock that a line speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    path: Option<String>,
    /// The process that the program says holds it.
    pid: Option<u32>,
    usual: &'static [&'static str],
}

impl Lock {
    /// Returns the lock that a line speaks of.
    pub(super) fn of(line: &str) -> Option<Self> {
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        let path = path_in(line);
        let usual = if says(&DPKG_WORDS) {
            DPKG
        } else if says(&RPM_WORDS) {
            RPM
        } else if says(&OTHER_WORDS) || (path.is_some() && line.contains("aiting for") && line.contains(" lock")) {
            NONE
        } else {
            return None;
        };
        // The folders of apt have a file `lock`.
        let path = path.map(|path| if path.ends_with('/') { path + "lock" } else { path });
        Some(Self { path, pid: pid_in(line), usual })
    }
}

/// Returns which process holds a lock.
pub(super) fn facts(machine: &Machine, lock: &Lock) -> Vec<String> {
    let paths: Vec<&str> = match &lock.path {
        Some(path) => vec![path],
        None => lock.usual.to_vec(),
    };
    let mut facts = Vec::new();
    let locks = machine.text("/proc/locks");
    for path in &paths {
        let holders = holders(machine, locks.as_deref().unwrap_or_default(), path);
        let held = holders.iter().filter_map(|pid| described(machine, *pid)).take(HOLDERS);
        facts.extend(held.map(|process| format!("Another process held the lock {path}: {process}.")));
    }
    if !facts.is_empty() {
        return facts;
    }
    let from_file = || PID_FILES.iter().find_map(|path| machine.text(path)?.trim().parse().ok());
    let pid = lock.pid.or_else(|| if lock.usual.is_empty() { from_file() } else { None });
    match (pid, &lock.path) {
        (Some(pid), _) => match described(machine, pid) {
            Some(process) => vec![format!("Another process held the lock: {process}.")],
            None => vec![format!("The process {pid}, which held the lock, has ended.")],
        },
        (None, Some(path)) if locks.is_some() && machine.path(path).exists() => {
            vec![format!("No process held the lock {path} when the agent looked, so its holder has ended.")]
        }
        _ => Vec::new(),
    }
}

/// Returns the number of the process that a line names.
fn pid_in(line: &str) -> Option<u32> {
    let after = ["pid ", "process "].iter().filter_map(|word| Some(line.rsplit_once(word)?.1));
    after.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).next()
}

/// Returns the processes that hold a lock on a file.
fn holders(machine: &Machine, locks: &str, path: &str) -> Vec<u32> {
    let path = machine.path(path);
    let Ok(found) = fs::metadata(&path) else { return Vec::new() };
    let device = format!("{:02x}:{:02x}", major(found.dev()), minor(found.dev()));
    let holder = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        // A process that waits for the lock has an arrow in front.
        let kind = fields.next().filter(|kind| *kind != "->");
        let (pid, file) = kind.and_then(|_| Some((fields.nth(2)?.parse::<i64>().ok()?, fields.next()?)))?;
        let (on, inode) = file.rsplit_once(':')?;
        let pid = u32::try_from(pid).ok().filter(|pid| machine.path(format!("/proc/{pid}")).exists());
        (inode.parse() == Ok(found.ino())).then_some((pid, on == device))
    };
    let lines: Vec<(Option<u32>, bool)> = locks.lines().filter_map(holder).collect();
    let is_sure = |(pid, is_same): &(Option<u32>, bool)| pid.filter(|pid| *is_same || has_lock(machine, *pid, &path));
    let mut holders: Vec<u32> = lines.iter().filter_map(is_sure).collect();
    if holders.is_empty() && !lines.is_empty() {
        // The process that has taken the lock is gone or was not named. Another one has inherited the open file.
        let all = fs::read_dir(machine.path("/proc")).into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(PROCESSES);
        holders = pids.filter(|pid| has_lock(machine, *pid, &path)).take(HOLDERS).collect();
    }
    holders.sort_unstable();
    holders.dedup();
    holders
}

/// Returns whether a process has a lock through a file that it has opened. Some file systems, such as btrfs, have another
/// device number in `/proc/locks` than their files have.
fn has_lock(machine: &Machine, pid: u32, path: &Path) -> bool {
    let files = fs::read_dir(machine.path(format!("/proc/{pid}/fd"))).into_iter().flatten().flatten().take(FILES);
    let is_it = |entry: &fs::DirEntry| fs::read_link(entry.path()).is_ok_and(|target| target == path);
    let is_locked = |entry: fs::DirEntry| {
        let info = machine.text(format!("/proc/{pid}/fdinfo/{}", entry.file_name().to_string_lossy()));
        info.is_some_and(|info| info.lines().any(|line| line.starts_with("lock:")))
    };
    files.filter(is_it).any(is_locked)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use rustix::fs::{major, minor};

    use super::super::machine::testing::Fixture;
    use super::{Lock, facts};

    fn lock(line: &str) -> (Option<String>, Option<u32>, usize) {
        let Some(lock) = Lock::of(line) else { panic!("{line}") };
        (lock.path, lock.pid, lock.usual.len())
    }

    #[test]
    fn the_words_of_the_package_managers_are_known() {
        let path = |path: &str| Some(path.to_owned());
        for (line, expected) in [
            (
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 174 (unattended-upgr)",
                (path("/var/lib/dpkg/lock-frontend"), Some(174), 2),
            ),
            (
                "E: Could not get lock /var/lib/dpkg/lock - open (11: Resource temporarily unavailable)",
                (path("/var/lib/dpkg/lock"), None, 2),
            ),
            (
                "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9...",
                (path("/var/lib/dpkg/lock-frontend"), Some(9), 2),
            ),
            ("E: Unable to lock directory /var/lib/apt/lists/", (path("/var/lib/apt/lists/lock"), None, 2)),
            (
                "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
                (path("/var/lib/dpkg/lock-frontend"), None, 2),
            ),
            ("dpkg: error: dpkg frontend lock was locked by another process with pid 174", (None, Some(174), 2)),
            ("dpkg: error: dpkg status database is locked by another process", (None, None, 2)),
            ("Another app is currently holding the yum lock; waiting for it to exit...", (None, None, 0)),
            (
                "Existing lock /var/run/yum.pid: another copy is running as pid 3012.",
                (path("/var/run/yum.pid"), Some(3012), 0),
            ),
            ("Waiting for process with pid 1234 to finish.", (None, Some(1234), 0)),
            ("Error: Failed to obtain the transaction lock (logged in as: root).", (None, None, 3)),
            (
                "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)",
                (path("/var/lib/rpm/.rpm.lock"), None, 3),
            ),
            (
                "warning: waiting for exclusive lock on /usr/lib/sysimage/rpm/.rpm.lock",
                (path("/usr/lib/sysimage/rpm/.rpm.lock"), None, 3),
            ),
            ("System management is locked by the application with pid 77 (zypper).", (None, Some(77), 0)),
            ("waiting for lock on /run/own.lock", (path("/run/own.lock"), None, 0)),
        ] {
            assert_eq!(lock(line), expected, "{line}");
        }
        for line in ["Blocking waiting for file lock on package cache", "locked", "the door has a lock", ""] {
            assert_eq!(Lock::of(line), None, "{line}");
        }
    }

    const HELD: &str = "E: Could not get lock /var/lib/dpkg/lock-frontend";

    /// A machine on which process 174 holds a lock, given as the device and the inode of `/proc/locks`.
    fn machine(file: impl Fn(u64, u64) -> String) -> Fixture {
        let fixture = Fixture::new(&[
            ("/var/lib/dpkg/lock-frontend", b""),
            ("/var/lib/dpkg/lock", b""),
            ("/proc/174/comm", b"unattended-upgr\n"),
            ("/proc/174/cgroup", b"0::/system.slice/apt-daily-upgrade.service\n"),
            ("/proc/174/fd/none", b""),
            ("/proc/200/comm", b"apt-get\n"),
        ]);
        let path = fixture.machine().path("/var/lib/dpkg/lock-frontend");
        let found = fs::metadata(path).unwrap();
        let file = file(found.dev(), found.ino());
        let locks = format!(
            "1: POSIX  ADVISORY  WRITE 174 {file} 0 EOF\n1: -> POSIX  ADVISORY  WRITE 200 {file} 0 EOF\n\
             2: FLOCK  ADVISORY  WRITE 300 00:01:7 0 EOF\n3: OFDLCK ADVISORY READ -1 {file} 0 EOF\n\nodd\n4: POSIX\n"
        );
        fs::write(fixture.machine().path("/proc/locks"), locks).unwrap();
        fixture
    }

    #[test]
    fn the_holder_is_named_with_its_unit() {
        let fixture = machine(|device, inode| format!("{:02x}:{:02x}:{inode}", major(device), minor(device)));
        let told = "Another process held the lock /var/lib/dpkg/lock-frontend: 174 (unattended-upgr), of apt-daily-upgrade.service.";
        let of = |line: &str| facts(&fixture.machine(), &Lock::of(line).unwrap());
        assert_eq!(of(HELD), [told]);
        assert_eq!(of("dpkg: error: dpkg frontend lock was locked by another process with pid 999"), [told]);
        let free = "No process held the lock /var/lib/dpkg/lock when the agent looked, so its holder has ended.";
        assert_eq!(of("E: Could not get lock /var/lib/dpkg/lock - open"), [free]);
        assert!(of("E: Could not get lock /var/lib/none - open").is_empty());
    }

    #[test]
    fn where_the_device_differs_the_open_file_decides() {
        let fixture = machine(|_, inode| format!("ff:fe:{inode}"));
        let path = fixture.machine().path("/var/lib/dpkg/lock-frontend");
        assert!(facts(&fixture.machine(), &Lock::of(HELD).unwrap())[0].starts_with("No process held the lock "));
        symlink(&path, fixture.machine().path("/proc/174/fd/3")).unwrap();
        assert!(facts(&fixture.machine(), &Lock::of(HELD).unwrap())[0].starts_with("No process held the lock "));
        let info = fixture.machine().path("/proc/174/fdinfo/3");
        fs::create_dir_all(info.parent().unwrap()).unwrap();
        fs::write(info, "pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 9 ff:fe:7 0 EOF\n").unwrap();
        assert!(facts(&fixture.machine(), &Lock::of(HELD).unwrap())[0].contains(": 174 (unattended-upgr), of "));
    }

    #[test]
    fn the_process_that_a_program_names_is_described() {
        let fixture =
            Fixture::new(&[("/proc/77/comm", b"zypper\n"), ("/run/yum.pid", b"77\n"), ("/proc/locks", b"\xff")]);
        let of = |line: &str| facts(&fixture.machine(), &Lock::of(line).unwrap());
        let told = ["Another process held the lock: 77 (zypper)."];
        assert_eq!(of("System management is locked by the application with pid 77 (zypper)."), told);
        assert_eq!(of("Another app is currently holding the yum lock; waiting for it to exit..."), told);
        assert_eq!(
            of("Waiting for process with pid 78 to finish."),
            ["The process 78, which held the lock, has ended."]
        );
        assert!(of("Error: Failed to obtain the transaction lock (logged in as: root).").is_empty());
    }
}
