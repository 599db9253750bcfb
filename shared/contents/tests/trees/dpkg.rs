//! dpkg: its own list must be ours.

use std::fs;
use std::path::Path;
use std::process::Command;

use goldsmith_contents::{Contents, PackageType};

use super::{has, lines, of_tree, run, sorted, write};

const FIELDS: &str = "${db:Status-Status}|${Package}|${Version}|${Architecture}|${source:Package}|${source:Version}|${Installed-Size}\\n";

/// What dpkg-query lists as installed.
fn listed(root: &Path) -> Vec<String> {
    let mut query = Command::new("dpkg-query");
    let all = run(query.arg(format!("--admindir={}", root.join("var/lib/dpkg").display())).args(["-W", "-f", FIELDS]));
    let installed: Vec<&str> = all.lines().filter_map(|line| line.strip_prefix("installed|")).collect();
    sorted(&installed.join("\n"))
}

fn collected(contents: &Contents) -> Vec<String> {
    lines(contents, PackageType::Deb, |package| {
        let source = package.source.as_ref().unwrap();
        let size = package.installed_size.map(|bytes| (bytes / 1024).to_string()).unwrap_or_default();
        let (name, version, arch) = (&package.name, &package.version, &package.arch);
        format!("{name}|{version}|{arch}|{}|{}|{size}", source.name, source.version)
    })
}

/// Makes a package with this control file. `files` are paths with their texts.
fn build(folder: &Path, name: &str, control: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
    let tree = folder.join(name);
    let fixed = format!("Package: {name}\nMaintainer: Nobody <nobody@example.com>\nDescription: a test\n{control}\n");
    write(&tree.join("DEBIAN/control"), &fixed);
    for (path, text) in files {
        write(&tree.join(path), text);
    }
    if let Some((path, _)) = files.iter().find(|(path, _)| path.starts_with("etc/")) {
        write(&tree.join("DEBIAN/conffiles"), &format!("/{path}\n"));
    }
    if tree.join("DEBIAN/postinst").exists() {
        run(Command::new("chmod").arg("755").arg(tree.join("DEBIAN/postinst")));
    }
    let file = folder.join(format!("{name}.deb"));
    run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&file));
    file
}

fn dpkg(root: &Path) -> Command {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display()));
    dpkg.args(["--force-not-root", "--force-bad-path", "--force-script-chrootless", "--log=/dev/null"]);
    dpkg
}

#[test]
fn this_machines_packages_are_exactly_those_of_dpkg_query() {
    if !has(&["dpkg-query"]) || !Path::new("/var/lib/dpkg/status").exists() {
        return;
    }
    // The whole machine would take long: only the database is in the tree.
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(tree.path().join("var/lib")).unwrap();
    run(Command::new("cp").args(["-a", "/var/lib/dpkg"]).arg(tree.path().join("var/lib")));
    let start = std::time::Instant::now();
    let contents = of_tree(tree.path());
    let took = start.elapsed();
    let expected = listed(tree.path());
    assert!(expected.len() > 50);
    assert_eq!(collected(&contents), expected);
    assert!(took.as_secs() < 10, "{took:?} for {} packages", expected.len());
}

