//! What instances could leave behind beside files: processes, namespaces and control groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are mounted, in either version.
const GROUPS: &str = "/sys/fs/cgroup";
/// Namespaces that instances have of their own.
const NAMESPACES: [&str; 6] = ["pid", "mnt", "uts", "user", "net", "ipc"];

/// From now on what descends from this process stays in its family: orphans become its children. It does not bury them, as
/// the first process of many a container does not.
pub(crate) fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
}

/// All living processes that descend from this one, with their command lines. Another program's processes on this machine
/// are never among them.
pub(crate) fn descendants() -> BTreeMap<u32, String> {
    let parents = parents();
    let descends = |mut pid: u32| {
        while let Some(parent) = parents.get(&pid) {
            if *parent == std::process::id() {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let command = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let named = |pid: u32| (pid, String::from_utf8_lossy(&command(pid)).replace('\0', " "));
    parents.keys().copied().filter(|pid| descends(*pid)).map(named).collect()
}

/// Every living process and its parent.
fn parents() -> BTreeMap<u32, u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let lives = !matches!(fields.next()?, "Z" | "X");
        Some((pid, fields.next()?.parse().ok()?)).filter(|_| lives)
    };
    pids.filter_map(parent).collect()
}

/// Namespaces of these processes that this one is not in.
pub(crate) fn foreign_namespaces<'a>(pids: impl IntoIterator<Item = &'a u32>) -> BTreeSet<PathBuf> {
    let of =
        |process: &str| NAMESPACES.map(|name| fs::read_link(format!("/proc/{process}/ns/{name}")).unwrap_or_default());
    let own = of("self");
    pids.into_iter().flat_map(|pid| of(&pid.to_string())).filter(|one| !own.contains(one)).collect()
}

/// Control groups that are named after one of these instances.
pub(crate) fn groups_of(instances: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    visit(Path::new(GROUPS), &mut |folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if instances.iter().any(|id| name.ends_with(id)) {
            found.push(folder.to_owned());
        }
    });
    found
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            look(&entry.path());
            visit(&entry.path(), look);
        }
    }
}

/// Ids of all instances that an endpoint has written down in its state folder.
pub(crate) fn instances_in(state: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(state.join("world.jsonl")).unwrap();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.filter(|word| word.len() == 19 && word.starts_with("i-")).map(str::to_owned).collect()
}
