//! Explains why an isolation or an overlay does not work, and what helps, from the system's messages and state.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::isolation::Isolation;
use crate::programs::has_program;

/// Device through which a program acts as the other end of a network.
const TUN: &str = "/dev/net/tun";

/// A reason why something does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// What does not work, and why.
    pub cause: String,
    /// What helps.
    pub remedy: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.remedy)
    }
}

fn obstacle(cause: impl Into<String>, remedy: impl Into<String>) -> Obstacle {
    Obstacle { cause: cause.into(), remedy: remedy.into() }
}

/// Returns the isolation whose obstacle best explains that no isolation works.
pub(super) fn telling_isolation() -> Isolation {
    if rustix::process::geteuid().is_root() { Isolation::Namespaces } else { Isolation::SingleUid }
}

pub(super) fn not_root() -> Obstacle {
    obstacle("only root can use it", "run as root, or use an isolation that needs no root")
}

pub(super) fn host_not_root() -> Obstacle {
    obstacle(
        "the image `host` needs root: only root may mount an overlay over files of others",
        "run as root, or use another image",
    )
}

pub(super) fn only_namespaces() -> Obstacle {
    obstacle("the image `host` has no init system of its own to boot", "leave the isolation out: it is `namespaces`")
}

/// Explains why no overlay can be mounted over this machine's files.
pub(super) fn over_host(overlay: Obstacle) -> Obstacle {
    let cause = format!("the image `host` needs an overlay over this machine's own files, and {}", overlay.cause);
    obstacle(cause, "choose a state folder on a disk or tmpfs, or use another image")
}

pub(super) fn folder(folder: &Path, error: &io::Error) -> Obstacle {
    obstacle(format!("{} cannot be written ({error})", folder.display()), "choose another state folder")
}

pub(super) fn chroot(said: &str) -> Obstacle {
    obstacle(
        format!("root is not allowed to change its root directory here ({said})"),
        "give the container CAP_SYS_CHROOT",
    )
}

/// Returns an obstacle that is certain before anything is tried: missing programs, or ids that were never assigned.
pub(super) fn before(isolation: Isolation) -> Option<Obstacle> {
    if let Some(missing) = ["unshare", "nsenter", "setpriv"].into_iter().find(|program| !has_program(program)) {
        return Some(obstacle(format!("`{missing}` is missing"), "install util-linux"));
    }
    if isolation != Isolation::UserNamespace {
        return None;
    }
    if !has_program("newuidmap") {
        return Some(obstacle("`newuidmap` is missing", "install uidmap (shadow-utils or shadow on other systems)"));
    }
    let remedy = "give this user a range: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`";
    let lacks = |file: &str| fs::read_to_string(file).unwrap_or_default().trim().is_empty();
    let file = ["/etc/subuid", "/etc/subgid"].into_iter().find(|file| lacks(file))?;
    Some(obstacle(format!("{file} gives no user a range of ids"), remedy))
}

/// Explains why `unshare` failed.
pub(super) fn namespaces(isolation: Isolation, said: &str) -> Obstacle {
    match isolation {
        Isolation::UserNamespace if said.contains("unrecognized option") => {
            obstacle("`unshare` does not support ranges of ids", "install util-linux 2.38 or later")
        }
        Isolation::UserNamespace if said.contains("subuid") || said.contains("subgid") || said.contains("range") => {
            obstacle(
                format!("this user has no range of ids ({said})"),
                "give it one: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`",
            )
        }
        Isolation::UserNamespace | Isolation::SingleUid => user_namespaces(said),
        Isolation::Nspawn | Isolation::Namespaces | Isolation::Chroot => obstacle(
            format!("root is not allowed to make namespaces here ({said})"),
            "start the container with `--privileged`, or with CAP_SYS_ADMIN and neither a seccomp nor an AppArmor profile",
        ),
    }
}

fn user_namespaces(said: &str) -> Obstacle {
    if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        return obstacle(
            format!("AppArmor denies user namespaces to programs without a profile, as on Ubuntu 24.04 ({said})"),
            "allow them: `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or run as root",
        );
    }
    if setting("kernel/unprivileged_userns_clone") == Some(0) {
        let remedy = "allow them: `sudo sysctl -w kernel.unprivileged_userns_clone=1`, or run as root";
        return obstacle(format!("this kernel allows only root to make user namespaces ({said})"), remedy);
    }
    if setting("user/max_user_namespaces") == Some(0) {
        let remedy = "allow them: `sudo sysctl -w user.max_user_namespaces=15000`, or run as root";
        return obstacle(format!("no user namespaces are allowed ({said})"), remedy);
    }
    if !Path::new("/proc/self/ns/user").exists() {
        return obstacle("this kernel has no user namespaces", "use a kernel with CONFIG_USER_NS, or run as root");
    }
    if is_filtered() {
        return obstacle(
            format!("a seccomp filter, such as a container's, refuses user namespaces ({said})"),
            "start the container with `--security-opt seccomp=unconfined`, or run as root in it",
        );
    }
    obstacle(format!("user namespaces do not work ({said})"), "run as root")
}

