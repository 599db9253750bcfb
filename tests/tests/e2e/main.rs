//! End to end on the local AWS: the production template, state machine and function binaries, the real CLI, and
//! instances that really run commands.
//!
//! A few stacks serve the cases, each one after the other, because faults are armed by count. They have the same name and
//! nothing else in common, as if they were in two accounts. The suite needs what
//! `make package` builds, and root or user namespaces for the instances: without, it says so and passes, unless
//! `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what helps a test may fail the test")]

mod cases;
mod definitions;
mod events;
mod history;
mod inventory;
mod people;
mod process;
mod stack;
#[path = "../../../infra/local/tests/common/venv.rs"]
mod venv;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::thread::available_parallelism;

use goldsmith_tests::suite::run;
use libtest_mimic::Arguments;

use crate::stack::Stack;

/// Name of the stack.
const STACK: &str = "e2e";

fn main() -> ExitCode {
    // Some of the cases, as they run again with other rights, say nothing of all outcomes.
    let arguments = Arguments::from_args();
    let is_whole = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.ignored;
    let up = || {
        if is_whole {
            history::forget();
        }
        // Cases wait much of their time, so there are two more than cores. A filter mostly chooses a single case.
        let cores = available_parallelism().map_or(1, NonZero::get);
        let stacks = if is_whole || arguments.ignored { (cores + 2).min(6) } else { 1 };
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..stacks).map(|_| scope.spawn(|| Stack::up(STACK))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        })
    };
    let down = |stacks: &[Stack]| {
        let keep = || {
            history::keep_outcomes(stacks);
            history::keep_calls(stacks);
        };
        let kept = catch_unwind(AssertUnwindSafe(|| is_whole.then(keep)));
        stacks.iter().for_each(Stack::down);
        kept.unwrap();
    };
    run("end-to-end", cases::all(), up, down)
}
