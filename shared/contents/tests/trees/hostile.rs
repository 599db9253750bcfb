//! Trees that somebody has made to harm the collection, or that are only odd. Whatever is in them, the collection ends
//! in time and says what it has left out.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use goldsmith_contents::{Contents, Options, PackageType, collect};

use super::{has, lines, run, write};

/// The time after which a collection hangs. Usually it takes less than a second, also on a busy machine some seconds.
const HANGS: Duration = Duration::from_secs(300);

/// Collects, and requires that nothing was waited for.
fn collected(root: &Path) -> Contents {
    let start = Instant::now();
    let contents = collect(root, &Options::of_tree());
    assert!(start.elapsed() < HANGS, "{:?}", start.elapsed());
    contents
}

/// A tree with one good package of dpkg.
fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    write(&tree.path().join("etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\n");
    let status = "Package: good\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n";
    write(&tree.path().join("var/lib/dpkg/status"), status);
    tree
}

fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    run(Command::new("mkfifo").arg(path));
}

#[test]
fn fifos_devices_and_endless_files_are_named_and_not_waited_for() {
    let tree = tree();
    let at = |path: &str| tree.path().join(path);
    for path in ["var/lib/dpkg/info/a.list", "etc/passwd", "lib/apk/db/installed", "srv/fifo", "etc/shadow"] {
        fifo(&at(path));
    }
    symlink("/dev/zero", at("etc/group")).unwrap();
    for path in ["var/lib/dpkg/info/b.list", "srv/node_modules/a/package.json", "srv/a.dist-info/METADATA"] {
        write(&at(path), "");
        File::options().write(true).open(at(path)).unwrap().set_len(1 << 40).unwrap();
    }
    let contents = collected(tree.path());
    assert_eq!(contents.packages.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["good"]);
    let notes = contents.notes.join("\n");
    for expected in [
        "/var/lib/dpkg/info/a.list was not read: it is not a regular file",
        "/var/lib/dpkg/info/b.list was not read: it has more than 16777216 bytes",
        "/srv/node_modules/a/package.json was not read: it has more than 1048576 bytes",
        "/srv/a.dist-info/METADATA was not read: ",
        "/etc/passwd was not read: it is not a regular file",
        "/lib/apk/db/installed was not read: ",
    ] {
        assert!(notes.contains(expected), "{expected}\n{notes}");
    }
}

#[test]
fn links_read_nothing_of_the_machine_that_collects() {
    let tree = tree();
    let at = |path: &str| tree.path().join(path);
    for (link, target) in [
        ("etc/passwd", "/etc/passwd"),
        ("etc/group", "../../../../../../../../etc/group"),
        ("etc/systemd", "/etc/systemd"),
        ("var/lib/rpm", "/var/lib/rpm"),
        ("var/lib/dpkg/info", "/var/lib/dpkg/info"),
        ("var/lib/dpkg/status.d", "/var/lib/dpkg"),
        ("boot", "/boot"),
        ("circle", "circle"),
        ("srv", "."),
    ] {
        fs::create_dir_all(at(link).parent().unwrap()).unwrap();
        symlink(target, at(link)).unwrap();
    }
    let status = "Package: good\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nConffiles:\n \
                  /../../../../../../../../etc/passwd 00000000000000000000000000000000\n\n";
    write(&at("var/lib/dpkg/status"), status);
    let contents = collected(tree.path());
    // The link leads to the tree's own `/var/lib/dpkg`, so its package is the same.
    assert_eq!(contents.packages.len(), 1, "{:?}", contents.packages);
    assert_eq!((contents.users, contents.groups, contents.kernels), (vec![], vec![], vec![]));
    assert_eq!(contents.units, []);
    assert_eq!(contents.configuration, []);
}

#[test]
fn programs_that_claim_more_than_they_have_are_passed_over() {
    let tree = tree();
    let path = tree.path().join("opt/program");
    write(&path, "");
    let mut file = File::options().write(true).open(&path).unwrap();
    // A 64-bit program whose table says that it has a hundred million sections.
    let mut head = [0u8; 64];
    head[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    head[16] = 2; // e_type: a program
    head[18] = 62; // e_machine
    head[20] = 1; // e_version
    head[40] = 64; // e_shoff
    head[52] = 64; // e_ehsize
    head[58] = 64; // e_shentsize; e_shnum is 0, so the first section has the number
    file.write_all(&head).unwrap();
    let mut first = [0u8; 64];
    first[32..40].copy_from_slice(&100_000_000u64.to_le_bytes());
    file.write_all(&first).unwrap();
    file.set_len(64 * 100_000_001).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let contents = collected(tree.path());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).unwrap();
    assert!(most.parse::<u64>().unwrap() < 1024 * 1024, "{most} kB of memory, and the table would have 6 GiB");
    assert_eq!(contents.files.last().unwrap().path, "/opt/program");
}

