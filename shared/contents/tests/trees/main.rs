//! Holds what is collected against the package managers themselves, on trees that they have filled. A test whose package
//! manager is not installed is skipped and says so.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod dpkg;
mod hostile;
mod languages;
mod rpm;
mod sbom;

use std::path::Path;
use std::process::{Command, Stdio};

use goldsmith_contents::{Contents, Options, Package, PackageType, collect};

/// Returns whether all of these programs are installed. If not, it says what is skipped.
fn has(programs: &[&str]) -> bool {
    let is_there = |program: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    match programs.iter().find(|program| !is_there(program)) {
        Some(missing) => {
            eprintln!("SKIPPED ({missing} is not installed)");
            false
        }
        None => true,
    }
}

/// Runs a program, and returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn of_tree(root: &Path) -> Contents {
    let contents = collect(root, &Options::of_tree());
    assert!(contents.packages.iter().all(|package| !package.purl.is_empty()));
    contents
}

/// The packages of one manager, each as a line.
fn lines(contents: &Contents, kind: PackageType, line: impl Fn(&Package) -> String) -> Vec<String> {
    let mut lines: Vec<String> = contents.packages.iter().filter(|package| package.kind == kind).map(line).collect();
    lines.sort();
    lines
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}
