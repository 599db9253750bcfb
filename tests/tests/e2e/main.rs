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

use goldsmith_tests::suite::run;

use crate::stack::Stack;

/// Name of the stack.
const STACK: &str = "e2e";

fn main() -> ExitCode {
    run("end-to-end", cases::all(), || Stack::up(STACK), Stack::down)
}
