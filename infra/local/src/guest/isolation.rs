//! The ways to isolate an instance's disk and processes, and the programs that do it.

use std::fmt;
use std::process::Command;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::fake_ids;

/// Capabilities that root in an instance keeps if it is the machine's own root: systemd-nspawn's choice for a container
/// in the host's network, and `ipc_lock`. They do not include the clock, modules, ports of devices and networks, since
/// these are the machine's. `sys_boot` ends the instance's own process namespace; without `mknod`, neither debootstrap
/// nor packages with a chroot of their own could be used.
const KEPT: &str = "--bounding-set=-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+ipc_lock,+ipc_owner,+kill,\
                    +lease,+linux_immutable,+net_bind_service,+net_broadcast,+net_raw,+setgid,+setfcap,+setpcap,+setuid,\
                    +sys_admin,+sys_chroot,+sys_nice,+sys_ptrace,+sys_tty_config,+sys_resource,+sys_boot,\
                    +audit_write,+audit_control,+mknod";

/// This machine's own files as a base image.
pub(crate) const HOST: &str = "/";

/// How an instance's file system is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disk {
    /// An overlay mount over the image's layers. It starts at once, and an image is what was written.
    Overlay,
    /// A copy of the image's tree, if no overlay can be mounted.
    Copy,
    /// An overlay over this machine's own files, which never change. An image is everything that was written over them.
    Host,
}

/// How an instance's processes are isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// systemd-nspawn boots the image's own systemd: real units and real reboots. Needs root and systemd-nspawn.
    Nspawn,
    /// Mount, process, host name and IPC namespaces of its own. Needs root.
    Namespaces,
    /// The same in a user namespace that has a range of ids: owners are real.
    UserNamespace,
    /// The same in a user namespace with one id: changes of owners and ids succeed without an effect.
    SingleUid,
    /// Only another root directory, for root if namespaces are denied (ordinary containers).
    Chroot,
}

/// The network that an instance is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network of its own.
    Own,
    /// This machine's network, with its loopback.
    Machine,
}

/// An isolation and the disk that works with it on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// How processes are isolated.
    pub isolation: Isolation,
    /// How disks are made.
    pub disk: Disk,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Disk::Overlay => "overlay",
            Disk::Copy => "copy",
            Disk::Host => "host",
        })
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Isolation::ALL.map(Isolation::name).join(", ");
        let found = Isolation::ALL.into_iter().find(|isolation| isolation.name() == name);
        found.ok_or_else(|| format!("there is no isolation `{name}`: use one of {}", names()))
    }
}

impl Network {
    /// Returns the network's name on the command line and in the inventory.
    pub fn name(self) -> &'static str {
        match self {
            Network::Own => "own",
            Network::Machine => "machine",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = [Network::Own, Network::Machine].into_iter().find(|network| network.name() == name);
        found.ok_or_else(|| format!("there is no network `{name}`: use own or machine"))
    }
}

impl Isolation {
    /// All isolations, in the order in which they are tried: the closest to a real machine comes first.
    pub const ALL: [Isolation; 5] =
        [Isolation::Nspawn, Isolation::Namespaces, Isolation::UserNamespace, Isolation::SingleUid, Isolation::Chroot];

