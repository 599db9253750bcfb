//! Writes what readers of a run need: event lines and log lines.

use std::time::Instant;

use jiff::Timestamp;

use super::Run;
use crate::state::At;
use crate::{Event, EventKind, Status};

impl Run<'_, '_> {
    pub(super) fn step_event(&mut self, at: At, started: Option<Instant>) {
        let record = self.step_record(at);
        let (status, exit_code) = (record.status, record.exit_code);
        let message = format!("step {}: {status:?} {}", record.name, record.message);
        let seconds = started.map(|started| (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0);
        let event = Event { status: Some(status), seconds, exit_code, ..self.about(EventKind::StepEnded, at) };
        self.around.output.event(&event);
        self.around.output.log(message.trim_end());
    }

    /// Writes why a step failed below the event of its end. An exit status alone is in the event.
    pub(super) fn tell_reason(&mut self, at: At) {
        let record = self.step_record(at);
        // The steps of a nested document have said why they failed.
        if !matches!(record.status, Status::Failed | Status::IgnoredFailure) || !record.nested.is_empty() {
            return;
        }
        let rest = record.exit_code.and_then(|code| record.message.strip_prefix(&format!("exit status {code}")));
        let is_told = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" (attempt "));
        let mut lines = record.evidence.clone();
        if !is_told {
            lines.insert(0, record.message.clone());
        }
        lines.iter().flat_map(|text| text.lines()).for_each(|line| self.around.output.remark(line));
    }

    pub(super) fn event(&mut self, kind: EventKind, at: At) {
        let event = self.about(kind, at);
        self.around.output.event(&event);
    }

    /// Returns an event with the recorded data of its phase and step.
    fn about(&self, kind: EventKind, at: At) -> Event {
        let document = &self.state.documents[at.document];
        let phase = &document.phases[at.phase];
        let of_step = matches!(kind, EventKind::StepStarted | EventKind::StepEnded);
        let step = phase.steps.get(at.step).filter(|_| of_step);
        Event {
            t: Timestamp::now(),
            kind,
            document: document.name.clone(),
            phase: phase.name.clone(),
            step: step.map(|step| step.name.clone()),
            action: step.map(|step| step.action.clone()),
            attempt: step.map(|step| step.attempt),
            status: (kind == EventKind::PhaseEnded).then(|| phase.status()),
            seconds: None,
            exit_code: None,
        }
    }
}
