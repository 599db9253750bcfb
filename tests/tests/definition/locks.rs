//! What the tools and the tests take from PyPI and npm: each package in one version, with its digests.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The lock of the emulator's environment, which the CLI carries.
const EMULATOR: &str = "infra/local/requirements.txt";

/// The files of these folders that may ask for packages.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(ROOT).join("infra"), Path::new(ROOT).join("tests")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("node_modules" | "target") => (),
                Some(_) if path.is_dir() => folders.push(path),
                _ => found.push(path),
            }
        }
    }
    found
}

/// Lines that begin a requirement, and lines that continue it with its digests.
fn requirements(lock: &str) -> Vec<Vec<&str>> {
    let mut found: Vec<Vec<&str>> = Vec::new();
    for line in lock.lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("    "), found.last_mut()) {
            (Some(digest), Some(requirement)) => requirement.push(digest),
            _ => found.push(vec![line]),
        }
    }
    found
}

/// Name and version of `name==version` or `name[extra]==version`, whatever follows.
fn pinned(line: &str) -> Option<(&str, &str)> {
    let (name, version) = line.split_once("==")?;
    Some((name.split('[').next()?, version.split([' ', ';']).next()?))
}

/// Lines of what is asked for that a lock does not have in just that version.
fn missing<'a>(asked: &'a str, locked: &[Vec<&str>]) -> Vec<&'a str> {
    let has = |line: &str| pinned(line).is_some_and(|asked| locked.iter().any(|lines| pinned(lines[0]) == Some(asked)));
    asked.lines().filter(|line| !line.starts_with('#') && !has(line)).collect()
}

#[test]
fn every_package_of_the_lock_has_one_version_and_its_digests() {
    let emulator = fs::read_to_string(Path::new(ROOT).join(EMULATOR)).expect("the lock can be read");
    assert!(requirements(&emulator).iter().any(|lines| pinned(lines[0]).is_some_and(|(name, _)| name == "ministack")));
    let asked = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "in"));
    let mut locks = 0;
    for asked in asked {
        let lock = asked.with_extension("txt");
        let text = fs::read_to_string(&lock).unwrap_or_else(|_| panic!("{} has no lock", asked.display()));
        let locked = requirements(&text);
        let asked = fs::read_to_string(&asked).expect("what is asked for can be read");
        assert_eq!(missing(&asked, &locked), Vec::<&str>::new(), "{}", lock.display());
        for lines in locked {
            assert!(pinned(lines[0]).is_some(), "{}: {}", lock.display(), lines[0]);
            let digests = lines[1..].iter().filter(|line| line.starts_with("--hash=sha256:")).count();
            assert!(digests > 0 && digests == lines.len() - 1, "{}: {lines:?}", lock.display());
        }
        locks += 1;
    }
    assert!(locks >= 10, "{locks}");
}

#[test]
fn a_package_whose_name_only_begins_the_same_is_another_one() {
    let lock = "boto3-stubs==1.2 \\\n    --hash=sha256:0\nmoto==5.1 ; python_version > '3' \\\n    --hash=sha256:0\n";
    let locked = requirements(lock);
    let asked = "# what tests take\nboto3==1.2\nmoto[ec2]==5.1\nmoto==5.1.1\nboto3-stubs[ec2]==1.2\nboto3-stubs\n";
    assert_eq!(missing(asked, &locked), ["boto3==1.2", "moto==5.1.1", "boto3-stubs"]);
}

#[test]
fn every_package_from_npm_has_one_version_and_its_digest_and_no_registry() {
    let mut locks = 0;
    for asked in files().into_iter().filter(|path| path.ends_with("package.json")) {
        let lock = asked.with_file_name("package-lock.json");
        let text = fs::read_to_string(&lock).unwrap_or_else(|_| panic!("{} has no lock", asked.display()));
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("the file is JSON");
        let asked = fs::read_to_string(&asked).expect("what is asked for can be read");
        let (asked, locked) = (read(&asked), read(&text));
        let packages = locked["packages"].as_object().expect("a lock has packages");
        assert_eq!(packages[""]["dependencies"], asked["dependencies"], "{}", lock.display());
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package["integrity"].as_str().unwrap_or_default().starts_with("sha512-"), "{name}: {package}");
            assert!(package["version"].is_string() && package.get("resolved").is_none(), "{name}: {package}");
        }
        locks += 1;
    }
    assert!(locks >= 3, "{locks}");
}
