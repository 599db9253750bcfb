//! The file systems that have no space or no inodes left.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use super::machine::Machine;

/// A file system with less free space than this is reported, unless most of it is free.
const LITTLE: u64 = 16 << 20;
/// File systems whose server may be gone, so that a look at them would never end, and file systems that are always full.
const NOT_ASKED: [&str; 14] = [
    "nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "lustre", "afs", "autofs", "squashfs", "iso9660", "erofs", "cramfs",
    "efivarfs",
];
/// The most file systems that are looked at. A machine with more has them from containers.
const MOST: usize = 500;

/// The mounted file systems by their places.
type Mounts = BTreeMap<PathBuf, Mount>;

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    device: String,
    kind: String,
    /// Whether the space of the file system is looked at.
    is_asked: bool,
}

/// The space of a file system, in bytes, and its inodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Space {
    size: u64,
    free: u64,
    inodes: u64,
    free_inodes: u64,
}

/// Returns a fact about each file system that is full, and about the file system of `path`. It is called when an
/// operation has just failed: what it has written may be removed afterwards.
pub(crate) fn full(path: Option<&Path>) -> Vec<String> {
    let path = path.map(Path::to_owned);
    super::in_time(move || facts(&Machine::own(), path.as_deref(), space))
}

fn facts(machine: &Machine, path: Option<&Path>, space: impl Fn(&Path) -> Option<(u64, Space)>) -> Vec<String> {
    let mounts = mounts(&machine.bytes("/proc/self/mounts").unwrap_or_default());
    let path = path.map(existing);
    let own = path.as_deref().and_then(|path| mount_of(&mounts, path));
    let mut seen = BTreeSet::new();
    let mut found: Vec<(bool, u64, String)> = Vec::new();
    let asked = mounts.iter().filter(|(_, mount)| mount.is_asked);
    // The file system of the failed operation is the first one, also on a machine with very many of them.
    let (first, others): (Vec<_>, Vec<_>) = asked.partition(|(at, _)| Some(at.as_path()) == own);
    for (at, mount) in first.iter().chain(others.iter().take(MOST)) {
        // The same file system may be mounted at many places.
        let Some((id, space)) = space(at).filter(|(id, _)| !seen.contains(id)) else { continue };
        seen.insert(id);
        let is_own = Some(at.as_path()) == own;
        let texts = [full_text(at, mount, space), inode_text(at, mount, space)];
        if let Some(path) = path.as_ref().filter(|_| is_own && texts.iter().all(Option::is_none)) {
            let (path, at, free) = (path.display(), at.display(), size(space.free));
            let text = format!("{path} is on {at}, {}, of which {free} are free now.", mount.described(space));
            found.push((false, space.free, text));
        }
        found.extend(texts.into_iter().flatten().map(|text| (!is_own, space.free, text)));
    }
    // The file system of the failed operation comes first, and then the one with the least space.
    found.sort();
    found.into_iter().map(|(.., text)| text).collect()
}

/// Returns a sentence if there is no or almost no free space.
fn full_text(at: &Path, mount: &Mount, space: Space) -> Option<String> {
    let Space { size: whole, free, .. } = space;
    let is_little = free < LITTLE && free < whole / 2;
    if whole == 0 || (free >= whole / 50 && !is_little) {
        return None;
    }
    let how = if free < 1 << 20 || free < whole / 200 { "full" } else { "almost full" };
    let path = at.display();
    Some(format!("{path} is {how}: it is {}, of which {} are free.", mount.described(space), size(free)))
}

/// Returns a sentence if there is no or almost no free inode. Some file systems have no fixed number of inodes.
fn inode_text(at: &Path, mount: &Mount, space: Space) -> Option<String> {
    let Space { inodes, free_inodes: free, .. } = space;
    let path = at.display();
    let is_little = inodes > 0 && free < inodes / 50;
    is_little.then(|| {
        format!(
            "{path} has too few inodes, so it can have no more files: of {inodes} inodes, {free} are free; it is {}.",
            mount.described(space)
        )
    })
}

impl Mount {
    fn described(&self, space: Space) -> String {
        let article = if self.kind.starts_with(['a', 'e', 'i', 'o', 'u', 'x']) { "an" } else { "a" };
        // The device of a file system in memory is only a word.
        let device = if self.device.starts_with('/') { format!(" on {}", self.device) } else { String::new() };
        format!("{article} {} of {}{device}", self.kind, size(space.size))
    }
}

