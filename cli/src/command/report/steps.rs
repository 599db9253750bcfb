//! The steps of a build's documents, from the events in its log streams.

use goldsmith_executor::{Event, EventKind, Status};
use jiff::{SignedDuration, Timestamp};

use crate::watch::Happening;

/// An attempt of a step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StepRun {
    /// The state that ran the step, with its item.
    pub(super) label: String,
    /// The document, the phase and the step, as people read them.
    pub(super) name: String,
    /// The action module of the step.
    pub(super) action: Option<String>,
    pub(super) began: Timestamp,
    /// When the attempt ended, or `None` if the log has no end of it.
    pub(super) ended: Option<Timestamp>,
    pub(super) status: Option<Status>,
    pub(super) exit_code: Option<i32>,
}

/// Returns the steps in the order in which they began.
pub(super) fn steps(happenings: &[Happening]) -> Vec<StepRun> {
    let mut runs: Vec<StepRun> = Vec::new();
    for happening in happenings {
        let Happening::Step { label, event } = happening else { continue };
        match event.kind {
            EventKind::StepStarted => runs.push(run(label, event, event.t)),
            EventKind::StepEnded => end(&mut runs, label, event),
            EventKind::PhaseStarted | EventKind::PhaseEnded => {}
        }
    }
    runs
}

fn run(label: &str, event: &Event, began: Timestamp) -> StepRun {
    let again = event.attempt.filter(|attempt| *attempt > 1).map(|attempt| format!(", attempt {attempt}"));
    let step = event.step.as_deref().unwrap_or_default();
    StepRun {
        label: label.to_owned(),
        name: format!("{} › {} › {step}{}", event.document, event.phase, again.unwrap_or_default()),
        action: event.action.clone(),
        began,
        ended: None,
        status: event.status,
        exit_code: None,
    }
}

/// Ends the last open attempt of the event's step. If the log has lost its beginning, the event says how long it took.
fn end(runs: &mut Vec<StepRun>, label: &str, event: &Event) {
    let spent = SignedDuration::try_from_secs_f64(event.seconds.unwrap_or_default()).unwrap_or_default();
    let fallback = run(label, event, event.t.checked_sub(spent).unwrap_or(event.t));
    let is_open = |one: &StepRun| one.ended.is_none() && one.label == label && one.name == fallback.name;
    let at = runs.iter().rposition(is_open).unwrap_or_else(|| {
        runs.push(fallback.clone());
        runs.len() - 1
    });
    let StepRun { ended, status, exit_code, .. } = &mut runs[at];
    (*ended, *status, *exit_code) = (Some(event.t), event.status, event.exit_code);
}

#[cfg(test)]
mod tests {
    use goldsmith_executor::{Event, EventKind, Status};

    use super::steps;
    use crate::watch::Happening;

    fn event(t: &str, kind: EventKind, step: &str, status: Option<Status>) -> Happening {
        let event = Event {
            t: t.parse().unwrap(),
            kind,
            document: "nginx".to_owned(),
            phase: "build".to_owned(),
            step: Some(step.to_owned()),
            action: Some("ExecuteBash".to_owned()),
            attempt: Some(1),
            status,
            seconds: status.map(|_| 1.5),
            exit_code: status.map(|_| 0),
        };
        Happening::Step { label: "Build".to_owned(), event }
    }

    #[test]
    fn a_step_that_reboots_runs_twice_and_one_without_an_end_is_open() {
        let found = steps(&[
            event("2026-01-01T00:00:01Z", EventKind::StepStarted, "Update", None),
            event("2026-01-01T00:00:04Z", EventKind::StepEnded, "Update", Some(Status::Rebooting)),
            event("2026-01-01T00:01:00Z", EventKind::StepStarted, "Update", None),
            event("2026-01-01T00:01:02Z", EventKind::StepEnded, "Update", Some(Status::Success)),
            event("2026-01-01T00:01:03Z", EventKind::StepStarted, "Install", None),
        ]);
        let spent = |at: usize| found[at].ended.map(|ended| ended.duration_since(found[at].began).as_secs());
        assert_eq!((spent(0), spent(1), spent(2)), (Some(3), Some(2), None));
        assert_eq!(found[0].status, Some(Status::Rebooting));
        assert_eq!(found[2].name, "nginx › build › Install");
    }

    #[test]
    fn an_end_without_a_beginning_says_how_long_it_took() {
        let found = steps(&[event("2026-01-01T00:00:04Z", EventKind::StepEnded, "Update", Some(Status::Success))]);
        assert_eq!(found[0].began, "2026-01-01T00:00:02.5Z".parse().unwrap());
        assert_eq!(found[0].exit_code, Some(0));
    }
}
