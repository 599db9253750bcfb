//! An instance's name: the output of `hostname` and the name that `/etc/hosts` resolves, as cloud-init and the VPC's
//! resolver provide them on EC2.
//!
//! An image has these two files only if a build changes them. A name that the image contains stays, except a name that
//! EC2 gave the machine that the image was made of.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use super::Guest;
use super::isolation::HOST;
use super::runtime::GivenFile;

/// Address in the line with the machine's own name, as Debian writes it: a machine's own name leads to itself.
const OWN: &str = "127.0.1.1";
/// Content that an image without a hosts file gets in addition to that line.
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/// Paths of the files.
const HOSTNAME: &str = "etc/hostname";
const HOSTS: &str = "etc/hosts";
/// Longest name that the kernel accepts.
const LONGEST: usize = 64;

/// The names of a machine.
#[derive(Debug)]
pub(super) struct Names {
    /// The output of `hostname`.
    pub(super) host: String,
    /// The files that must be given because the image does not have them with the right content.
    pub(super) files: Vec<GivenFile>,
}

impl Guest {
    /// Returns the machine's name, and the files that contain it.
    pub(super) fn names(&self) -> Names {
        let mut files = Vec::new();
        // Debian's cloud-init takes the first label, Amazon Linux's the whole name.
        let short = self.name.split('.').next().unwrap_or_default();
        // The host's own name was not chosen for the instance.
        let own = self.disk_file(HOSTNAME).filter(|(tree, _)| tree != Path::new(HOST));
        let host = match own.as_ref().map(|(_, text)| text.trim()).filter(|name| is_chosen(name)) {
            Some(name) => name.to_owned(),
            None => {
                files.push((HOSTNAME, format!("{short}\n"), 0o644));
                short.to_owned()
            }
        };
        let line = format!("{OWN}\t{} {short}\n", self.name);
        let text = match self.disk_file(HOSTS) {
            // The host's own file is kept, with the instance's line added.
            Some((tree, text)) if tree == Path::new(HOST) => Some(format!("{}\n{line}", text.trim_end())),
            own => hosts(own.as_ref().map(|(_, text)| text.as_str()), &line),
        };
        files.extend(text.map(|text| (HOSTS, text, 0o644)));
        Names { host, files }
    }

    /// Returns the text of a file from the image, or from what was written since, and the tree that contains it.
    fn disk_file(&self, path: &str) -> Option<(PathBuf, String)> {
        let found = self.in_disk(path)?;
        let text = read_in(&found.tree, path)?;
        Some((found.tree, text))
    }
}

/// Returns the text of a plain file below a folder. Links are not followed: a link that an instance wrote could lead to
/// the host's files.
pub(super) fn read_in(tree: &Path, path: &str) -> Option<String> {
    let tree = File::open(tree).ok()?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = File::from(rustix::fs::openat2(&tree, path, flags, Mode::empty(), resolve).ok()?);
    let mut text = String::new();
    // Reading a device would never end.
    file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    file.take(1 << 20).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Removes a file below a folder. No link at its path or above it is followed.
pub(super) fn remove_in(tree: &Path, path: &str) -> Option<()> {
    let (above, name) = path.rsplit_once('/').unwrap_or((".", path));
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let above = rustix::fs::openat2(File::open(tree).ok()?, above, flags, Mode::empty(), resolve).ok()?;
    rustix::fs::unlinkat(above, name, AtFlags::empty()).ok()
}

/// Returns whether a user has chosen the name: it is neither the name of no machine nor one that EC2 gave the machine
/// that an image was made of.
fn is_chosen(name: &str) -> bool {
    let valid = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    (1..=LONGEST).contains(&name.len()) && name.chars().all(valid) && name != "localhost" && !is_given(name)
}

/// Returns whether EC2 gave the name: `ip-` and an address.
fn is_given(name: &str) -> bool {
    let host = name.split('.').next().unwrap_or_default();
    host.strip_prefix("ip-")
        .is_some_and(|rest| rest.split('-').count() == 4 && rest.split('-').all(|number| number.parse::<u8>().is_ok()))
}

/// Returns the hosts file with the machine's own line; `None` if the image has a hosts file of its own, which is not
/// changed.
fn hosts(image: Option<&str>, line: &str) -> Option<String> {
    let Some(text) = image.filter(|text| !text.trim().is_empty()) else { return Some(format!("{LOCAL}{line}")) };
    let is_own = |text: &str| {
        let mut words = text.split_whitespace();
        words.next() == Some(OWN) && words.next().is_some_and(is_given)
    };
    if !text.lines().any(is_own) {
        return None;
    }
    let kept: String = text.lines().filter(|text| !is_own(text)).map(|text| format!("{text}\n")).collect();
    Some(kept + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "127.0.1.1\tip-172-31-0-9.ec2.internal ip-172-31-0-9\n";

    #[test]
    fn the_name_of_another_machine_is_nobodys_choice() {
        for chosen in ["web1", "db.example.org", "ip-camera", "ip-1-2-3"] {
            assert!(is_chosen(chosen), "{chosen}");
        }
        for other in ["", "localhost", "ip-172-31-0-7", "ip-172-31-0-7.eu-west-1.compute.internal", "a b", "x\ny"] {
            assert!(!is_chosen(other), "{other}");
        }
    }

    #[test]
    fn what_an_instance_asked_for_is_read_and_removed_in_its_tree_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, host) = (folder.path().join("tree"), folder.path().join("host"));
        for path in [&tree, &host, &tree.join("own")] {
            std::fs::create_dir(path).unwrap();
        }
        for path in [host.join("asked"), tree.join("asked"), tree.join("own/asked")] {
            std::fs::write(path, "reboot").unwrap();
        }
        std::os::unix::fs::symlink(&host, tree.join("run")).unwrap();
        std::os::unix::fs::symlink(host.join("asked"), tree.join("link")).unwrap();
        let asked = |path: &str| (read_in(&tree, path), remove_in(&tree, path));
        assert_eq!(asked("run/asked"), (None, None));
        assert_eq!(read_in(&tree, "link"), None);
        for path in ["asked", "own/asked"] {
            assert_eq!(asked(path), (Some("reboot".to_owned()), Some(())), "{path}");
        }
        rustix::fs::mkfifoat(rustix::fs::CWD, tree.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        assert_eq!(read_in(&tree, "pipe"), None, "it is not waited for");
        assert!(host.join("asked").exists() && !tree.join("own/asked").exists());
    }

    #[test]
    fn a_hosts_file_gets_the_line_of_this_machine() {
        assert_eq!(hosts(None, LINE), Some(format!("{LOCAL}{LINE}")));
        assert_eq!(hosts(Some(" \n"), LINE), Some(format!("{LOCAL}{LINE}")));
        let builders = "127.0.0.1 localhost\n127.0.1.1 ip-172-31-0-7.ec2.internal ip-172-31-0-7\n10.0.0.1 db\n";
        assert_eq!(hosts(Some(builders), LINE), Some(format!("127.0.0.1 localhost\n10.0.0.1 db\n{LINE}")));
    }

    #[test]
    fn an_images_own_hosts_file_stays() {
        assert_eq!(hosts(Some("127.0.0.1 localhost\n127.0.1.1 web1\n"), LINE), None);
    }
}
