//! Reads what is in a tree whose files may be odd or hostile: fifos, devices, files without end, and links that lead out
//! of the tree.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// The largest number of links on one path, as in Linux (path_resolution(7)).
const MOST_LINKS: u32 = 40;
/// The largest number of entries of a folder that are listed.
const MOST_ENTRIES: usize = 100_000;

/// The largest size of a small file, such as `/etc/passwd` or the manifest of a package, in bytes.
pub(super) const SMALL: u64 = 1024 * 1024;
/// The largest size of a list of one package's files, in bytes.
pub(super) const LIST: u64 = 16 * 1024 * 1024;
/// The largest size of a database of all packages, in bytes. That of Debian with everything has some 60 MB.
pub(super) const DATABASE: u64 = 128 * 1024 * 1024;

/// The root folder of the contents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'r> {
    root: &'r Path,
}

impl<'r> Tree<'r> {
    pub(super) fn new(root: &'r Path) -> Self {
        Self { root }
    }

    /// Returns the root folder itself.
    pub(super) fn root(self) -> &'r Path {
        self.root
    }

    /// Reads a text file whose bytes need not be UTF-8.
    ///
    /// # Errors
    /// The file does not exist, is not a regular file, has more than `most` bytes, or cannot be read.
    pub(super) fn text(self, path: &str, most: u64) -> io::Result<String> {
        let bytes = self.bytes(path, most)?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub(super) fn bytes(self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let too_large = || io::Error::other(format!("it has more than {most} bytes"));
        if file.metadata()?.len() > most {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        // A file may grow while it is read, and files of the kernel have no size.
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most { Err(too_large()) } else { Ok(bytes) }
    }

    /// Opens a regular file. Anything else, such as a fifo, is not waited for.
    ///
    /// # Errors
    /// The file does not exist, is not a regular file, or cannot be opened.
    pub(super) fn open(self, path: &str) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default());
        let file = options.open(self.resolved(path)?)?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
    }

    /// Returns the sorted names in a folder, without those that are not UTF-8. Empty if there is no such folder.
    pub(super) fn names(self, folder: &str) -> Vec<String> {
        let entries = self.resolved(folder).and_then(fs::read_dir).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(MOST_ENTRIES).collect();
        names.sort();
        names
    }

    /// Returns the real place of a path, with each link on it followed as if the tree were the root: a link to `/etc` is
    /// one to `etc` of the tree. The place need not exist.
    ///
    /// # Errors
    /// There are too many links, as in a circle.
    pub(super) fn resolved(self, path: &str) -> io::Result<PathBuf> {
        if self.root == Path::new("/") {
            return Ok(self.root.join(path));
        }
        let mut rest = Vec::new();
        put_before(&mut rest, Path::new(path));
        let (mut place, mut links) = (PathBuf::new(), 0);
        while let Some(part) = rest.pop() {
            if part == ".." {
                place.pop();
                continue;
            }
            let next = place.join(&part);
            let Ok(target) = fs::read_link(self.root.join(&next)) else {
                place = next;
                continue;
            };
            links += 1;
            if links > MOST_LINKS {
                return Err(io::Error::other("too many links lead to it"));
            }
            if target.is_absolute() {
                place.clear();
            }
            put_before(&mut rest, &target);
        }
        Ok(self.root.join(place))
    }
}

/// Puts the parts of a path before the parts that are still to be followed. The next part is the last element.
fn put_before(rest: &mut Vec<OsString>, path: &Path) {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    rest.extend(parts);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Tree;

    #[test]
    fn links_lead_nowhere_but_into_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(folder.path().join("secret"), "of the machine").unwrap();
        fs::write(root.join("usr/lib/os-release"), "ID=x").unwrap();
        for (link, target) in [
            ("etc/relative", "../usr/lib/os-release"),
            ("etc/absolute", "/usr/lib/os-release"),
            ("etc/through", "/lib/os-release"),
            ("lib", "usr/lib"),
            ("etc/out", "../../secret"),
            ("etc/away", "/../../secret"),
            ("etc/host", "/proc/self/environ"),
            ("etc/circle", "circle"),
            ("etc/there", "back"),
            ("etc/back", "there"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let tree = Tree::new(&root);
        for name in ["relative", "absolute", "through"] {
            assert_eq!(tree.text(&format!("etc/{name}"), 9).unwrap(), "ID=x", "{name}");
        }
        for name in ["out", "away", "host", "circle", "there", "none"] {
            assert!(tree.text(&format!("etc/{name}"), 99).is_err(), "{name}");
        }
        assert_eq!(tree.names("lib"), ["os-release"]);
        assert_eq!(tree.names("etc/circle"), [""; 0]);
    }

    #[test]
    fn only_a_regular_file_with_an_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path());
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR).unwrap();
        fs::File::create(at("sparse")).unwrap().set_len(1 << 40).unwrap();
        fs::write(at("good"), "1234").unwrap();
        let why = |name: &str| tree.text(name, 4).unwrap_err().to_string();
        assert_eq!(tree.text("good", 4).unwrap(), "1234");
        assert_eq!(tree.text("good", 3).unwrap_err().to_string(), "it has more than 3 bytes");
        assert_eq!(why("fifo"), "it is not a regular file");
        assert_eq!(why("."), "it is not a regular file");
        assert_eq!(why("sparse"), "it has more than 4 bytes");
        let machine = Tree::new(std::path::Path::new("/"));
        assert_eq!(machine.text("dev/zero", 4).unwrap_err().to_string(), "it is not a regular file");
        assert!(machine.text("proc/self/comm", 99).is_ok(), "a file of the kernel");
    }
}
