//! The live display of a build: permanent lines, and below them one line for everything that is running.

use goldsmith_executor::{Event, EventKind, Status};
use goldsmith_store::{StateRecord, StateStatus};
use jiff::Timestamp;

use super::Happening;
use crate::render::{duration, seconds_between};

/// Width of the labels' column: the longest label is `DistributeRegion ap-northeast-1`.
const LABEL: usize = 31;

/// The states and steps that are running.
#[derive(Debug, Default)]
pub(crate) struct Board {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    label: String,
    since: Option<Timestamp>,
    detail: String,
    step: Option<(String, Timestamp)>,
}

impl Board {
    /// Processes an event of the build, and returns its permanent line.
    pub(crate) fn take(&mut self, happening: &Happening) -> Option<String> {
        match happening {
            Happening::Opened { image, cause } => Some(format!("{image}: {cause}")),
            Happening::Started { label, state } => {
                let since = state.started_at.parse().ok();
                self.rows.push(Row { label: label.clone(), since, detail: String::new(), step: None });
                None
            }
            Happening::Doing { label, detail, .. } => {
                self.row(label)?.detail.clone_from(detail);
                None
            }
            Happening::Step { label, event } => self.step(label, event),
            Happening::Said { .. } => None,
            Happening::Ended { label, state } => {
                self.rows.retain(|row| row.label != *label);
                Some(ended(label, state))
            }
        }
    }

    fn step(&mut self, label: &str, event: &Event) -> Option<String> {
        let running = match event.kind {
            EventKind::PhaseStarted | EventKind::StepStarted => Some((name(event), event.t)),
            EventKind::PhaseEnded | EventKind::StepEnded => None,
        };
        if let Some(row) = self.row(label) {
            row.step = running;
        }
        // The beginning of a step is only on the live line: with a line for each, the result would scroll away.
        (event.kind == EventKind::StepEnded).then(|| step_ended(event))
    }

    fn row(&mut self, label: &str) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.label == label)
    }

    /// Returns the lines of the running states and steps.
    pub(crate) fn running(&self, now: Timestamp) -> Vec<String> {
        let spent = |since: Timestamp| duration(now.duration_since(since).as_secs_f64());
        let mut lines = Vec::new();
        for row in &self.rows {
            let time = row.since.map(spent).unwrap_or_default();
            lines.push(line('●', &row.label, &time, &row.detail));
            lines.extend(row.step.iter().map(|(step, since)| format!("    {step}  {}", spent(*since))));
        }
        lines
    }
}

fn line(sign: char, label: &str, time: &str, detail: &str) -> String {
    format!("{sign} {label:LABEL$} {time:>7}  {detail}").trim_end().to_owned()
}

fn ended(label: &str, state: &StateRecord) -> String {
    let sign = match state.status {
        StateStatus::Failed => '✗',
        StateStatus::Skipped => '–',
        StateStatus::Running | StateStatus::Succeeded => '✓',
    };
    let took = state.ended_at.as_ref().and_then(|ended| seconds_between(&state.started_at, ended));
    line(sign, label, &took.map(duration).unwrap_or_default(), &state.detail)
}

fn step_ended(event: &Event) -> String {
    let good = matches!(event.status, Some(Status::Success | Status::Rebooting | Status::Skipped));
    let how = match (event.status, event.exit_code) {
        (Some(Status::Skipped), _) => "  skipped".to_owned(),
        (Some(Status::Rebooting), _) => "  reboots".to_owned(),
        (Some(Status::IgnoredFailure), _) => "  failed, which is ignored".to_owned(),
        (_, Some(code)) if !good => format!("  exit code {code}"),
        _ => String::new(),
    };
    let took = event.seconds.map(|seconds| format!("  {}", duration(seconds))).unwrap_or_default();
    format!("    {} {}{took}{how}", if good { '✓' } else { '✗' }, name(event))
}

/// Returns `document › phase › step (action)`, and the number of the attempt if it is not the first.
pub(super) fn name(event: &Event) -> String {
    let mut name = format!("{} › {}", event.document, event.phase);
    if let Some(step) = &event.step {
        name = format!("{name} › {step}");
    }
    if let Some(action) = &event.action {
        name = format!("{name} ({action})");
    }
    match event.attempt {
        Some(attempt) if attempt > 1 => format!("{name}, attempt {attempt}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_executor::{Event, EventKind, Status};
    use goldsmith_model::State;
    use goldsmith_store::{StateRecord, StateStatus};

    use super::Board;
    use crate::watch::Happening;

    fn state(status: StateStatus, detail: &str) -> StateRecord {
        StateRecord {
            unsettled_since: None,
            waited_for_room: None,
            state: State::Build,
            item: None,
            status,
            started_at: "2026-01-01T00:00:00.000Z".to_owned(),
            ended_at: Some("2026-01-01T00:01:12.000Z".to_owned()),
            detail: detail.to_owned(),
            log: None,
            cause: None,
            audit: None,
            contents: None,
            provenance: None,
            readings: Default::default(),
            waits_for: None,
        }
    }

    fn event(kind: EventKind, status: Option<Status>) -> Happening {
        let event = Event {
            t: "2026-01-01T00:00:03Z".parse().unwrap(),
            kind,
            document: "nginx".to_owned(),
            phase: "build".to_owned(),
            step: Some("Install".to_owned()),
            action: Some("ExecuteBash".to_owned()),
            attempt: Some(1),
            status,
            seconds: status.map(|_| 8.25),
            exit_code: status.map(|_| 3),
        };
        Happening::Step { label: "Build".to_owned(), event }
    }

    #[test]
    fn what_runs_is_below_what_has_ended() {
        let label = || "Build".to_owned();
        let mut board = Board::default();
        let now = "2026-01-01T00:00:12Z".parse().unwrap();
        board.take(&Happening::Started { label: label(), state: state(StateStatus::Running, "") });
        board.take(&Happening::Doing { label: label(), detail: "command c-1 runs".to_owned(), waits_for_room: false });
        assert_eq!(board.take(&event(EventKind::StepStarted, None)), None);
        let expected = [
            "● Build                               12s  command c-1 runs",
            "    nginx › build › Install (ExecuteBash)  9.0s",
        ];
        assert_eq!(board.running(now), expected);
        let step = board.take(&event(EventKind::StepEnded, Some(Status::Failed)));
        assert_eq!(step.as_deref(), Some("    ✗ nginx › build › Install (ExecuteBash)  8.2s  exit code 3"));
        assert_eq!(board.running(now).len(), 1);
        let ended = Happening::Ended { label: label(), state: state(StateStatus::Failed, "a step failed") };
        let line = board.take(&ended);
        assert_eq!(line.as_deref(), Some("✗ Build                            1m 12s  a step failed"));
        assert!(board.running(now).is_empty());
    }
}
