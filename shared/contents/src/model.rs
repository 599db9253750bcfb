//! The contents of an image, as they are stored in JSON.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::Package;

/// The version of the format of [`Contents`]. Readers accept fields that they do not know, so a new optional field does
/// not change it.
pub const CONTENTS_VERSION: u32 = 1;

/// What is in an image. All lists are sorted, so that two collections of the same image are equal byte by byte, except
/// for the times.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Contents {
    /// The version of the format: [`CONTENTS_VERSION`].
    pub version: u32,
    /// When the contents were collected, in RFC 3339 with seconds. `None` for a tree that does not run.
    pub collected_at: Option<String>,
    /// The operating system.
    pub os: OsRelease,
    /// The packages by type, name, version and architecture.
    pub packages: Vec<Package>,
    /// Whether there may be packages that are not listed. A note says why.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub packages_incomplete: bool,
    /// The regular files that no package owns, by path. Files of the kinds that change while a machine runs are not
    /// listed: logs, caches and the databases of package managers.
    pub files: Vec<UnownedFile>,
    /// The number of such files for which there was no room.
    #[serde(skip_serializing_if = "is_zero")]
    pub files_left_out: u64,
    /// The configuration files of packages that differ from what the package ships, by path.
    pub configuration: Vec<ChangedConfiguration>,
    /// The units of systemd that somebody has enabled or masked, by name.
    pub units: Vec<Unit>,
    /// The sockets on which the machine's programs listen.
    pub sockets: Vec<Socket>,
    /// The installed kernels, by release.
    pub kernels: Vec<Kernel>,
    /// The users, by name.
    pub users: Vec<User>,
    /// The groups, by name.
    pub groups: Vec<Group>,
    /// How much there is.
    pub sizes: Sizes,
    /// Milliseconds from the start of the kernel until systemd had started everything. `None` if the boot has not
    /// finished, or if there is no systemd.
    pub boot_millis: Option<u64>,
    /// What could not be read, in sentences for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The fields of `/etc/os-release`. A field that the file does not have is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OsRelease {
    /// `debian`, `amzn`.
    pub id: String,
    /// The distributions from which it descends, the nearest first: `rhel centos fedora`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_like: String,
    /// `12`, `2023`. Empty for rolling distributions.
    pub version_id: String,
    /// The name of the release: `bookworm`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version_codename: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub pretty_name: String,
}

impl OsRelease {
    /// Returns the value of the qualifier `distro` of package URLs: `debian-12`. `None` if the system does not say what
    /// it is.
    #[must_use]
    pub fn distro(&self) -> Option<String> {
        match (self.id.as_str(), self.version_id.as_str(), self.version_codename.as_str()) {
            ("", ..) => None,
            (id, "", "") => Some(id.to_owned()),
            (id, "", codename) => Some(format!("{id}-{codename}")),
            (id, version, _) => Some(format!("{id}-{version}")),
        }
    }
}

/// A regular file that no package owns.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnownedFile {
    /// The absolute path.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// The permissions in octal digits, such as `0644`.
    pub mode: String,
    /// The SHA-256 in hex. `None` for a file that is too large, or if too many files come before it.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// A configuration file that differs from what its package ships.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedConfiguration {
    /// The absolute path.
    pub path: String,
    /// The package.
    pub package: String,
    /// The SHA-256 of the file in hex. `None` if somebody has removed the file.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// A unit of systemd that somebody has enabled or masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The name, such as `ssh.service`.
    pub name: String,
    /// Whether it starts, or cannot start.
    pub state: UnitState,
}

/// Whether a unit starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitState {
    /// A link in `/etc/systemd/system` starts the unit.
    Enabled,
    /// A link to `/dev/null` prevents every start.
    Masked,
}

/// A socket on which a program of the machine listens. Programs in containers and sockets of the kernel do not count.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Socket {
    /// `tcp`, `tcp6`, `udp` or `udp6`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// The address. `0.0.0.0` and `::` are all addresses.
    pub address: String,
    /// The name of the process.
    pub program: String,
}

/// An installed kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kernel {
    /// The release, as `uname -r` prints it.
    pub release: String,
    /// Whether it was running when the contents were collected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_running: bool,
}

/// A user of `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The name.
    pub name: String,
    /// The user's id.
    pub uid: u32,
    /// The id of the user's first group.
    pub gid: u32,
    /// The home folder.
    pub home: String,
    /// The login shell.
    pub shell: String,
    /// Whether the shell lets the user log in, so it is none of `nologin`, `false` and `sync`.
    pub has_login_shell: bool,
}

/// A group of `/etc/group`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The name.
    pub name: String,
    /// The group's id.
    pub gid: u32,
    /// The users that the group lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// How much is in the root file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sizes {
    /// The number of regular files. A file with several names counts once.
    pub files: u64,
    /// The sum of their sizes in bytes.
    pub bytes: u64,
}

/// Returns whether a number is 0. For `skip_serializing_if`, which gives a reference.
#[must_use]
pub fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}
