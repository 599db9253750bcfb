//! The clean-up and the audit over what real packages of Debian make when they are installed: `make audit-packages`. It installs some
//! hundred packages, which takes a few minutes, and needs root, `mmdebstrap` and Debian's archive.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use goldsmith_executor::{Audit, AuditOrder, RunResult, WorkOrder, audit_tree};

/// What is installed. Each of them makes something of its own, or ships keys as examples.
const PACKAGES: &[&str] = &[
    "bacula-common",
    "bacula-director-pgsql",
    "bind9",
    "certmonger",
    "cloud-init",
    "dbus",
    "dropbear-initramfs",
    "ejabberd",
    "exim4-daemon-light",
    "freeradius",
    "munge",
    "nsd",
    "nvme-cli",
    "open-iscsi",
    "openssh-server",
    "openvpn",
    "pacemaker",
    "popularity-contest",
    "postgresql",
    "rabbitmq-server",
    "samba",
    "sasl2-bin",
    "slapd",
    "ssl-cert",
    "stunnel4",
    "tor",
    "unbound",
    "wireguard-tools",
];

/// What they make, and the package that is named. The clean-up takes care of the first, nobody of the second.
const CLEANED: &[(&str, &str)] = &[
    ("/etc/ssh/ssh_host_ecdsa_key", "openssh-server"),
    ("/etc/ssh/ssh_host_ed25519_key", "openssh-server"),
    ("/etc/ssh/ssh_host_rsa_key", "openssh-server"),
    ("/etc/ssl/private/ssl-cert-snakeoil.key", "ssl-cert"),
    ("/etc/nvme/hostid", "nvme-cli"),
    ("/etc/nvme/hostnqn", "nvme-cli"),
    ("/etc/iscsi/initiatorname.iscsi", "open-iscsi"),
];
const SHARED: &[(&str, &str)] = &[
    ("/etc/bacula/common_default_passwords", "bacula-common"),
    ("/etc/bind/rndc.key", "bind9"),
    ("/etc/dbconfig-common/bacula-director-pgsql.conf", "dbconfig-common"),
    ("/etc/dropbear/initramfs/dropbear_ecdsa_host_key", "dropbear-initramfs"),
    ("/etc/dropbear/initramfs/dropbear_ed25519_host_key", "dropbear-initramfs"),
    ("/etc/dropbear/initramfs/dropbear_rsa_host_key", "dropbear-initramfs"),
    ("/etc/ejabberd/ejabberd.pem", "ejabberd"),
    ("/etc/freeradius/3.0/certs/dh", "freeradius-config"),
    ("/etc/ldap/slapd.d/cn=config/olcDatabase={1}mdb.ldif", "slapd"),
    ("/etc/mailname", ""),
    ("/etc/munge/munge.key", "munge"),
    ("/etc/nsd/nsd_control.key", "nsd"),
    ("/etc/nsd/nsd_server.key", "nsd"),
    ("/etc/pacemaker/authkey", "pacemaker-common"),
    ("/etc/popularity-contest.conf", "popularity-contest"),
    ("/var/lib/certmonger/local/creds", "certmonger"),
    ("/var/lib/postgresql/15/main/global/pg_control", "postgresql-common"),
    ("/var/lib/rabbitmq/.erlang.cookie", "rabbitmq-server"),
];

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let end: Vec<&str> = said.lines().rev().take(30).collect();
    assert!(output.status.success(), "{command:?}: {end:#?}");
}

fn make(root: &Path) {
    let parts = "--include=ca-certificates,systemd-sysv";
    let mut debian = Command::new("mmdebstrap");
    debian.args(["--mode=root", "--variant=minbase", parts, "--skip=cleanup/apt", "bookworm"]).arg(root);
    run(debian.arg("http://deb.debian.org/debian"));
}

/// As on a builder where nothing starts: keys are made all the same.
fn install(root: &Path, packages: &[&str]) {
    fs::write(root.join("usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n").unwrap();
    run(Command::new("chmod").arg("+x").arg(root.join("usr/sbin/policy-rc.d")));
    // A builder has a name, which packages write down.
    fs::write(root.join("etc/hostname"), "builder\n").unwrap();
    fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).unwrap();
    let chroot = || {
        let mut chroot = Command::new("chroot");
        chroot.arg(root).env("DEBIAN_FRONTEND", "noninteractive");
        chroot
    };
    run(chroot().args(["mount", "-t", "proc", "proc", "/proc"]));
    run(chroot().args(["apt-get", "-q", "update"]));
    run(chroot().args(["apt-get", "-q", "-y", "--no-install-recommends", "install"]).args(packages));
    run(chroot().args(["umount", "/proc"]));
}