    /// Returns the isolation's name on the command line, in logs and in the inventory.
    pub fn name(self) -> &'static str {
        match self {
            Isolation::Nspawn => "nspawn",
            Isolation::Namespaces => "namespaces",
            Isolation::UserNamespace => "user-namespace",
            Isolation::SingleUid => "single-uid",
            Isolation::Chroot => "chroot",
        }
    }

    /// Returns whether only root can use it.
    pub fn needs_root(self) -> bool {
        self.user_flags().is_empty()
    }

    /// Returns whose ids the files on the host carry: trees with different owners cannot replace each other.
    pub(crate) fn owners(self) -> &'static str {
        match self {
            Isolation::Nspawn | Isolation::Namespaces | Isolation::Chroot => "root",
            Isolation::UserNamespace => "range",
            Isolation::SingleUid => "single",
        }
    }

    /// Returns the flags with which `unshare` makes the user namespace.
    fn user_flags(self) -> &'static [&'static str] {
        match self {
            Isolation::Nspawn | Isolation::Namespaces | Isolation::Chroot => &[],
            Isolation::UserNamespace => &["--user", "--map-auto", "--map-root-user"],
            Isolation::SingleUid => &["--user", "--map-root-user"],
        }
    }

    /// Returns `program` as a command that works on instances' files with the rights that the instances' root has over
    /// them.
    pub(crate) fn as_root(self, program: &str) -> Command {
        if self.needs_root() {
            return Command::new(program);
        }
        let mut command = self.pretending("unshare");
        command.args(self.user_flags()).arg("--").arg(program);
        command
    }

    /// Returns `unshare` with all namespaces of an instance. When it ends, everything that it started ends too.
    pub(crate) fn unshare(self) -> Command {
        // systemd-nspawn confines the container itself.
        let confined = self == Isolation::Namespaces;
        let mut command = if confined { confine("unshare") } else { self.pretending("unshare") };
        command.args(self.user_flags()).args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
        ]);
        if self != Isolation::Nspawn {
            command.args(["--uts", "--ipc"]);
        }
        command
    }

    /// Returns `nsenter` into the namespaces of an instance's process, with no more rights than that process has.
    pub(super) fn nsenter(self, target: &str, network: Network) -> Command {
        if network == Network::Own {
            return self.nsenter_own_network(target);
        }
        let mut command = if self.needs_root() { confine("nsenter") } else { self.pretending("nsenter") };
        command.args(["--target", target]);
        if !self.needs_root() {
            command.arg("--user");
        }
        command.args(["--mount", "--uts", "--ipc", "--pid", "--root", "--wd"]);
        match self {
            // While it shuts down, systemd stops every process for a moment. `nsenter`, which waits outside, would stop
            // itself together with the program that it waits for, and no process would continue it; `unshare` only
            // waits.
            Isolation::Nspawn => command.args(["--no-fork", "--", "unshare", "--fork", "--"]),
            _ => command.arg("--"),
        };
        command
    }

    /// Does the same if the network is the instance's own. A process that enters a user namespace has all capabilities
    /// in it at first, and programs from the instance's files must not start with those over its network (`init.sh`).
    fn nsenter_own_network(self, target: &str) -> Command {
        let mut command = self.pretending("nsenter");
        command.args(["--target", target, "--user", "--", "setpriv", "--bounding-set=-net_admin,-net_raw", "--"]);
        command.args(["nsenter", "--target", target, "--net", "--mount", "--uts", "--ipc", "--pid", "--root", "--wd"]);
        command.arg("--");
        command
    }

    /// Returns the mount options of an overlay, without its folders. `volatile` (Linux 5.10) is set because without it,
    /// every stop waits until the whole file system of the host is on disk, and nothing here has to survive a crash of
    /// the host. `userxattr` (Linux 5.11) is set because a user namespace may not write the attributes that an overlay
    /// otherwise uses.
    pub(super) fn overlay_flags(self) -> &'static str {
        if self.needs_root() { "volatile" } else { "volatile,userxattr" }
    }

    /// Returns a program that believes it has the ids that it asks for, if there is only one id.
    pub(super) fn pretending(self, program: &str) -> Command {
        let mut command = Command::new(program);
        if self == Isolation::SingleUid {
            fake_ids::pretend(&mut command);
        }
        command
    }
}

/// Returns a program that root runs with [`KEPT`] only. Everything that it starts has no more capabilities either.
fn confine(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-all", KEPT, "--", program]);
    command
}

#[cfg(test)]
mod tests {
    use super::Isolation;

    #[test]
    fn names_are_read_as_they_are_written() {
        for isolation in Isolation::ALL {
            assert_eq!(isolation.name().parse(), Ok(isolation));
            assert_eq!(serde_json::to_value(isolation).unwrap(), isolation.name());
        }
        assert!("docker".parse::<Isolation>().unwrap_err().contains("nspawn, namespaces, user-namespace"));
    }
}
