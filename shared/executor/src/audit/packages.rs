//! Finds the package to which a file belongs, and whether the file is as the package ships it. Debian's database is
//! text. If the tree has an RPM database, the program `rpm` of this machine reads it and runs nothing of the image.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use md5::{Digest, Md5};
use sha2::Sha256;

/// The time limit of `rpm`.
const PATIENCE: Duration = Duration::from_secs(60);
/// The new and the old place of RPM's database.
const RPM: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];

/// The contents of the package databases.
#[derive(Default)]
pub(super) struct Packages {
    names: Vec<String>,
    /// The files by path, without the leading `/`.
    owned: HashMap<String, Owned>,
}

#[derive(Clone, Default)]
struct Owned {
    /// The package. `None` if only the digest is known so far.
    package: Option<usize>,
    /// Whether several packages own the path, as for `/etc`.
    is_shared: bool,
    /// The MD5 or SHA-256 in hex. `None` for folders, and if the digest is not known.
    digest: Option<String>,
}

impl Packages {
    /// Reads the databases below a root. It adds a note about each database that cannot be read.
    pub(super) fn read(root: &Path, notes: &mut Vec<String>) -> Self {
        let mut packages = Self::default();
        packages.read_dpkg(root);
        if let Some(database) = RPM.into_iter().find(|folder| root.join(folder).is_dir()) {
            match rpm(&root.join(database)) {
                Ok(text) => packages.take_rpm(&text),
                Err(why) => notes.push(format!("the RPM packages of files are not known: {why}")),
            }
        }
        packages
    }

    fn read_dpkg(&mut self, root: &Path) {
        let info = root.join("var/lib/dpkg/info");
        let files = fs::read_dir(&info).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        self.take_dpkg(files);
        // Configuration files as shipped: lines ` /path digest` below `Conffiles:`.
        let status = fs::read(root.join("var/lib/dpkg/status")).unwrap_or_default();
        for line in String::from_utf8_lossy(&status).lines() {
            if let Some((path, digest)) = line.strip_prefix(" /").and_then(|line| line.split_once(' ')) {
                self.note_digest(path, digest.split(' ').next().unwrap_or_default());
            }
        }
    }

    /// Reads the files of dpkg's `info` folder in any order.
    fn take_dpkg(&mut self, files: impl Iterator<Item = PathBuf>) {
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let read = || String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            if let Some(package) = name.strip_suffix(".list") {
                let package = self.package(package);
                read().lines().for_each(|path| self.own(path, package));
            } else if name.ends_with(".md5sums") {
                for (digest, path) in read().lines().filter_map(|line| line.split_once("  ")) {
                    self.note_digest(path, digest);
                }
            }
        }
    }

    fn take_rpm(&mut self, text: &str) {
        for line in text.lines() {
            let mut fields = line.splitn(3, '\t');
            let (Some(package), Some(digest), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let package = self.package(package);
            self.own(path, package);
            self.note_digest(path, digest);
        }
    }

    fn package(&mut self, name: &str) -> usize {
        // The file names of packages for several architectures are like `libc6:amd64.list`.
        let name = name.split(':').next().unwrap_or_default();
        if self.names.last().is_none_or(|last| last != name) {
            self.names.push(name.to_owned());
        }
        self.names.len() - 1
    }

    fn own(&mut self, path: &str, package: usize) {
        // The digest may already be known: the files of the databases come in any order.
        let owned = self.owned.entry(key(path).to_owned()).or_default();
        let first = *owned.package.get_or_insert(package);
        owned.is_shared |= self.names[first] != self.names[package];
    }

    fn note_digest(&mut self, path: &str, digest: &str) {
        // The lengths are those of MD5 and SHA-256. RPM has an empty digest for folders.
        if [32, 64].contains(&digest.len()) {
            self.owned.entry(key(path).to_owned()).or_default().digest = Some(digest.to_ascii_lowercase());
        }
    }

    /// Returns whether a package ships a file with this path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.owned.contains_key(key(path))
    }

    /// Returns the package to which a file belongs: the package that ships it, or the package of the nearest parent
    /// folder that only one package owns.
    pub(super) fn owner(&self, path: &str) -> Option<&str> {
        let mut path = key(path);
        loop {
            match self.owned.get(path) {
                Some(owned) if owned.is_shared => return None,
                Some(Owned { package: Some(package), .. }) => return self.names.get(*package).map(String::as_str),
                Some(_) | None => path = path.rsplit_once('/')?.0,
            }
        }
    }

    /// Returns whether the package is installed.
    pub(super) fn is_installed(&self, package: &str) -> bool {
        self.names.iter().any(|name| name == package)
    }

    /// Returns whether the file is byte by byte as a package ships it.
    pub(super) fn ships(&self, path: &str, bytes: &[u8]) -> bool {
        let Some(digest) = self.owned.get(key(path)).and_then(|owned| owned.digest.as_deref()) else { return false };
        digest == hex::encode(Md5::digest(bytes)) || digest == hex::encode(Sha256::digest(bytes))
    }
}