/// Starts the real agent in the tree, as a build does.
fn agent(root: &Path, order: &WorkOrder) -> RunResult {
    fs::copy(env!("CARGO_BIN_EXE_goldsmith-agent"), root.join("run/agent")).unwrap();
    fs::write(root.join("run/order"), serde_json::to_vec(order).unwrap()).unwrap();
    let output = Command::new("chroot").arg(root).args(["/run/agent", "/run/order"]).output().unwrap();
    for file in ["run/agent", "run/order"] {
        fs::remove_file(root.join(file)).unwrap();
    }
    let said = String::from_utf8(output.stderr).unwrap();
    match said.lines().find_map(|line| serde_json::from_str(line).ok()) {
        Some(result) => result,
        // The last pass reports nothing.
        None => RunResult { failed_step_count: u32::from(!output.status.success()), ..RunResult::new("") },
    }
}

/// The clean-up in full: what a builder does, and what it does when it goes down.
fn clean(root: &Path) {
    for builtin in [goldsmith_executor::Builtin::Clean, goldsmith_executor::Builtin::CleanAgain] {
        let order = WorkOrder { builtin: Some(builtin), ..WorkOrder::clean("packages/Snapshot") };
        let result = agent(root, &order);
        end_what_runs_in(root);
        assert_eq!(
            (result.status, result.failed_step_count),
            (goldsmith_executor::RunStatus::Success, 0),
            "{result:?}"
        );
    }
}

/// The clean-up leaves a process that waits for the end of a command, and would clean again in the middle of what comes.
fn end_what_runs_in(root: &Path) {
    for process in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let id = process.file_name().to_string_lossy().parse().ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id.filter(|_| fs::read_link(process.path().join("root")).is_ok_and(|its| its == root)) {
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        }
    }
}

fn found(audit: &Audit) -> Vec<(&str, &str)> {
    assert!(!audit.is_incomplete, "{:?}", audit.notes);
    audit.findings.iter().map(|found| (found.path.as_str(), found.package.as_deref().unwrap_or_default())).collect()
}

#[test]
#[ignore = "it installs a hundred packages: make audit-packages"]
fn every_key_that_packages_make_is_named_and_none_of_a_minimal_image() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("debian");
    make(&root);
    clean(&root);
    let minimal = audit_tree(&root);
    assert_eq!(found(&minimal), [], "a minimal image shares nothing");
    assert!(minimal.files > 5000);

    install(&root, PACKAGES);
    let installed = audit_tree(&root);
    let installed = found(&installed);
    let missed: Vec<_> = CLEANED.iter().chain(SHARED).filter(|made| !installed.contains(made)).collect();
    assert!(missed.is_empty(), "missed: {missed:?} of {installed:?}");
    clean(&root);
    let cleaned = audit_tree(&root);
    assert_eq!(found(&cleaned), SHARED, "what the clean-up leaves is named, all of it and nothing else");
    assert!(!cleaned.shipped.is_empty(), "examples with keys are told apart");

    // The agent on an instance says the same, by its own way: of all that is older than the image.
    let order = WorkOrder::documents("packages/ExecuteTest", vec!["test".to_owned()], Vec::new());
    let made = |text: &str| Some(AuditOrder { image_made: text.parse().ok(), limit_seconds: None, fails: false });
    let later = agent(&root, &WorkOrder { audit: made("2100-01-01T00:00:00Z"), ..order.clone() });
    assert_eq!(later.audit.unwrap().count() as usize, SHARED.len());
    // Were the image older than all files, all were the instance's own.
    fs::remove_dir_all(root.join("var/lib/goldsmith")).unwrap();
    let earlier = agent(&root, &WorkOrder { audit: made("2001-01-01T00:00:00Z"), ..order });
    assert_eq!(earlier.audit.unwrap().count(), 0);
}