#[test]
fn packages_in_every_state_are_counted_only_if_they_are_installed() {
    if !has(&["dpkg", "dpkg-deb", "dpkg-query"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (root, at) = (folder.path().join("root"), folder.path());
    write(&root.join("etc/os-release"), "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n");
    write(&root.join("var/lib/dpkg/status"), "");
    for folder in ["info", "updates", "triggers"] {
        fs::create_dir_all(root.join("var/lib/dpkg").join(folder)).unwrap();
    }
    write(&root.join("var/lib/dpkg/available"), "");
    let arch = run(Command::new("dpkg").arg("--print-architecture"));
    let arch = arch.trim();
    let plain = "Version: 1.0-1\nArchitecture: all\nInstalled-Size: 7";
    let same = format!("Version: 2:3.4~rc1-5+b1\nArchitecture: {arch}\nMulti-Arch: same\nSource: shared (2:3.4~rc1-5)");
    write(&at.join("broken/DEBIAN/postinst"), "#!/bin/sh\nexit 1\n");
    let good = [
        build(at, "plain", plain, &[("usr/share/plain/data", "x"), ("etc/plain.conf", "shipped\n")]),
        build(at, "libshared", &same, &[("usr/lib/libshared.so", "x")]),
        build(at, "held", "Version: 1\nArchitecture: all\nSource: other", &[("etc/held.conf", "shipped\n")]),
        build(at, "gone", "Version: 1\nArchitecture: all", &[("etc/gone.conf", "x\n")]),
        build(at, "purged", "Version: 1\nArchitecture: all", &[]),
    ];
    run(dpkg(&root).arg("-i").args(&good));
    run(dpkg(&root).args(["-r", "gone"]));
    run(dpkg(&root).args(["-P", "purged"]));
    let broken = build(at, "broken", "Version: 1\nArchitecture: all", &[("usr/share/broken", "x")]);
    assert!(!dpkg(&root).arg("-i").arg(&broken).output().unwrap().status.success());
    let unpacked = build(at, "unpacked", "Version: 1\nArchitecture: all", &[]);
    run(dpkg(&root).arg("--unpack").arg(&unpacked));
    let mut selections = Command::new("sh");
    let set = "echo 'held hold' | dpkg --root=\"$1\" --force-not-root --set-selections";
    run(selections.args(["-c", set, "sh"]).arg(&root));

    fs::write(root.join("etc/plain.conf"), "changed\n").unwrap();
    fs::remove_file(root.join("etc/held.conf")).unwrap();
    write(&root.join("srv/own"), "mine\n");
    // What any program of the machine writes at any time is no part of the image.
    for generated in ["etc/.pwd.lock", "etc/ld.so.cache", "etc/machine-id", "etc/hostname"] {
        write(&root.join(generated), "");
    }
    let contents = of_tree(&root);
    let expected = listed(&root);
    assert_eq!(collected(&contents), expected);
    let names: Vec<&str> = contents.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["held", "libshared", "plain"]);
    let notes = contents.notes.join("\n");
    assert!(notes.contains("the package broken is not counted, because dpkg says it is `half-configured`"), "{notes}");
    assert!(notes.contains("the package unpacked is not counted"), "{notes}");
    let changed: Vec<_> = contents.configuration.iter().map(|one| (one.path.as_str(), one.sha256.is_some())).collect();
    assert_eq!(changed, [("/etc/held.conf", false), ("/etc/plain.conf", true)]);
    let files: Vec<&str> = contents.files.iter().map(|file| file.path.as_str()).collect();
    // What a removed package leaves is no package's any more, except its configuration, which dpkg still lists.
    assert_eq!(files, ["/etc/os-release", "/srv/own"]);
}

#[test]
fn an_image_without_dpkg_has_a_file_for_each_package() {
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &str| tree.path().join(path);
    write(&at("var/lib/dpkg/status.d/tzdata"), "Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n");
    write(&at("var/lib/dpkg/status.d/libc6"), "Package: libc6\nSource: glibc\nVersion: 2.36-9\nArchitecture: amd64\n");
    write(&at("var/lib/dpkg/status.d/libc6.md5sums"), "00  lib/libc.so.6\n");
    write(&at("usr/lib/libc.so.6"), "x");
    let contents = of_tree(tree.path());
    let expected = ["libc6|2.36-9|amd64|glibc|2.36-9|", "tzdata|2024a-0|all|tzdata|2024a-0|"];
    assert_eq!(collected(&contents), expected);
    assert_eq!(contents.packages[0].locations, ["/var/lib/dpkg/status.d/libc6"]);
    assert_eq!(contents.files, []);
}

#[test]
fn what_alpine_has_installed_is_listed() {
    let tree = tempfile::tempdir().unwrap();
    write(&tree.path().join("etc/os-release"), "ID=alpine\nVERSION_ID=3.20.1\n");
    let database = "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nS:1\nI:667648\nT:the musl c library\nL:MIT\no:musl\nF:lib\n\
                    R:ld-musl-x86_64.so.1\na:0:0:755\n\nP:ssl_client\nV:1.36.1-r29\nA:x86_64\nI:8192\n\
                    L:GPL-2.0-only\no:busybox\nF:usr\nF:usr/bin\nR:ssl_client\n\n";
    write(&tree.path().join("lib/apk/db/installed"), database);
    write(&tree.path().join("usr/bin/ssl_client"), "x");
    write(&tree.path().join("usr/bin/own"), "x");
    let contents = of_tree(tree.path());
    let purls: Vec<&str> = contents.packages.iter().map(|package| package.purl.as_str()).collect();
    let expected = [
        "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1",
        "pkg:apk/alpine/ssl_client@1.36.1-r29?arch=x86_64&distro=alpine-3.20.1",
    ];
    assert_eq!(purls, expected);
    assert_eq!(contents.packages[1].source.as_ref().unwrap().name, "busybox");
    let files: Vec<&str> = contents.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["/etc/os-release", "/usr/bin/own"]);
}
