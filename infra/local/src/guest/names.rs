//! An instance's name: what `hostname` says and `/etc/hosts` resolves, as cloud-init and the VPC's resolver see to on EC2.
//!
//! The two files are a layer right below what the instance writes, so that an image has them only where a build changes
//! them. A name that the image brings along stays; one that EC2 gave the machine that the image is of does not.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::inside::{is_below_folders, put, put_back};
use super::isolation::Disk;
use super::{Guest, HOST, fresh_dir};

/// Address of the line with the own name, as Debian writes it: a machine's own name leads to itself.
const OWN: &str = "127.0.1.1";
/// What an image without a hosts file gets beside that line.
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/// The files.
const HOSTNAME: &str = "etc/hostname";
const HOSTS: &str = "etc/hosts";
/// Longest name that the kernel takes.
const LONGEST: usize = 64;

impl Guest {
    /// The folder with the files, in the state folder.
    pub(super) fn names_dir(&self) -> PathBuf {
        self.dir().join("names")
    }

    /// Writes the files that the image does not have, and tells the name of the machine.
    pub(super) fn write_names(&self) -> io::Result<String> {
        let folder = self.names_dir();
        fresh_dir(&folder)?;
        fs::create_dir(folder.join("etc"))?;
        // What lies above a layer's folder decides its mode: a narrow mask of the endpoint's must not.
        for path in [folder.clone(), folder.join("etc")] {
            fs::set_permissions(path, Permissions::from_mode(0o755))?;
        }
        let write = |path: &str, text: &str| {
            fs::write(folder.join(path), text)?;
            fs::set_permissions(folder.join(path), Permissions::from_mode(0o644))
        };
        // Debian's cloud-init takes the first label, Amazon Linux's the whole name.
        let short = self.name.split('.').next().unwrap_or_default();
        let name = match self.image_file(HOSTNAME).as_deref().map(str::trim).filter(|name| is_chosen(name)) {
            Some(name) => name.to_owned(),
            None => {
                write(HOSTNAME, &format!("{short}\n"))?;
                short.to_owned()
            }
        };
        let line = format!("{OWN}\t{} {short}\n", self.name);
        let own = self.image_file(HOSTS);
        // Over the host's own files its hosts file goes on, with the instance's line.
        let host = (self.way.disk == Disk::Host && own.is_none()).then(|| read_in(Path::new(HOST), HOSTS)).flatten();
        let text = host.map(|text| format!("{}\n{line}", text.trim_end())).or_else(|| hosts(own.as_deref(), &line));
        if let Some(text) = text {
            write(HOSTS, &text)?;
        }
        Ok(name)
    }

    /// Puts the files into a copied tree.
    pub(super) fn put_names_in(&self) -> io::Result<()> {
        self.write_names()?;
        for path in [HOSTNAME, HOSTS].into_iter().filter(|path| is_below_folders(&self.tree(), path)) {
            let own = self.names_dir().join(path);
            if own.is_file() {
                put(&own, &self.tree().join(path), &self.aside(path))?;
            }
        }
        Ok(())
    }

    /// Takes them out of a copy of the tree where nobody has changed them.
    pub(super) fn take_names_out(&self, copy: &Path) -> io::Result<()> {
        for path in [HOSTNAME, HOSTS] {
            let (inside, aside) = (copy.join(path), self.aside(path));
            let own = fs::read_to_string(self.names_dir().join(path)).ok();
            if own.is_none() || read_in(copy, path) != own {
                continue;
            }
            fs::remove_file(&inside)?;
            put_back(&aside, &inside)?;
        }
        Ok(())
    }

    fn aside(&self, path: &str) -> PathBuf {
        self.dir().join("hidden").join(path.replace('/', "_"))
    }

    /// A file as the image, or what was written since, has it: of the newest layer that has one. The host's own name is not
    /// an image's.
    fn image_file(&self, path: &str) -> Option<String> {
        let layers = self.layers.iter().rev().map(|layer| self.state_dir.join("layers").join(layer));
        let base = (self.way.disk != Disk::Host).then(|| self.state_dir.join("base"));
        [self.dir().join("upper")].into_iter().chain(layers).chain(base).find_map(|tree| read_in(&tree, path))
    }
}

/// The text of a plain file below a folder. Links are not followed: what an instance wrote could lead to the host's files.
pub(super) fn read_in(tree: &Path, path: &str) -> Option<String> {
    let tree = File::open(tree).ok()?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = File::from(rustix::fs::openat2(&tree, path, flags, Mode::empty(), resolve).ok()?);
    let mut text = String::new();
    // A device would never end.
    file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    file.take(1 << 20).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether somebody has chosen a name: not the one of no machine, nor one that EC2 gave the machine that an image is of.
fn is_chosen(name: &str) -> bool {
    let valid = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    (1..=LONGEST).contains(&name.len()) && name.chars().all(valid) && name != "localhost" && !is_given(name)
}

/// Whether it is a name of EC2's: `ip-` and an address.
fn is_given(name: &str) -> bool {
    let host = name.split('.').next().unwrap_or_default();
    host.strip_prefix("ip-")
        .is_some_and(|rest| rest.split('-').count() == 4 && rest.split('-').all(|number| number.parse::<u8>().is_ok()))
}

/// The hosts file with the machine's own line; none when the image has one of its own, which nobody changes.
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
