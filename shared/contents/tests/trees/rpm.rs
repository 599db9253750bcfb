//! RPM: `rpm -qa` must be ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith_contents::PackageType;

use super::{has, lines, of_tree, run, sorted, write};

/// Builds a package from these lines of its specification.
fn build(top: &Path, name: &str, more: &str, files: &[(&str, &str)]) -> PathBuf {
    let install: String = files
        .iter()
        .map(|(path, _)| {
            let path = path.trim_start_matches("%config ");
            format!("mkdir -p %{{buildroot}}$(dirname {path})\necho shipped > %{{buildroot}}{path}\n")
        })
        .collect();
    let listed: String = files.iter().map(|(path, _)| format!("{path}\n")).collect();
    let text = format!(
        "Name: {name}\nSummary: a test\nLicense: MIT\nBuildArch: noarch\n{more}\n%description\nx\n%install\n{install}%files\n{listed}"
    );
    let spec = top.join(format!("{name}.spec"));
    write(&spec, &text);
    let define = format!("_topdir {}", top.display());
    run(Command::new("rpmbuild").args(["--quiet", "-bb", "--define", &define]).arg(&spec));
    let built = fs::read_dir(top.join("RPMS/noarch")).unwrap().map(|entry| entry.unwrap().path());
    let begin = format!("{name}-");
    built.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&begin)).unwrap()
}

#[test]
fn packages_are_exactly_those_of_rpm_and_its_keys_are_none() {
    if !has(&["rpm", "rpmbuild"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (top, root) = (folder.path().join("top"), folder.path().join("root"));
    let packages = [
        build(&top, "plain", "Version: 1.0\nRelease: 1", &[("/usr/share/plain", ""), ("%config /etc/plain.conf", "")]),
        build(&top, "with-epoch", "Epoch: 2\nVersion: 3.1~rc1\nRelease: 4.el9", &[("%config /etc/epoch.conf", "")]),
        build(
            &top,
            "of-module",
            "Version: 1.0\nRelease: 1.module+el9\nModularityLabel: nodejs:18:9030020231114:rhel9",
            &[],
        ),
        // A key that `rpm --import` has recorded has the form of a package with this name.
        build(&top, "gpg-pubkey", "Version: d651ff2e\nRelease: 5dadbbc1", &[]),
    ];
    let place = root.join("var/lib/rpm");
    fs::create_dir_all(&place).unwrap();
    write(&root.join("etc/os-release"), "ID=amzn\nVERSION_ID=\"2023\"\n");
    let rpm = || {
        let mut rpm = Command::new("rpm");
        rpm.arg("--dbpath").arg(&place);
        rpm
    };
    run(rpm().arg("--initdb"));
    // The files are written by hand, because rpm as an ordinary user cannot change the root.
    run(rpm().args(["-i", "--justdb", "--nodeps", "--noscripts"]).args(&packages));
    for (path, text) in
        [("usr/share/plain", "shipped\n"), ("etc/plain.conf", "changed\n"), ("etc/epoch.conf", "shipped\n")]
    {
        write(&root.join(path), text);
    }
    let contents = of_tree(&root);
    assert_eq!(contents.notes, [""; 0]);
    let fields = "%{NAME}|%{EVR}|%{ARCH}|%{LONGSIZE}|%{LICENSE}\n";
    let all = run(rpm().args(["-qa", "--qf", fields]));
    let expected: Vec<String> = sorted(&all).into_iter().filter(|line| !line.starts_with("gpg-pubkey|")).collect();
    let collected = lines(&contents, PackageType::Rpm, |package| {
        let (size, license) = (package.installed_size.unwrap(), package.license.as_ref().unwrap());
        format!("{}|{}|{}|{size}|{license}", package.name, package.version, package.arch)
    });
    assert_eq!((collected.len(), &collected), (3, &expected));
    let modules = lines(&contents, PackageType::Rpm, |package| package.module.clone().unwrap_or_default());
    assert_eq!(modules, ["", "", "nodejs:18:9030020231114:rhel9"]);
    let epoch = contents.packages.iter().find(|package| package.name == "with-epoch").unwrap();
    assert_eq!(epoch.version, "2:3.1~rc1-4.el9");
    assert_eq!(epoch.purl, "pkg:rpm/amzn/with-epoch@3.1~rc1-4.el9?arch=noarch&distro=amzn-2023&epoch=2");
    let source = epoch.source.as_ref().unwrap();
    assert_eq!((source.name.as_str(), source.version.as_str()), ("with-epoch", "3.1~rc1-4.el9"));
    let changed: Vec<_> = contents.configuration.iter().map(|one| (one.path.as_str(), one.package.as_str())).collect();
    assert_eq!(changed, [("/etc/plain.conf", "plain")]);
    let files: Vec<&str> = contents.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["/etc/os-release"]);
}
