//! Shows a build as plain lines, for pipes and files: one line when something begins or ends, and no line is rewritten.

use goldsmith_executor::EventKind;
use goldsmith_store::StateStatus;

use super::{Happening, board};
use crate::render::{duration, seconds_between, word};

/// Returns the line of an event, if it has one.
pub(crate) fn line(happening: &Happening) -> Option<String> {
    match happening {
        Happening::Opened { image, cause } => Some(format!("{image}: {cause}")),
        Happening::Started { label, .. } => Some(format!("{label}: started")),
        // It may wait for hours, in which nothing else is said.
        Happening::Doing { label, detail, waits_for_room: true } => Some(format!("{label}: {detail}")),
        Happening::Doing { .. } | Happening::Said { .. } => None,
        Happening::Step { label, event } => {
            let name = board::name(event);
            match event.kind {
                EventKind::StepStarted => Some(format!("{label}: {name}")),
                EventKind::StepEnded => {
                    let took = event.seconds.map(|seconds| format!(" in {}", duration(seconds))).unwrap_or_default();
                    Some(format!("{label}: {name}: {}{took}", event.status.map(word).unwrap_or_default()))
                }
                EventKind::PhaseStarted | EventKind::PhaseEnded => None,
            }
        }
        Happening::Ended { label, state } => {
            let how = match state.status {
                StateStatus::Running | StateStatus::Succeeded => "done",
                StateStatus::Failed => "failed",
                StateStatus::Skipped => "skipped",
            };
            let took = state.ended_at.as_ref().and_then(|ended| seconds_between(&state.started_at, ended));
            let took = took.map(|seconds| format!(" in {}", duration(seconds))).unwrap_or_default();
            let detail = if state.detail.is_empty() { String::new() } else { format!(": {}", state.detail) };
            Some(format!("{label}: {how}{took}{detail}"))
        }
    }
}
