//! Places where control groups of instances can be created. Root creates them at the top of each hierarchy. Another
//! user creates them next to the group that the endpoint is in, if the user manager (systemd) or another program has
//! delegated that part of the hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Controllers that limit instances.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// In version 1, the hierarchy that systemd itself uses.
const SYSTEMD: &str = "name=systemd";

/// A mounted hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy<'a> {
    /// The group that is visible at the mount point.
    root: &'a str,
    mounted: &'a str,
    /// Whether this is version 2.
    unified: bool,
}

/// Returns the groups in which each instance gets a group of its own.
pub(super) fn parents() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if rustix::process::geteuid().is_root() {
        return all(&mounts).map(|hierarchy| hierarchy.mounted.into()).collect();
    }
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let unified = all(&mounts).find(|hierarchy| hierarchy.unified);
    let above = unified.map(|hierarchy| above(&hierarchy, &own)).unwrap_or_default();
    // A process that moves another needs the right to do so in the nearest group above both.
    let handed_over = |group: &PathBuf| {
        [group.clone(), group.join("cgroup.procs")].iter().all(|path| access(path, Access::WRITE_OK).is_ok())
    };
    above.into_iter().find(handed_over).into_iter().collect()
}

/// Enables limits for the groups below a group of version 2, as far as the endpoint may do so.
pub(super) fn enable(parent: &Path) {
    let control = parent.join("cgroup.subtree_control");
    let words = |file: &Path| fs::read_to_string(file).unwrap_or_default();
    let (enabled, there) = (words(&control), words(&parent.join("cgroup.controllers")));
    for controller in missing(&there, &enabled) {
        // Without the controller, there is no such limit, but nothing else is wrong.
        fs::write(&control, format!("+{controller}")).ok();
    }
}

fn missing(there: &str, enabled: &str) -> impl Iterator<Item = &'static str> {
    let has = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    CONTROLLERS.into_iter().filter(move |name| has(there, name) && !has(enabled, name))
}

/// Returns the relevant hierarchies from a mount table.
fn all(mounts: &str) -> impl Iterator<Item = Hierarchy<'_>> {
    mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let name = kind.next()?;
        let controls = |option: &str| option == SYSTEMD || CONTROLLERS.contains(&option);
        let matters = name == "cgroup2" || name == "cgroup" && kind.next_back()?.split(',').any(controls);
        let mut place = place.split(' ').skip(3);
        let (root, mounted) = (place.next()?, place.next()?);
        matters.then_some(Hierarchy { root, mounted, unified: name == "cgroup2" })
    })
}

/// Returns the groups above a process's own group in the hierarchy of version 2, the nearest first, from its
/// `/proc/PID/cgroup`. The own group is left out: it has processes, and such a group cannot limit others.
fn above(hierarchy: &Hierarchy<'_>, own: &str) -> Vec<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"));
    let below = own.and_then(|own| Path::new(own).strip_prefix(hierarchy.root).ok());
    let groups = below.into_iter().flat_map(Path::ancestors).skip(1);
    groups.map(|group| Path::new(hierarchy.mounted).join(group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_both_versions() {
        let mounts = "29 28 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      30 28 0:30 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n\
                      32 28 0:32 / /sys/fs/cgroup/memory rw shared:5 - cgroup cgroup rw,memory\n\
                      36 28 0:36 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      37 28 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      38 1 0:38 / /proc rw - proc proc rw";
        let found: Vec<&str> = all(mounts).map(|hierarchy| hierarchy.mounted).collect();
        assert_eq!(found, ["cpu", "memory", "systemd", "unified"].map(|name| format!("/sys/fs/cgroup/{name}")));
    }

    #[test]
    fn looks_above_the_own_group_only() {
        let whole = Hierarchy { root: "/", mounted: "/sys/fs/cgroup", unified: true };
        let own = "1:name=systemd:/other\n0::/user.slice/app.slice/shell.scope\n";
        let groups = ["/sys/fs/cgroup/user.slice/app.slice", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/"];
        assert_eq!(above(&whole, own), groups.map(PathBuf::from));
        assert!(above(&whole, "0::/\n").is_empty());
        let part = Hierarchy { root: "/user.slice", ..whole };
        assert_eq!(above(&part, own), ["/sys/fs/cgroup/app.slice", "/sys/fs/cgroup/"].map(PathBuf::from));
        assert!(above(&part, "0::/elsewhere/group\n").is_empty());
    }

    #[test]
    fn enables_what_is_there_and_not_enabled() {
        assert_eq!(missing("cpuset cpu io memory pids\n", "memory pids\n").collect::<Vec<_>>(), ["cpu"]);
        assert_eq!(missing("io\n", "").count(), 0);
    }
}
