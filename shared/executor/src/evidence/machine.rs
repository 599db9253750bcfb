//! The files of the machine from which the facts come.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most that is read of one file. Everything that is looked at is far smaller.
const LIMIT: u64 = 1 << 20;
/// More than the size of nearly all files that are looked at. The kernel gives 0 as the size of its own files, and may
/// count everything anew for each piece of them that is read.
const USUAL: usize = 16 * 1024;

/// The machine, or a folder with its files in a test.
pub(super) struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Returns the machine on which this program runs.
    pub(super) fn own() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// Returns a path of the machine, given from its root.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Returns the beginning of a file, or `None` if it cannot be read or is not a regular file: a read of a pipe would
    /// wait for its writer.
    pub(super) fn bytes(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let path = self.path(path);
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::with_capacity(USUAL);
        File::open(path).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Returns the beginning of a file as text. What is not UTF-8 is replaced.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::fs;

    use super::Machine;

    /// A machine with these files.
    pub(in crate::evidence) struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        pub(in crate::evidence) fn new(files: &[(&str, &[u8])]) -> Self {
            let fixture = Self { folder: tempfile::tempdir().unwrap() };
            for (name, bytes) in files {
                let path = fixture.machine().path(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            fixture
        }

        pub(in crate::evidence) fn machine(&self) -> Machine {
            Machine { root: self.folder.path().to_owned() }
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_nothing_is_read_without_end() {
        let fixture = Fixture::new(&[("/etc/odd", b"a\xffb")]);
        let machine = fixture.machine();
        assert_eq!(machine.text("/etc/odd").as_deref(), Some("a\u{fffd}b"));
        assert_eq!((machine.text("/etc/none"), machine.text("/etc")), (None, None));
        assert_eq!(Machine::own().bytes("/dev/zero"), None);
        fs::File::create(machine.path("/etc/huge")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(machine.bytes("/etc/huge").unwrap().len(), 1 << 20);
    }
}
