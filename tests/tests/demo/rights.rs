//! Whose rights, and which isolation they must come to.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use goldsmith_tests::suite::goldsmith;
use rustix::process::geteuid;
use serde_json::Value;

use crate::setpriv::{as_user, in_a_container};

/// Number of an account that this machine does not know.
pub(crate) const STRANGER: u32 = 64_322;
/// The right to mount, by its place in the set of a process's rights.
const SYS_ADMIN: u64 = 1 << 21;

/// Whose rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Root as it is here.
    Root,
    /// An ordinary user: another user, or the user who runs the suite if that is not root.
    User,
    /// Root in an ordinary container.
    Container,
    /// The same where not even user namespaces are allowed: as good as asking for `chroot`.
    StrictContainer,
}

impl Rights {
    /// In words.
    pub(crate) fn whose(self) -> &'static str {
        match self {
            Rights::Root => "root",
            Rights::User => "an ordinary user",
            Rights::Container => "root in a container",
            Rights::StrictContainer => "root in a container without user namespaces",
        }
    }

    /// Runs a program with these rights.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self {
            Rights::User if geteuid().is_root() => as_user(STRANGER),
            Rights::Container | Rights::StrictContainer => in_a_container(),
            Rights::Root | Rights::User => return Command::new(program),
        };
        command.arg(program);
        command
    }

    /// The user's number, where this is not who runs the suite.
    pub(crate) fn stranger(self) -> Option<u32> {
        (self == Rights::User && geteuid().is_root()).then_some(STRANGER)
    }

    /// Why there is nothing to run with these rights.
    pub(crate) fn check(self) -> Result<(), String> {
        if self != Rights::User && !geteuid().is_root() {
            return Err("needs root".to_owned());
        }
        // If the kernel denies them to everyone except root, an ordinary user has no isolation at all.
        if self.stranger().is_some() && !self.makes_user_namespaces() {
            return Err("an ordinary user may not make user namespaces here".to_owned());
        }
        Ok(())
    }

    /// The isolation that instances must get.
    pub(crate) fn isolation(self) -> String {
        let of_a_container = || if self.makes_user_namespaces() { "single-uid" } else { "chroot" };
        match self {
            Rights::Root if !has_right_to_mount() => of_a_container().to_owned(),
            Rights::Root if has_program("systemd-nspawn") => "nspawn".to_owned(),
            Rights::Root => "namespaces".to_owned(),
            Rights::Container => of_a_container().to_owned(),
            Rights::StrictContainer => "chroot".to_owned(),
            Rights::User if self.stranger().is_some() => "single-uid".to_owned(),
            Rights::User => chosen_by_the_doctor(),
        }
    }

    /// What must be asked for, since it would not be chosen.
    pub(crate) fn asks_for(self) -> Option<(&'static str, &'static str)> {
        (self == Rights::StrictContainer).then_some(("GOLDSMITH_LOCAL_ISOLATION", "chroot"))
    }

    fn makes_user_namespaces(self) -> bool {
        let mut command = self.command("unshare");
        command.args(["--user", "--map-root-user", "--mount", "true"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

fn has_right_to_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(rights.trim(), 16).unwrap() & SYS_ADMIN != 0
}

fn has_program(name: &str) -> bool {
    Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Whoever runs the suite may have a range of ids or not.
fn chosen_by_the_doctor() -> String {
    let doctor = Command::new(goldsmith()).args(["local", "doctor", "--output", "json"]).output().unwrap();
    let found: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    found["chosen"]["isolation"].as_str().unwrap_or("none").to_owned()
}
