//! The output at the end of a run: the summary as JSON on standard output, and a failure as text for people on standard
//! error.

use goldsmith_executor::{FailureContext, RunResult, RunStatus};

use super::place::Place;
use crate::output;
use crate::render::columns;

/// Prints how a run ended.
pub(super) fn tell(result: &RunResult) {
    if result.status != RunStatus::Success {
        output::say(&failure(result).join("\n"));
    }
    // The exit status tells how the run ended, even if the summary is not read.
    if let Err(error) = output::json(result) {
        output::say(&format!("goldsmith: error: the summary cannot be printed: {error}"));
    }
}

/// Prints how to continue after the reboot that a step asked for.
pub(super) fn reboot(place: &Place) {
    let state = place.state.display();
    output::say(&format!(
        "a step asked for a reboot: reboot this machine, then start the same command with --state-directory {state}"
    ));
}

fn failure(result: &RunResult) -> Vec<String> {
    let nothing = FailureContext::default();
    let context = result.failure_context.as_ref().unwrap_or(&nothing);
    let step = context.step.as_ref().map(|step| match &context.action {
        Some(action) => format!("{step} ({action})"),
        None => step.clone(),
    });
    let rows: Vec<Vec<String>> = [
        ("document", Some(context.document.clone()).filter(|document| !document.is_empty())),
        ("phase", context.phase.clone()),
        ("step", step),
        ("exit code", context.exit_code.map(|code| code.to_string())),
        ("logs", Some(result.log_url.clone()).filter(|folder| !folder.is_empty())),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some(vec![label.to_owned(), value?]))
    .collect();
    let message = if context.message.is_empty() { &result.failure_message } else { &context.message };
    let mut lines = vec![format!("the run failed: {message}")];
    lines.extend(columns(&rows).into_iter().map(|line| format!("  {line}")));
    if !context.last_lines.is_empty() {
        lines.push("  last lines".to_owned());
        lines.extend(context.last_lines.iter().map(|line| format!("  | {line}")));
    }
    lines
}
