//! End to end on the local AWS: the production template, state machine and function binaries, the real CLI, and
//! instances that really run commands.
//!
//! One stack serves all cases, one after the other, since faults are armed by count. The suite needs what
//! `make package` builds, and root (or `sudo -n`) for the instances: without, it says so and passes, unless
//! `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what helps a test may fail the test")]

mod cases;
mod definitions;
mod events;
mod history;
mod inventory;
mod process;
mod stack;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::stack::Stack;

/// Name of the stack.
const STACK: &str = "e2e";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let cases = cases::all();
    if arguments.list {
        let trials = cases.into_iter().map(|(name, _)| Trial::test(name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    if let Err(missing) = stack::can_run() {
        println!("SKIPPED ({missing}): {} end-to-end tests", cases.len());
        let required = std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_some_and(|value| value == "1");
        return ExitCode::from(u8::from(required));
    }
    let stack = Stack::up(STACK);
    let trials = cases.into_iter().map(|(name, case)| {
        let stack = stack.clone();
        Trial::test(name, move || {
            case(&stack);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    stack.down();
    conclusion.exit_code()
}