#[test]
fn deep_trees_and_odd_names_are_listed_as_far_as_they_have_paths() {
    let tree = tree();
    // Deeper than a path can be, so it is made step by step.
    let script =
        "import os, sys\nos.chdir(sys.argv[1])\nfor _ in range(3000):\n os.mkdir('d'); os.chdir('d')\nopen('x', 'w')";
    run(Command::new("python3").args(["-c", script]).arg(tree.path()));
    write(&tree.path().join("srv/a\nb"), "x");
    write(&tree.path().join("srv/\u{1b}[2J"), "x");
    write(&tree.path().join("srv/node_modules/a/package.json"), r#"{"name": "a\nforged", "version": "1"}"#);
    let contents = collected(tree.path());
    let files: Vec<&str> = contents.files.iter().map(|file| file.path.as_str()).collect();
    assert!(files.contains(&"/srv/a\nb") && files.contains(&"/srv/\u{1b}[2J"), "{files:?}");
    assert!(contents.packages.iter().all(|package| package.kind == PackageType::Deb));
    let notes = contents.notes.join("\n");
    assert!(notes.contains("1 folders could not be read"), "{notes}");
    assert!(notes.contains("1 packages were left out, because no package has such a name or version"), "{notes}");
    run(Command::new("rm").arg("-rf").arg(tree.path().join("d")));
}

#[test]
fn a_record_of_a_language_hides_no_other_files() {
    let tree = tree();
    let info = tree.path().join("usr/lib/python3/site-packages/a-1.dist-info");
    write(&info.join("METADATA"), "Name: a\nVersion: 1\n\n");
    write(&info.join("RECORD"), "../../../..,,\n../../../bin,,\n../../../bin/tool,,\n/opt,,\n");
    for path in ["usr/bin/tool", "usr/bin/own", "opt/own"] {
        write(&tree.path().join(path), "x");
    }
    let files: Vec<String> = collected(tree.path()).files.into_iter().map(|file| file.path).collect();
    assert_eq!(files, ["/etc/os-release", "/opt/own", "/usr/bin/own"]);
}

#[test]
fn a_collection_without_time_says_so() {
    let tree = tree();
    write(&tree.path().join("srv/node_modules/a/package.json"), r#"{"name": "a", "version": "1"}"#);
    let contents = collect(tree.path(), &Options { limit: Duration::ZERO, ..Options::of_tree() });
    let notes = contents.notes.join("\n");
    assert!(notes.contains("the collection took too long, so not everything is listed"), "{notes}");
    assert!(notes.contains("not all files are listed"), "{notes}");
}

#[test]
fn a_truncated_database_of_rpm_is_said_and_left_as_it_is() {
    if !has(&["rpm"]) {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let place = tree.path().join("var/lib/rpm");
    fs::create_dir_all(&place).unwrap();
    run(Command::new("rpm").arg("--dbpath").arg(&place).arg("--initdb"));
    let whole = fs::read(place.join("rpmdb.sqlite")).unwrap();
    let listed = || {
        let mut names: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for (name, bytes) in [
        ("rpmdb.sqlite", &whole[..4096]),
        ("rpmdb.sqlite", &whole[..whole.len() / 3]),
        ("rpmdb.sqlite", &b"no database"[..]),
        ("Packages.db", &[0xa5; 8192][..]),
        ("Packages", &[0xa5; 8192][..]),
    ] {
        listed().iter().for_each(|name| fs::remove_file(place.join(name)).unwrap());
        fs::write(place.join(name), bytes).unwrap();
        let contents = collected(tree.path());
        assert_eq!(lines(&contents, PackageType::Rpm, |package| package.name.clone()), [""; 0]);
        let notes = contents.notes.join("\n");
        assert!(
            notes.contains("RPM packages cannot be listed") || notes.contains("rpm lists no packages"),
            "{name} {notes}"
        );
        // SQLite makes its own two files next to a database that it reads.
        let others = listed().into_iter().filter(|other| !other.to_string_lossy().starts_with(&format!("{name}-")));
        assert_eq!(others.collect::<Vec<_>>(), [name], "nothing is written into the tree");
        assert_eq!(fs::read(place.join(name)).unwrap(), bytes);
    }
}

#[test]
fn a_list_that_hides_packages_is_incomplete() {
    let stanza = |name: &str, rest: &str| format!("Package: {name}\n{rest}\n\n");
    let installed = "Status: install ok installed\nVersion: 1.0-1\nArchitecture: all";
    let whole = stanza("a", installed) + &stanza("gone", "Status: deinstall ok config-files\nVersion: 1.0-1");
    for (status, lists, is_incomplete) in [
        (whole.clone(), vec!["a.list", "gone.list"], false),
        (whole.clone(), vec!["a.list", "hidden:amd64.list"], true),
        (whole.clone() + &stanza("b", "Status: install ok installed"), vec![], true),
        (whole.clone() + &stanza("b", "Version: 1.0-1"), vec![], true),
        (whole.clone() + &stanza("b", "Status: install ok half-configured\nVersion: 1.0-1"), vec![], true),
    ] {
        let root = tempfile::tempdir().unwrap();
        let dpkg = root.path().join("var/lib/dpkg");
        std::fs::create_dir_all(dpkg.join("info")).unwrap();
        std::fs::write(dpkg.join("status"), &status).unwrap();
        for list in &lists {
            std::fs::write(dpkg.join("info").join(list), "/.\n").unwrap();
        }
        let contents = collect(root.path(), &Options::of_tree());
        assert_eq!(contents.packages_incomplete, is_incomplete, "{status}{lists:?}: {:?}", contents.notes);
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("var/lib/dpkg/status")).unwrap();
    assert!(collect(root.path(), &Options::of_tree()).packages_incomplete, "the status is a folder");
}
