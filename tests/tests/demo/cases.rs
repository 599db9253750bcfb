//! A handful of the end-to-end suite's cases, with the user's rights.

use crate::account::Account;
use crate::checkout::E2E;
use crate::tour::assert_named;

/// A good build that reboots, one that fails, and a release of its source image.
const CASES: [&str; 3] = [
    "a_reboot_in_the_build_phase_resumes_at_the_right_step",
    "a_component_that_exits_1_leaves_nothing",
    "a_release_rebuilds_what_uses_it_once",
];

/// Runs them; how many.
pub(crate) fn run(account: &Account, isolation: &str) -> usize {
    let suite = account.target().join(E2E);
    let listed = account.run(&suite, &["--list"], &[]).output;
    let all: Vec<&str> = listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();
    let mut arguments = vec!["--exact"];
    for other in all.into_iter().filter(|name| !CASES.contains(name)) {
        arguments.extend(["--skip", other]);
    }
    let said = account.run(&suite, &arguments, &[("GOLDSMITH_REQUIRE_E2E", "1")]);
    assert_eq!(said.exit, 0, "{}\n{}", said.output, said.progress);
    let passed = format!("{} passed", CASES.len());
    assert!(said.output.contains(&passed), "{passed} was expected:\n{}", said.output);
    assert_named(&said.progress, isolation);
    CASES.len()
}
