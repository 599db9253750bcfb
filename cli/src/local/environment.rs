//! The Python environment of the emulator: made once per set of requirements, and never touched again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Say;
use super::files::{self, Files};
use super::folders::{Folders, lock};
use super::machine::lacking;

/// Name of the file that says that an environment is complete.
const COMPLETE: &str = ".complete";

/// The environment's interpreter. Making it takes about ten seconds and 110 MB, and needs the package index.
pub(crate) fn ensure(folders: &Folders, files: &Files, say: Say<'_>) -> Result<PathBuf> {
    let digest = files::digest_of([files::REQUIREMENTS].into_iter());
    let folder = folders.data.join(format!("venv-{}", &digest[..16]));
    let python = folder.join("bin/python");
    if folder.join(COMPLETE).is_file() {
        return Ok(python);
    }
    let _lock = lock(&folder.with_extension("lock"))?;
    if !folder.join(COMPLETE).is_file() {
        say("Making the Python environment of the local AWS (once, about ten seconds).");
        make(&folder, &python, &files.path("requirements.txt"))?;
    }
    Ok(python)
}

fn make(folder: &Path, python: &Path, requirements: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    run("python3", Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    // Only what the lock names, by its digests, and no package's own program to build it.
    let only = ["--require-hashes", "--only-binary", ":all:"];
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run("pip", Command::new(python).args(pip).args(only).arg("--requirement").arg(requirements))?;
    let mark = folder.join(COMPLETE);
    fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
}

fn run(name: &str, command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last = said.trim().lines().last().unwrap_or("it said nothing");
    Err(lacking(format!("the Python environment cannot be made, {name} failed: {last}")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use serde_json::Value;

    use super::files::REQUIREMENTS;

    /// The repository.
    const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    /// The files of these folders that may ask for packages.
    fn files() -> Vec<PathBuf> {
        let mut folders = vec![Path::new(ROOT).join("infra"), Path::new(ROOT).join("tests")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.file_name().and_then(|name| name.to_str()) {
                    Some("node_modules" | "target") => (),
                    Some(_) if path.is_dir() => folders.push(path),
                    _ => found.push(path),
                }
            }
        }
        found
    }

    /// Lines that begin a requirement, and those that go on with its digests.
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

    #[test]
    fn every_package_of_the_lock_has_one_version_and_its_digests() {
        assert!(REQUIREMENTS.contains("\nministack==") || REQUIREMENTS.starts_with("ministack=="), "{REQUIREMENTS}");
        let asked = files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "in"));
        let mut locks = 0;
        for asked in asked {
            let lock = asked.with_extension("txt");
            let text = fs::read_to_string(&lock).unwrap_or_else(|_| panic!("{} has no lock", asked.display()));
            let locked = requirements(&text);
            for line in fs::read_to_string(&asked).unwrap().lines().filter(|line| !line.starts_with('#')) {
                let name = line.split('[').next().unwrap().split("==").next().unwrap();
                let version = line.split("==").nth(1).unwrap_or_else(|| panic!("{line} has no version"));
                let wanted =
                    |lines: &Vec<&str>| lines[0].starts_with(name) && lines[0].contains(&format!("=={version} "));
                assert!(locked.iter().any(wanted), "{}: {line} is not what the lock has", asked.display());
            }
            for lines in locked {
                assert!(lines[0].contains("=="), "{}: {}", lock.display(), lines[0]);
                let digests = lines[1..].iter().filter(|line| line.starts_with("--hash=sha256:")).count();
                assert!(digests > 0 && digests == lines.len() - 1, "{}: {lines:?}", lock.display());
            }
            locks += 1;
        }
        assert!(locks >= 10, "{locks}");
    }

    #[test]
    fn every_package_from_npm_has_one_version_and_its_digest_and_no_registry() {
        let mut locks = 0;
        for asked in files().into_iter().filter(|path| path.ends_with("package.json")) {
            let lock = asked.with_file_name("package-lock.json");
            let text = fs::read_to_string(&lock).unwrap_or_else(|_| panic!("{} has no lock", asked.display()));
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let (asked, locked) = (read(&fs::read_to_string(&asked).unwrap()), read(&text));
            let packages = locked["packages"].as_object().unwrap();
            assert_eq!(packages[""]["dependencies"], asked["dependencies"], "{}", lock.display());
            for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
                assert!(package["integrity"].as_str().unwrap_or_default().starts_with("sha512-"), "{name}: {package}");
                assert!(package["version"].is_string() && package.get("resolved").is_none(), "{name}: {package}");
            }
            locks += 1;
        }
        assert!(locks >= 3, "{locks}");
    }
}
