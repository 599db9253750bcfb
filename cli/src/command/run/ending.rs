//! The output at the end of a run: the summary as JSON on standard output, and a failure as text for people on standard
//! error.

use goldsmith_executor::{FailureContext, RunResult, RunStatus};

use super::place::Place;
use crate::{failure, output};

/// Prints how a run ended.
pub(super) fn tell(result: &RunResult) {
    if result.status != RunStatus::Success {
        output::say(&why(result).join("\n"));
    }
    // The exit status tells how the run ended, even if the summary is not read.
    if let Err(error) = output::json(result) {
        output::say(&format!("goldsmith: error: the summary cannot be printed: {error}"));
    }
}

/// Prints how to continue after the reboot that a step has requested.
pub(super) fn reboot(place: &Place) {
    let state = place.state.display();
    output::say(&format!(
        "a step asked for a reboot: reboot this machine, then start the same command with --state-directory {state}"
    ));
}

fn why(result: &RunResult) -> Vec<String> {
    let nothing = FailureContext::default();
    let context = result.failure_context.as_ref().unwrap_or(&nothing);
    let facts = [
        ("document", Some(context.document.clone()).filter(|document| !document.is_empty())),
        ("phase", context.phase.clone()),
        ("step", failure::step(context.step.as_deref(), context.action.as_deref())),
        ("exit code", context.exit_code.map(|code| code.to_string())),
        ("logs", Some(result.log_url.clone()).filter(|folder| !folder.is_empty())),
    ];
    let message = if context.message.is_empty() { &result.failure_message } else { &context.message };
    std::iter::once(format!("the run failed: {message}")).chain(failure::lines(facts, &context.last_lines)).collect()
}
