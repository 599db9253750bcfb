//! Roles and people before a judge that is not the local AWS: every call that the end-to-end suite's stack and its CLI made is
//! put to an IAM simulator from npm with the policies of the role or user that made it, and must be allowed; each action of a
//! role must have been called, or stand in `unused.json` with a reason, and each of the policies of people be of use
//! (`people.js`); and what no role may do must be refused (`refusals.js`).
//!
//! The simulator (`@cloud-copilot/iam-simulate`, under the AGPL) is a program beside this one, with files between, and no
//! part of what is built or packaged here. Skipped where Node, npm or the record of the end-to-end suite is missing, unless
//! `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::expect_used, reason = "what helps a test may fail the test")]

#[path = "../../../infra/local/tests/common/npm.rs"]
mod npm;

use std::ffi::OsStr;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use goldsmith_tests::calls;

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");
const PACKAGE: &str = include_str!("package.json");
const LOCK: &str = include_str!("package-lock.json");
/// Where the programs are.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/permissions");
/// The policies of people.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/policies");
/// The suite whose calls are replayed, which is its stack's name too.
const OF: &str = "e2e";
/// The simulator, which only one test is to install.
static MODULES: LazyLock<Option<PathBuf>> = LazyLock::new(|| npm::node_modules("permissions", PACKAGE, LOCK));

/// Says what is missing; fails where nothing may be.
fn skip(missing: &str) {
    let required = std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_some_and(|value| value == "1");
    assert!(!required, "missing: {missing}");
    eprintln!("SKIPPED (needs {missing})");
}

/// Runs one of the programs, which must succeed; what it says. None where the simulator is not to be had.
fn run(program: &str, arguments: &[&OsStr]) -> Option<Vec<u8>> {
    let Some(modules) = &*MODULES else {
        skip("Node, and the IAM simulator from npm");
        return None;
    };
    let mut node = Command::new("node");
    node.arg(Path::new(SUITE).join(program)).args(arguments).env("NODE_PATH", modules);
    let output = node.stdin(Stdio::null()).output().expect("Node starts");
    let said = || String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{}", said(), String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn each_call_is_allowed_each_right_is_used_and_the_rest_is_refused() {
    let calls = calls::kept(Path::new(env!("CARGO_TARGET_TMPDIR")), OF, TEMPLATE).expect("the record can be read");
    let Some(calls) = calls else { return skip("the calls of a whole run of the end-to-end suite with this template") };
    if let Some(figures) = run("suite.js", &[calls.as_os_str(), OF.as_ref(), POLICIES.as_ref()]) {
        // Past the capture of a test's output: the figures are shown whenever the suite runs.
        stdout().write_all(&figures).expect("the figures are shown");
    }
}

#[test]
fn what_is_wrong_in_a_record_is_found() {
    run("faults.js", &[]);
}