/// Explains why `/proc` cannot be mounted.
pub(super) fn proc(said: &str) -> Obstacle {
    obstacle(
        format!(
            "namespaces work, but the surrounding container hides parts of /proc, so no other /proc can be mounted ({said})"
        ),
        "start the container with `--security-opt systempaths=unconfined` or `--privileged`",
    )
}

pub(super) fn nspawn(said: &str) -> Obstacle {
    if !has_program("systemd-nspawn") {
        return obstacle("systemd-nspawn is missing", "install systemd-container");
    }
    obstacle(format!("systemd-nspawn does not start ({said})"), "see `journalctl` or `dmesg` for what it lacks")
}

/// Returns an obstacle to a network of its own that is certain before anything is tried.
pub(super) fn before_network() -> Option<Obstacle> {
    if !has_program("pasta") {
        return Some(obstacle("`pasta` is missing", "install passt"));
    }
    // On some systems, the program is in a folder that a user's path may lack.
    if !["ip", "/usr/sbin/ip", "/sbin/ip"].into_iter().any(has_program) {
        return Some(obstacle("`ip` is missing", "install iproute2"));
    }
    let error = fs::File::options().read(true).write(true).open(TUN).err()?;
    let remedy = "load the module `tun`; start a container with `--device /dev/net/tun`";
    Some(obstacle(format!("{TUN} cannot be opened ({error})"), remedy))
}

/// Explains why `pasta` makes no network.
pub(super) fn network(said: &str) -> Obstacle {
    if said.contains("routable interface") || said.contains("interface not usable") {
        return obstacle(format!("this machine has no IPv4 default route ({said})"), "connect it to a network");
    }
    obstacle(format!("`pasta` does not make one ({said})"), "see `journalctl` for what it lacks")
}

/// Explains why an isolation that needs root has no network of its own.
pub(super) fn network_of_root(isolation: Isolation) -> Obstacle {
    let cause =
        format!("in the isolation {isolation}, an instance's root is this machine's root, who could leave any network");
    obstacle(cause, "ask for the isolation user-namespace or single-uid")
}

/// Explains why names would not be found in a network of its own.
pub(super) fn resolver() -> Obstacle {
    let cause =
        "the resolver in /etc/resolv.conf has an IPv6 address, or an address on the loopback other than 127.0.0.1";
    obstacle(cause, "have it listen on 127.0.0.1")
}

/// Explains why no overlay can be mounted.
pub(super) fn overlay(folder: &Path, said: &str) -> Obstacle {
    let under = file_system(folder);
    let cause = match under {
        Some(name) => format!("no overlay can be mounted on {name}, the file system of {}", folder.display()),
        None => format!("no overlay can be mounted over {} ({said})", folder.display()),
    };
    let remedy = match under {
        Some(_) => "choose a state folder on a disk or tmpfs; until then, disks are copied",
        None => "overlays in user namespaces need Linux 5.11; until then, disks are copied",
    };
    obstacle(cause, remedy)
}

/// Returns the name of a file system that supports no overlay, by its number in `statfs`.
fn file_system(folder: &Path) -> Option<&'static str> {
    match rustix::fs::statfs(folder).ok()?.f_type {
        0x794c_7630 => Some("an overlay"),
        0x6969 => Some("NFS"),
        0xf15f => Some("eCryptfs"),
        0x6573_5546 => Some("a FUSE file system"),
        _ => None,
    }
}

fn setting(name: &str) -> Option<u64> {
    fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?.trim().parse().ok()
}

fn is_filtered() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))
}

#[cfg(test)]
mod tests {
    use super::{Isolation, namespaces};

    #[test]
    fn an_old_unshare_is_told_from_a_user_without_a_range() {
        let old = namespaces(Isolation::UserNamespace, "unshare: unrecognized option '--map-auto'");
        assert!(old.remedy.contains("util-linux 2.38"), "{old}");
        let none = namespaces(Isolation::UserNamespace, "unshare: no line matching user in /etc/subuid");
        assert!(none.remedy.contains("usermod"), "{none}");
    }
}