/// Returns the path by which a file is stored. Packages may still name `/bin`, `/lib` and so on, which have moved to
/// `/usr`.
fn key(path: &str) -> &str {
    let path = path.trim_start_matches("./").trim_matches('/');
    path.strip_prefix("usr/").unwrap_or(path)
}

/// Returns all files of all packages, one per line. It fails if `rpm` takes too long.
fn rpm(database: &Path) -> Result<String, String> {
    let database = database.canonicalize().map_err(|error| error.to_string())?;
    let mut child = Command::new("rpm")
        .arg("--dbpath")
        .arg(&database)
        // The `=` repeats the package's name for each of its files.
        .args(["-qa", "--qf", "[%{=NAME}\t%{FILEDIGESTS}\t%{FILENAMES}\n]"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("rpm cannot be started: {error}"))?;
    let mut stdout = child.stdout.take().ok_or("rpm has no output")?;
    // A read of a pipe has no time limit, so a thread reads.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.read_to_end(&mut text).map(|_| text);
        let _ = sender.send(read); // The receiver no longer waits, so the text is not needed.
    });
    let read = receiver.recv_timeout(PATIENCE);
    let _ = child.kill(); // It has ended by itself, or it never will.
    let _ = child.wait();
    match read {
        Ok(Ok(text)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("rpm took more than {} seconds", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Packages;
    use md5::{Digest, Md5};

    #[test]
    fn debians_database_says_whose_a_file_is_and_whether_it_is_as_it_came() {
        let root = tempfile::tempdir().unwrap();
        let info = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).unwrap();
        fs::write(info.join("a:amd64.list"), "/.\n/etc\n/etc/a\n/bin\n/bin/a\n/etc/a.conf\n").unwrap();
        fs::write(info.join("b.list"), "/.\n/etc\n/etc/b\n").unwrap();
        fs::write(info.join("a:amd64.md5sums"), format!("{}  bin/a\n", hex::encode(Md5::digest("program")))).unwrap();
        let conffiles = format!("Package: a\nConffiles:\n /etc/a.conf {}\n", hex::encode(Md5::digest("conf")));
        fs::write(root.path().join("var/lib/dpkg/status"), conffiles).unwrap();
        let mut notes = Vec::new();
        let packages = Packages::read(root.path(), &mut notes);
        assert_eq!(notes, [""; 0]);
        for (path, owner) in
            [("etc/a/key", Some("a")), ("etc/b/c/d", Some("b")), ("etc/c", None), ("usr/bin/a", Some("a"))]
        {
            assert_eq!(packages.owner(path), owner, "{path}");
        }
        assert!(packages.ships("usr/bin/a", b"program") && !packages.ships("usr/bin/a", b"another"));
        assert!(packages.ships("etc/a.conf", b"conf") && packages.has("etc/a.conf") && !packages.has("etc/a/key"));
    }

    #[test]
    fn the_named_package_does_not_depend_on_the_order_of_database_files() {
        let info = tempfile::tempdir().unwrap();
        let of = |name: &str| info.path().join(name);
        fs::write(of("a.list"), "/etc/a\n").unwrap();
        fs::write(of("b.list"), "/usr/bin/b\n").unwrap();
        let digest = hex::encode(Md5::digest("program"));
        fs::write(of("b.md5sums"), format!("{digest}  usr/bin/b\n{digest}  usr/share/nobody\n")).unwrap();
        let files = ["a.list", "b.list", "b.md5sums"];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut packages = Packages::default();
            packages.take_dpkg(order.iter().map(|index| of(files[*index])));
            assert_eq!(packages.owner("usr/bin/b"), Some("b"), "{order:?}");
            assert_eq!(packages.owner("etc/a"), Some("a"), "{order:?}");
            assert_eq!(packages.owner("usr/share/nobody"), None, "{order:?}");
            assert!(packages.ships("usr/bin/b", b"program") && packages.ships("usr/share/nobody", b"program"));
        }
    }

    #[test]
    fn rpms_list_is_read_too() {
        let mut packages = Packages::default();
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("x"));
        packages
            .take_rpm(&format!("bind\t\t/etc/named\nbind\t{digest}\t/etc/named/x y\nother\t\t/etc\nbind\t\t/etc\n"));
        assert_eq!(packages.owner("etc/named/rndc.key"), Some("bind"));
        assert_eq!(packages.owner("etc/z"), None);
        assert!(packages.ships("etc/named/x y", b"x") && !packages.ships("etc/named/x y", b"y"));
    }
}
