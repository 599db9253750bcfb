//! Removes from a machine the files that must not be in an image of it: identities, keys, histories and logs of this
//! instance, and files that the build itself left. Each file is overwritten before it is removed. The clean-up is safe
//! to repeat.
//!
//! The list is that of EC2 Image Builder's own clean-up, plus the files that it lacks. `/etc/locale.conf` stays because
//! a component may have set it. Package caches stay too. No mount point is removed, and no symbolic link is followed
//! out of the root.

mod first_boot;
mod identity;
mod last;
mod list;
mod red_hat;
mod remove;
mod suse;

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::{EXIT_FAILED, EXIT_SUCCESS, RunResult};
pub(crate) use last::{last_pass, let_journal_go};
use list::{LOGS, REGISTRATION, SSM_LOGS, Skips, in_homes};
use remove::Remover;

/// The files that the SSM agent and this program need until their work is reported.
const LAST: &[&str] = &["var/lib/amazon/ssm/*", "var/lib/goldsmith"];
const LAST_LOGS: &[&str] = &["var/log/amazon/ssm/*"];

/// The folders through which the SSM agent's processes communicate. Without them, the agent would never learn of the
/// command's end. They are bound to the instance's id and have no meaning on another instance.
const CHANNELS: &str = "channels";
const SOCKETS: &str = "ipc";

/// The files from which the SSM agent reads the command's output when the command has ended. It opens them by their
/// paths.
const OUTPUTS: [&str; 4] = ["stdout", "stderr", "stdoutConsole", "stderrConsole"];

/// The file that says that the SSM agent was installed for this build, and whether as a `deb` or an `rpm`.
const INSTALLED: &str = "var/lib/goldsmith/ssm-agent-installed";

/// Cleans the machine whose files are below `root` and returns the exit status. The result is reported before the SSM
/// agent's files and the agent's own folder are removed. Components may have put the files that keep sections of the
/// list in `working_directory`. The last part never fails: the SSM agent is running, so files may disappear or reappear
/// in the meantime. The files that the SSM agent needs until it has reported the result of `command`, the command that
/// this clean-up is a part of, stay until `last_pass`. `last_pass` receives how the SSM agent was installed for this
/// build.
pub(crate) fn clean(
    root: &Path,
    execution: &str,
    command: Option<&str>,
    working_directory: &str,
    report: &mut dyn FnMut(&RunResult),
    last_pass: &mut dyn FnMut(Option<&str>) -> io::Result<()>,
) -> u8 {
    let mut remover = Remover::new(root);
    let skips = Skips::read(root, working_directory);
    // The record comes first: the components' own files are usually in `/tmp`, which is emptied next.
    skips.remember(root);
    remove_listed(&mut remover, root, &skips);
    remover.remove(&[format!("{}/skip_cleanup_*", working_directory.trim_matches('/'))]);
    // The last pass waits for the end of this command, so it can start before the report, which must contain its
    // failure.
    let mut failures = remover.take_failures();
    let installed = std::fs::read_to_string(root.join(INSTALLED)).ok();
    if failures.is_empty()
        && let Err(error) = last_pass(installed.as_deref().map(str::trim))
    {
        failures.push(format!("the last pass over the SSM agent's files cannot be started: {error}"));
    }
    if !failures.is_empty() {
        let mut result = RunResult::failed(execution, "files that must not be in an image could not be removed");
        if let Some(context) = &mut result.failure_context {
            context.last_lines = failures;
        }
        report(&result);
        return EXIT_FAILED;
    }
    report(&RunResult { executed_step_count: 1, ..RunResult::new(execution) });
    let command = command.map(str::to_owned);
    remover.keep(move |path| is_needed(path, command.as_deref()));
    remove_last(&mut remover, &skips, LAST);
    EXIT_SUCCESS
}

/// Returns whether the SSM agent was installed for this build, so that the last pass removes it.
pub(crate) fn installed_ssm_agent(root: &Path) -> bool {
    root.join(INSTALLED).exists()
}

/// Cleans everything once more. By then, the services that write while they stop have stopped, and no files must be
/// kept for the SSM agent.
pub(crate) fn clean_again(root: &Path) -> u8 {
    let mut remover = Remover::new(root);
    // The files of the components are gone by now. The record of the first pass has the sections.
    let skips = Skips::read(root, "");
    remove_listed(&mut remover, root, &skips);
    // The sockets stay: the SSM agent may still be running, and they have no meaning on another instance.
    remove_last(&mut remover, &skips, &["var/lib/amazon/ssm/i-*", "var/lib/goldsmith"]);
    if remover.take_failures().is_empty() { EXIT_SUCCESS } else { EXIT_FAILED }
}