/// Returns a number of bytes as people write it.
fn size(bytes: u64) -> String {
    match bytes >> 20 {
        mib if mib >= 10 * 1024 => format!("{} GiB", mib / 1024),
        0 if bytes > 0 => format!("{} KiB", bytes >> 10),
        0 => "0 MiB".to_owned(),
        mib => format!("{mib} MiB"),
    }
}

/// Reads `/proc/self/mounts`. Of several mounts at one place, only the last one can be seen.
fn mounts(text: &[u8]) -> Mounts {
    let mut mounts = Mounts::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').map(unescaped);
        let mut next = || fields.next();
        let (Some(device), Some(path), Some(kind), Some(options)) = (next(), next(), next(), next()) else { continue };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let kind = text(&kind);
        let is_read_only = options.split(|byte| *byte == b',').any(|option| option == b"ro");
        let is_asked = !is_read_only && !NOT_ASKED.contains(&kind.as_str()) && !kind.starts_with("fuse");
        let mount = Mount { device: text(&device), kind, is_asked };
        mounts.insert(PathBuf::from(OsStr::from_bytes(&path)), mount);
    }
    mounts
}

/// Replaces the octal numbers that stand for spaces, tabs, line ends and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// Returns where the file system of a path is mounted.
fn mount_of<'m>(mounts: &'m Mounts, path: &Path) -> Option<&'m Path> {
    path.ancestors().find_map(|path| mounts.get_key_value(path)).map(|(path, _)| path.as_path())
}

/// Returns a path without links, or its first folder that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors().find_map(|path| fs::canonicalize(path).ok()).unwrap_or_else(|| path.to_owned())
}

