//! The same suite with other rights: as an ordinary user with and without a range of ids, and as root in a container.

mod setpriv;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::guests::{EXPECTED_ISOLATION, base_image};
use super::require_or_skip;
use setpriv::{as_user, in_a_container};

/// The isolation that a run of the suite asks for; without it, the endpoint chooses.
pub(crate) const FORCED_ISOLATION: &str = "GOLDSMITH_TEST_FORCED";
/// Folder with the base image for a run of the suite.
pub(crate) const CACHE: &str = "GOLDSMITH_TEST_CACHE";
/// An account that this machine does not know.
const STRANGER: u32 = 64_321;

/// Whose rights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Root on a machine without systemd-nspawn: as good as asking for `namespaces`.
    RootWithoutNspawn,
    /// Root in an ordinary container.
    Container,
    /// The same where not even user namespaces are allowed: as good as asking for `chroot`.
    StrictContainer,
    /// A user who has only their own id.
    User,
    /// The same, in a part of the control groups' hierarchy that is theirs, as in a session of systemd's.
    UserWithGroups,
    /// A user who has a range of ids, given in this machine's files as one mount namespace sees them.
    UserWithRange,
}

/// Runs the suite again with other rights; only root can, and only once.
pub(crate) async fn again(rights: Rights, isolation: &str, tests: &[&str]) {
    again_with(rights, isolation, tests, &[]).await;
}

/// The same with more in its environment: whether it ran.
pub(crate) async fn again_with(rights: Rights, isolation: &str, tests: &[&str], more: &[(&str, &str)]) -> bool {
    let Some(base) = base_image().await else { return false };
    if std::env::var_os(EXPECTED_ISOLATION).is_some() {
        return false;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED (needs root): the suite with other rights");
        return false;
    }
    let has_range = Command::new("newuidmap").output().is_ok();
    if rights == Rights::UserWithRange && !require_or_skip(has_range, "newuidmap is missing: install uidmap") {
        return false;
    }
    let tests: Vec<String> = tests.iter().map(|test| (*test).to_owned()).collect();
    let isolation = isolation.to_owned();
    let more: Vec<_> = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let run = move || run_suite(rights, &isolation, &base, &tests.iter().map(String::as_str).collect::<Vec<_>>(), more);
    if let Err(failed) = tokio::task::spawn_blocking(run).await {
        std::panic::resume_unwind(failed.into_panic());
    }
    true
}

/// Runs tests of this suite with these rights; they must choose `isolation`, and all must pass.
fn run_suite(rights: Rights, isolation: &str, base: &Path, tests: &[&str], more: Vec<(String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    fs::set_permissions(home, PermissionsExt::from_mode(0o755)).unwrap();
    // Where this suite lies, another user may not come.
    let program = home.join("suite");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let cache = home.join("cache");
    fs::create_dir(&cache).unwrap();
    fs::copy(base, cache.join(base.file_name().unwrap())).unwrap();
    for path in [home, &cache] {
        chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let mut command = match rights {
        Rights::RootWithoutNspawn => Command::new("env"),
        Rights::Container | Rights::StrictContainer => in_a_container(),
        Rights::User => as_user(STRANGER),
        Rights::UserWithGroups => in_own_group(),
        Rights::UserWithRange => with_range(home),
    };
    // Somebody who names a test means it, even if it is slow.
    command
        .arg(&program)
        .args(tests)
        .arg("--include-ignored")
        .env("HOME", home)
        .env("TMPDIR", home)
        .env_remove("XDG_DATA_HOME");
    if matches!(rights, Rights::StrictContainer | Rights::RootWithoutNspawn) {
        command.env(FORCED_ISOLATION, isolation);
    }
    command.env(EXPECTED_ISOLATION, isolation).env(CACHE, &cache).env("GOLDSMITH_REQUIRE_E2E", "1");
    command.envs(more);
    let output = command.current_dir(home).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(said.contains(&format!("{} passed", tests.len())), "{said}\n{errors}");
    fs::remove_dir(own_groups().join("session")).ok();
    fs::remove_dir(own_groups()).ok();
    // What is left belongs to other ids, so that only root can remove it; the suite has removed its disks itself.
    println!("{} tests passed with the isolation {isolation}", tests.len());
}

/// A control group that belongs to the other user, with the command in a group below it.
fn in_own_group() -> Command {
    let group = own_groups();
    fs::create_dir_all(group.join("session")).unwrap();
    for path in [group.clone(), group.join("cgroup.procs"), group.join("cgroup.subtree_control")] {
        chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let user = as_user(STRANGER);
    let mut command = Command::new("sh");
    command.args(["-ec", "echo 0 > \"$1/session/cgroup.procs\"; shift; exec \"$@\"", "sh"]).arg(group);
    command.arg(user.get_program()).args(user.get_args());
    command
}

/// Where the hierarchy of version 2 is mounted, if it is.
pub(crate) fn unified() -> Option<PathBuf> {
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists())
}

fn own_groups() -> PathBuf {
    unified().unwrap_or_default().join(format!("test-{}", std::process::id()))
}

/// The range is there in a mount namespace only: nothing of this machine is changed.
fn with_range(folder: &Path) -> Command {
    let entry = format!("stranger:x:{STRANGER}:{STRANGER}::{}:/bin/sh\n", folder.display());
    fs::write(folder.join("passwd"), fs::read_to_string("/etc/passwd").unwrap() + &entry).unwrap();
    fs::write(folder.join("range"), "stranger:700000:65536\n").unwrap();
    let script = "for file in passwd subuid subgid; do [ -e /etc/$file ] || : > /etc/$file; done\n\
                  mount --bind \"$1/passwd\" /etc/passwd\n\
                  for file in subuid subgid; do mount --bind \"$1/range\" /etc/$file; done\n\
                  shift; exec \"$@\"";
    let user = as_user(STRANGER);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script, "sh"]).arg(folder);
    command.arg(user.get_program()).args(user.get_args());
    command
}