fn remove_listed(remover: &mut Remover, root: &Path, skips: &Skips) {
    let patterns = in_homes(root, skips.left().flat_map(|section| section.removed));
    remover.remove(&patterns);
    // Journald makes its folder again when it writes to the disk. An empty folder reveals only its id.
    if !skips.has(LOGS) {
        remover.try_remove(&["var/log/journal/*"]);
    }
    let patterns: Vec<_> = skips.left().flat_map(|section| section.emptied).collect();
    remover.empty(&patterns);
    if !skips.has(REGISTRATION) {
        suse::forget(remover, root);
        red_hat::forget(remover, root);
    }
    identity::renew(remover, root, skips);
    first_boot::make_keys(remover, root, skips);
}

fn remove_last(remover: &mut Remover, skips: &Skips, patterns: &[&str]) {
    remover.remove(patterns);
    if !skips.has(SSM_LOGS) {
        remover.remove(LAST_LOGS);
    }
    rustix::fs::sync();
}

/// Returns whether the SSM agent needs a file of its folder until it has reported the command's result. If the command
/// is not known, the files that any command may need stay.
fn is_needed(path: &Path, command: Option<&str>) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let parents = || path.parent().into_iter().flat_map(Path::components);
    let is_in = |folder: &str| parents().any(|part| part.as_os_str() == folder);
    // A repeated clean-up must know it too.
    if path.ends_with(INSTALLED) {
        return true;
    }
    if name == SOCKETS || OUTPUTS.contains(&name) && is_in("orchestration") {
        return name == SOCKETS || command.is_none_or(is_in);
    }
    match command {
        Some(command) => name == command && is_in(CHANNELS),
        None => name == CHANNELS,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::{INSTALLED, clean, clean_again, is_needed};
    use crate::{RunResult, RunStatus};

    fn write(root: &Path, paths: &[&str]) {
        for path in paths {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "secret").unwrap();
        }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    const TMP: &str = "/tmp";

    const GOES: &[&str] = &[
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/ssh_host_rsa_key.pub",
        "etc/hostname",
        "root/.ssh/authorized_keys",
        "root/.bash_history",
        "home/admin/.ssh/authorized_keys",
        "home/admin/.python_history",
        "var/lib/cloud/instances/i-1/user-data.txt",
        "var/log/cloud-init-output.log",
        "var/log/journal/0123/system.journal",
        "var/lib/dhcp/dhclient.eth0.leases",
        "var/lib/systemd/random-seed",
        "etc/nvme/hostid",
        "etc/nvme/hostnqn",
        "etc/pki/consumer/key.pem",
        "etc/iscsi/initiatorname.iscsi",
        "home/admin/.ssh/authorized_keys2",
        "home/admin/.ssh/known_hosts",
        "home/admin/.aws/credentials",
        "home/admin/.docker/config.json",
        "home/admin/.git-credentials",
        "home/admin/.lesshst",
        "home/admin/.netrc",
        "home/admin/.npmrc",
        "home/admin/.viminfo",
        "home/admin/.wget-hsts",
        "srv/jenkins/.aws/credentials",
        "srv/jenkins/.ssh/known_hosts",
        "var/crash/core",
        "var/cache/cloudregister/currentSMTInfo.obj",
        "var/lib/dbus/machine-id",
        "var/lib/docker/engine-id",
        "var/lib/systemd/coredump/core.x",
        "var/lib/systemd/credential.secret",
        "var/lib/yum/uuid",
        "var/lib/zypp/AnonymousUniqueId",
        "var/log/apt/history.log.1.gz",
        "var/log/auth.log.1",
        "var/log/messages-20261128",
        "var/log/syslog.1",
        "tmp/left/over",
        "tmp/ipc/socket",
        "var/tmp/.hidden",
        "var/lib/amazon/ssm/i-0/document/orchestration/c-0/awsrunShellScript/0.awsrunShellScript/stdout",
        "var/lib/amazon/ssm/i-1/document/orchestration/c-0/awsrunShellScript/0.awsrunShellScript/stderrConsole",
        "var/lib/amazon/ssm/i-1/document/orchestration/c-1/awsrunShellScript/0.awsrunShellScript/_script.sh",
        "var/lib/amazon/ssm/i-1/document/state/current/c-1",
        "var/lib/amazon/ssm/i-1/channels/c-0/worker",
        "var/log/amazon/ssm/amazon-ssm-agent.log",
        "var/lib/goldsmith/state/x/state.json",
    ];
    const STAYS: &[&str] = &[
        "usr/sbin/registercloudguest",
        "etc/ssh/sshd_config",
        "root/.bashrc",
        "home/admin/.ssh/config",
        "var/cache/apt/pkgcache.bin",
        "var/lib/amazon/ssm/i-1/channels/c-1/worker",
        "var/lib/amazon/ssm/i-1/document/orchestration/c-1/awsrunShellScript/0.awsrunShellScript/stderr",
        "var/lib/amazon/ssm/i-1/document/orchestration/c-1/awsrunShellScript/0.awsrunShellScript/stderrConsole",
        "var/lib/amazon/ssm/i-1/document/orchestration/c-1/awsrunShellScript/0.awsrunShellScript/stdout",
        "var/lib/amazon/ssm/i-1/document/orchestration/c-1/awsrunShellScript/0.awsrunShellScript/stdoutConsole",
        "var/lib/amazon/ssm/ipc/health",
        "etc/machine-id",
    ];
    /// These files stay too, but empty.
    const EMPTY: &[&str] = &[
        "etc/machine-id",
        "var/log/apt/history.log",
        "var/log/auth.log",
        "var/log/cloudregister",
        "var/log/lastlog",
        "var/log/messages",
        "var/log/secure",
        "var/log/syslog",
        "var/log/ubuntu-advantage.log",
        "var/log/wtmp",
        "var/mail/root",
    ];
    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nci:x:9:9::/srv/jenkins:/bin/sh\nnobody:x:1:1::/nonexistent:/x\nx:x:2:2::/../..:/x\n";

    #[test]
    fn only_what_belongs_to_this_instance_goes_and_twice_is_the_same_as_once() {
        let outside = tempfile::tempdir().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        write(outside.path(), &["kept"]);
        write(root, GOES);
        write(root, STAYS);
        write(root, EMPTY);
        fs::write(root.join("etc/passwd"), PASSWD).unwrap();
        symlink(outside.path(), root.join("tmp/link")).unwrap();
        symlink(outside.path(), root.join("var/lib/NetworkManager")).unwrap();
        write(outside.path(), &["x.lease"]);
        for _ in 0..2 {
            let mut results = Vec::new();
            let mut passes = 0;
            let report = &mut |result: &RunResult| results.push(result.clone());
            let mut last_pass = |_: Option<&str>| {
                passes += 1;
                Ok(())
            };
            assert_eq!(clean(root, "b/Snapshot", Some("c-1"), TMP, report, &mut last_pass), 0);
            assert_eq!(passes, 1);
            assert_eq!(results.len(), 1);
            assert_eq!(results[0].status, RunStatus::Success);
            let mut expected: Vec<PathBuf> =
                STAYS.iter().chain(&EMPTY[1..]).chain(&["etc/passwd"]).map(|path| root.join(path)).collect();
            let mut left: Vec<PathBuf> =
                files(root).into_iter().filter(|path| !path.starts_with(root.join("var/lib/NetworkManager"))).collect();
            expected.sort();
            left.sort();
            assert_eq!(left, expected);
            for path in EMPTY {
                assert_eq!(fs::read(root.join(path)).unwrap(), b"", "{path}");
            }
            assert!(root.join("tmp").is_dir() && !root.join("var/lib/goldsmith").exists());
            assert!(!root.join("tmp/link").is_symlink());
            assert!(outside.path().join("kept").exists() && outside.path().join("x.lease").exists());
        }
    }

    #[test]
    fn what_goes_is_overwritten_before_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), GOES);
        write(directory.path(), &["usr/sbin/registercloudguest"]);
        fs::write(directory.path().join("etc/passwd"), PASSWD).unwrap();
        let open = |path: &&str| fs::File::open(directory.path().join(path)).unwrap();
        let gone: Vec<_> = GOES.iter().map(open).collect();
        assert_eq!(clean(directory.path(), "b/Snapshot", Some("c-1"), TMP, &mut |_| (), &mut |_| Ok(())), 0);
        for (path, mut file) in GOES.iter().zip(gone) {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
            assert_eq!(bytes, [0; 6], "{path}");
        }
    }

    #[test]
    fn a_component_keeps_a_section_and_the_last_pass_knows_it() {
        let sections = [
            ("skip_cleanup_cloudinit_files", "var/lib/cloud/instances/i-1/user-data.txt"),
            ("skip_cleanup_instance_files", "etc/hostname"),
            ("skip_cleanup_ssh_files", "home/admin/.ssh/authorized_keys"),
            ("skip_cleanup_instance_log_files", "var/log/syslog.1"),
            ("skip_cleanup_ssm_log_files", "var/log/amazon/ssm/amazon-ssm-agent.log"),
            ("skip_cleanup_credential_files", "home/admin/.npmrc"),
            ("skip_cleanup_registration_files", "var/cache/cloudregister/currentSMTInfo.obj"),
        ];
        for (skip, kept) in sections {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            write(root, GOES);
            write(root, &["usr/sbin/registercloudguest"]);
            write(root, &[&format!("srv/work/{skip}")]);
            assert_eq!(clean(root, "b/Snapshot", Some("c-1"), "/srv/work", &mut |_| (), &mut |_| Ok(())), 0);
            write(root, &["tmp/later", "var/lib/systemd/random-seed"]);
            assert_eq!(clean_again(root), 0);
            for (_, path) in sections {
                assert_eq!(root.join(path).exists(), path == kept, "{skip}: {path}");
            }
            assert!(!root.join("srv/work").join(skip).exists() && !root.join("tmp/later").exists());
            assert!(!root.join("var/lib/systemd/random-seed").exists(), "what the shutdown wrote");
        }
    }

    #[test]
    fn the_result_comes_before_the_ssm_agents_files_go() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), GOES);
        let ssm = directory.path().join("var/log/amazon/ssm/amazon-ssm-agent.log");
        let mut there = false;
        write(directory.path(), &[INSTALLED]);
        let mut installed = String::new();
        let last_pass = &mut |how: Option<&str>| {
            installed = how.unwrap_or_default().to_owned();
            Ok(())
        };
        clean(directory.path(), "b/Snapshot", Some("c-1"), TMP, &mut |_| there = ssm.exists(), last_pass);
        assert_eq!(installed, "secret");
        assert!(directory.path().join(INSTALLED).exists(), "a second clean-up has to know it");
        assert!(there && !ssm.exists());
    }

    #[test]
    fn an_ssm_agent_that_goes_on_writing_does_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        write(&root, GOES);
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let writer = std::thread::spawn({
            let folder = root.join("var/lib/amazon/ssm/i-1/document/orchestration/c-1");
            move || {
                while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    // The folder may disappear at any time.
                    let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("stdout"), "words"));
                }
            }
        });
        for _ in 0..20 {
            assert_eq!(clean(&root, "b/Snapshot", Some("c-1"), TMP, &mut |_| (), &mut |_| Ok(())), 0);
        }
        drop(stop);
        writer.join().unwrap();
        assert!(!root.join("var/log/amazon/ssm/amazon-ssm-agent.log").exists());
    }

    #[test]
    fn what_cannot_be_removed_is_named() {
        let directory = tempfile::tempdir().unwrap();
        // A folder is at the place of the id's file: no user can empty it.
        fs::create_dir_all(directory.path().join("etc/machine-id")).unwrap();
        let mut results = Vec::new();
        let report = &mut |result: &RunResult| results.push(result.clone());
        assert_eq!(clean(directory.path(), "b/Snapshot", None, TMP, report, &mut |_| panic!("it goes on")), 1);
        assert!(results[0].failure_context.as_ref().unwrap().last_lines[0].contains("etc/machine-id"));
    }

    #[test]
    fn what_any_command_may_need_stays_where_the_command_is_not_known() {
        let folder = Path::new("/var/lib/amazon/ssm/i-1");
        for path in ["channels", "document/orchestration/c-0/awsrunShellScript/0.awsrunShellScript/stdout", "ipc"] {
            assert!(is_needed(&folder.join(path), None), "{path}");
        }
        for path in ["document/state", "document/orchestration/c-0/_script.sh", "stdout"] {
            assert!(!is_needed(&folder.join(path), None), "{path}");
        }
    }

    #[test]
    fn a_last_pass_that_cannot_be_started_fails_the_clean_up() {
        let directory = tempfile::tempdir().unwrap();
        let mut results = Vec::new();
        let report = &mut |result: &RunResult| results.push(result.clone());
        let none = &mut |_: Option<&str>| Err(std::io::Error::other("no systemctl"));
        assert_eq!(clean(directory.path(), "b/Snapshot", None, TMP, report, none), 1);
        let lines = &results[0].failure_context.as_ref().unwrap().last_lines;
        assert_eq!(lines[..], ["the last pass over the SSM agent's files cannot be started: no systemctl"]);
    }
}
