//! What a user has of the product: its checkout, and the programs that are built already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use goldsmith_tests::suite::goldsmith;

/// What of the checkout the demo reads. Nothing else is there, git's history neither.
const FILES: [&str; 3] = ["Makefile", "infra", "examples"];
/// The end-to-end suite in a target folder.
pub(crate) const E2E: &str = "debug/deps/e2e";

/// Whether the programs are there.
pub(crate) fn check() -> Result<(), String> {
    let target = target();
    match programs().iter().map(|program| target.join(program)).find(|program| !program.is_file()) {
        Some(missing) => Err(format!("{} is not there: run `make package` first", missing.display())),
        None => Ok(()),
    }
}

/// Copies what the demo reads, and the programs into a target folder.
pub(crate) fn lay_out(checkout: &Path, to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copied = Command::new("cp").arg("-R").args(FILES.map(|name| from.join(name))).arg(checkout).status();
    assert!(copied.unwrap().success(), "the checkout cannot be copied");
    let copy = |program: &Path, to: &Path| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(program, to).unwrap();
    };
    programs().iter().for_each(|program| copy(&target().join(program), &to.join(program)));
    copy(&end_to_end_suite(), &to.join(E2E));
}

/// Cargo's folder.
fn target() -> PathBuf {
    goldsmith().ancestors().nth(2).unwrap().to_owned()
}

/// What `make package` leaves in Cargo's folder.
fn programs() -> [PathBuf; 3] {
    let agent = format!("{}-unknown-linux-gnu/agent/goldsmith-agent", std::env::consts::ARCH);
    ["debug/goldsmith", "debug/bootstrap", &agent].map(PathBuf::from)
}

/// The newest one: Cargo builds it in the same pass as this suite, and keeps older ones beside it.
fn end_to_end_suite() -> PathBuf {
    let files = fs::read_dir(std::env::current_exe().unwrap().parent().unwrap()).unwrap().flatten();
    let is_suite = |path: &PathBuf| {
        path.extension().is_none() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("e2e-"))
    };
    let made = |path: &PathBuf| fs::metadata(path).and_then(|facts| facts.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    files
        .map(|file| file.path())
        .filter(is_suite)
        .max_by_key(made)
        .expect("the end-to-end suite is built with this one")
}