/// Returns the space at a path, and the number of the file system.
fn space(path: &Path) -> Option<(u64, Space)> {
    let found = statvfs(path).ok()?;
    let id = fs::metadata(path).ok()?.dev();
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    let space = Space {
        size: bytes(found.f_blocks),
        free: bytes(found.f_bavail),
        inodes: found.f_files,
        free_inodes: found.f_favail,
    };
    Some((id, space))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::{Path, PathBuf};

    use super::super::machine::testing::Fixture;
    use super::{Space, facts, full, mounts};

    const MOUNTS: &[u8] = b"proc /proc proc rw,nosuid 0 0\n/dev/nvme0n1p1 / ext4 rw,relatime 0 0\n\
        tmpfs /tmp tmpfs rw,size=65536k 0 0\n/dev/loop1 /snap/core squashfs ro 0 0\n/dev/nvme1n1 /srv/my\\040data\\134x xfs rw 0 0\n\
        server:/x /home nfs4 rw 0 0\n/dev/nvme0n1p1 /var/lib/bound ext4 rw 0 0\n";
    const MIB: u64 = 1 << 20;

    fn space(size: u64, free: u64) -> Space {
        Space { size: size * MIB, free: free * MIB, inodes: 1_000, free_inodes: 900 }
    }

    /// The facts on a machine whose file systems have this space.
    fn on(path: Option<&str>, spaces: &[(&str, Space)]) -> Vec<String> {
        let fixture = Fixture::new(&[("/proc/self/mounts", MOUNTS)]);
        let of = |path: &Path| {
            let at = spaces.iter().position(|(name, _)| Path::new(name) == path)?;
            Some((at as u64, spaces[at].1))
        };
        facts(&fixture.machine(), path.map(Path::new), of)
    }

    #[test]
    fn full_file_systems_are_named_with_what_they_are() {
        let spaces = [("/", space(7_900, 3)), ("/tmp", space(64, 0)), ("/srv/my data\\x", space(20_480, 15_000))];
        assert_eq!(
            on(Some("/nowhere/x"), &spaces),
            [
                "/ is full: it is an ext4 of 7900 MiB on /dev/nvme0n1p1, of which 3 MiB are free.",
                "/tmp is full: it is a tmpfs of 64 MiB, of which 0 MiB are free.",
            ]
        );
        let spaces = [("/", space(7_900, 5_000)), ("/tmp", space(64, 12)), ("/srv/my data\\x", space(20_480, 0))];
        assert_eq!(
            on(None, &spaces),
            [
                "/srv/my data\\x is full: it is an xfs of 20 GiB on /dev/nvme1n1, of which 0 MiB are free.",
                "/tmp is almost full: it is a tmpfs of 64 MiB, of which 12 MiB are free.",
            ]
        );
    }

    #[test]
    fn the_file_system_of_the_failed_operation_is_named_even_if_it_has_space_again() {
        let spaces = [("/", space(8_000, 4_000)), ("/tmp", space(64, 64))];
        assert_eq!(
            on(Some("/nowhere/x"), &spaces),
            ["/ is on /, an ext4 of 8000 MiB on /dev/nvme0n1p1, of which 4000 MiB are free now."]
        );
    }

    #[test]
    fn a_file_system_of_a_server_is_not_asked_and_not_taken_for_another_one() {
        let fixture = Fixture::new(&[("/proc/self/mounts", b"/dev/a / ext4 rw 0 0\nserver:/x /proc nfs4 rw 0 0\n")]);
        let of = |path| {
            facts(&fixture.machine(), Some(Path::new(path)), |at| {
                assert_eq!(at, Path::new("/"));
                Some((1, space(100, 50)))
            })
        };
        assert!(of("/proc/self").is_empty());
        assert_eq!(of("/nowhere"), ["/ is on /, an ext4 of 100 MiB on /dev/a, of which 50 MiB are free now."]);
    }

    #[test]
    fn inodes_and_small_file_systems_are_judged_too() {
        let none = Space { inodes: 65_536, free_inodes: 0, ..space(8_000, 4_000) };
        assert_eq!(
            on(None, &[("/", none)]),
            [
                "/ has too few inodes, so it can have no more files: of 65536 inodes, 0 are free; it is an ext4 of 8000 MiB on \
              /dev/nvme0n1p1."
            ]
        );
        // btrfs and vfat have no fixed number of inodes, and a small file system that is empty is not full.
        let unlimited = Space { inodes: 0, free_inodes: 0, ..space(8_000, 4_000) };
        assert!(on(None, &[("/", unlimited), ("/tmp", space(5, 5)), ("/proc", Space::default())]).is_empty());
    }

    #[test]
    fn mounts_are_read_whatever_they_contain() {
        let read = mounts(MOUNTS);
        let asked: Vec<_> = read.iter().filter(|(_, mount)| mount.is_asked).map(|(path, _)| path.clone()).collect();
        assert_eq!(asked, ["/", "/proc", "/srv/my data\\x", "/tmp", "/var/lib/bound"].map(PathBuf::from));
        let over = mounts(b"/dev/a /x ext4 rw 0 0\ntmpfs /x tmpfs rw 0 0\n");
        assert_eq!((over.len(), over[Path::new("/x")].kind.as_str()), (1, "tmpfs"));
        let odd = mounts(b"\n/dev/\xff /a\\999\\04 odd\\011 rw\nno mount\n\\ \\ \\ \\");
        assert_eq!((odd[Path::new("/a\\999\\04")].kind.as_str(), odd.len()), ("odd\t", 2));
    }

    #[test]
    fn a_machine_with_very_many_mounts_is_looked_at_in_part() {
        let text: String = (0..30_000).map(|n| format!("tmpfs /run/{n} tmpfs rw 0 0\n")).collect();
        let fixture = Fixture::new(&[("/proc/self/mounts", format!("{text}/dev/z / ext4 rw 0 0\n").as_bytes())]);
        let asked = Cell::new(0);
        let told = facts(&fixture.machine(), Some(Path::new("/nowhere")), |path| {
            asked.set(asked.get() + 1);
            Some((asked.get(), if path == Path::new("/") { space(100, 0) } else { space(100, 90) }))
        });
        // All of the text that is read is within the limit of a file, and the own file system is among the first.
        assert_eq!(
            (told, asked.get()),
            (vec!["/ is full: it is an ext4 of 100 MiB on /dev/z, of which 0 MiB are free.".to_owned()], 501)
        );
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        // Whether a file system of this machine is full is not known, but the path is on one that can be named.
        let found = full(Some(Path::new("/tmp")));
        assert!(found.iter().all(|fact| fact.ends_with('.')), "{found:?}");
    }
}
