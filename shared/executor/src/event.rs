//! Event lines: how a reader of the agent's output learns what is running.

use serde::{Deserialize, Serialize};

/// Begins an event line on standard output; the rest of the line is the [`Event`] as JSON.
pub const EVENT_PREFIX: &str = "\u{1e}goldsmith ";

/// A start or an end in the course of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, RFC 3339 in UTC.
    pub t: jiff::Timestamp,
    /// What started or ended.
    pub kind: EventKind,
    /// The document's name in the order.
    pub document: String,
    /// The phase.
    pub phase: String,
    /// The step, of a step's event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// The step's action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Number of the attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// How long it took, of a step's attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Exit status of the step's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A phase begins.
    PhaseStarted,
    /// A phase is over.
    PhaseEnded,
    /// An attempt of a step begins, also again after a reboot.
    StepStarted,
    /// An attempt of a step is over.
    StepEnded,
}

/// How a step, a phase or a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Started, and no end is known.
    Running,
    /// Waits for a reboot, after which it is run again.
    Rebooting,
    /// Done.
    Success,
    /// Left out by its condition, which counts as a success.
    Skipped,
    /// Failed.
    Failed,
    /// A step that failed under `onFailure: Ignore`.
    IgnoredFailure,
    /// A phase or document with such a step and no failed one.
    SuccessWithIgnoredFailure,
}

impl Event {
    /// The whole event line, without the line's end.
    pub fn to_line(&self) -> String {
        format!("{EVENT_PREFIX}{}", serde_json::to_string(self).unwrap_or_default()) // no value here fails to serialise
    }

    /// Reads a line of the agent's output; `None` where it is a step's own.
    pub fn parse(line: &str) -> Option<Event> {
        serde_json::from_str(line.strip_prefix(EVENT_PREFIX)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, EventKind, Status};

    #[test]
    fn a_line_reads_back() {
        let event = Event {
            t: "2026-01-02T03:04:05Z".parse().unwrap(),
            kind: EventKind::StepEnded,
            document: "nginx".into(),
            phase: "build".into(),
            step: Some("Install".into()),
            action: Some("ExecuteBash".into()),
            attempt: Some(1),
            status: Some(Status::Failed),
            seconds: Some(0.5),
            exit_code: Some(3),
        };
        let line = event.to_line();
        assert!(line.starts_with("\u{1e}goldsmith {\"t\":\"2026-01-02T03:04:05Z\",\"kind\":\"step-ended\","), "{line}");
        assert_eq!(Event::parse(&line), Some(event));
        assert_eq!(Event::parse("hello"), None);
    }
}
