//! What a stack that has ended may have left: processes, mounts, control groups, and files outside its user's folders.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::account::{Account, names_in};
use crate::traces::{descendants, groups_of};

/// Where several users write.
const SHARED: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/var/lib/machines"];

/// Nothing of the stack's and of these instances is left but what is made once.
pub(crate) fn assert_nothing(account: &Account, instances: &BTreeSet<String>) {
    assert!(!instances.is_empty());
    let processes = descendants();
    assert!(processes.is_empty(), "processes are left: {processes:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let folder = account.folder().to_str().unwrap();
    let mounts: Vec<&str> = mounts.lines().filter(|line| line.contains(folder)).collect();
    assert!(mounts.is_empty(), "mounts are left: {mounts:?}");
    let groups = groups_of(instances);
    assert!(groups.is_empty(), "control groups are left: {groups:?}");
    let strangers: Vec<PathBuf> =
        SHARED.iter().flat_map(|shared| strays(account, instances, Path::new(shared))).collect();
    assert!(strangers.is_empty(), "files are left outside: {strangers:?}");
    assert_eq!(names_in(&account.temporary()), [""; 0]);
    assert_eq!(names_in(&account.home().join(".local/state/goldsmith/local")), ["goldsmith.lock"]);
}

/// Files outside the user's folder that belong to the new user or are named after an instance.
fn strays(account: &Account, instances: &BTreeSet<String>, folder: &Path) -> Vec<PathBuf> {
    let is_stray = |entry: &DirEntry| {
        let owner = entry.metadata().ok().map(|facts| facts.uid());
        let name = entry.file_name().to_string_lossy().into_owned();
        (owner.is_some() && owner == account.rights.stranger()) || instances.iter().any(|id| name.contains(id.as_str()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path == account.folder() {
            continue;
        }
        if is_stray(&entry) {
            found.push(path);
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(strays(account, instances, &path));
        }
    }
    found
}
