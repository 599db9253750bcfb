//! Event lines, which tell a reader of the agent's output what is running.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::Nonce;

/// The beginning of an event line on standard output. The rest of the line is the [`Event`] as JSON. Its last field may
/// be the seal.
pub const EVENT_PREFIX: &str = "\u{1e}goldsmith ";

/// The text between an event and its seal. No text in JSON can contain it, because its quotes would be escaped.
const SEAL: &str = ",\"seal\":\"";
/// The text after the seal.
const END: &str = "\"}";

/// A start or an end in the course of a run.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The time, in the form of RFC 3339 in UTC.
    pub t: jiff::Timestamp,
    /// What started or ended.
    pub kind: EventKind,
    /// The document's name in the order.
    pub document: String,
    /// The phase.
    pub phase: String,
    /// The step, if it is the event of a step.
    pub step: Option<String>,
    /// The step's action.
    pub action: Option<String>,
    /// The number of the attempt, from 1.
    pub attempt: Option<u32>,
    /// The status at the end.
    pub status: Option<Status>,
    /// How many seconds the attempt of a step took.
    pub seconds: Option<f64>,
    /// The exit status of the step's process.
    pub exit_code: Option<i32>,
}

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A phase begins.
    PhaseStarted,
    /// A phase has ended.
    PhaseEnded,
    /// An attempt of a step begins, or begins again after a reboot.
    StepStarted,
    /// An attempt of a step has ended.
    StepEnded,
}

/// The status of a step, a phase or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// It has started, and no end is known.
    Running,
    /// It waits for a reboot and runs again after it.
    Rebooting,
    /// It has succeeded.
    Success,
    /// Its condition skipped it, which counts as a success.
    Skipped,
    /// It has failed.
    Failed,
    /// It is a step that failed under `onFailure: Ignore`.
    IgnoredFailure,
    /// It is a phase or document with such a step and without a failed step.
    SuccessWithIgnoredFailure,
}

impl Event {
    /// Returns the whole event line without the line end. The line has a seal if the order has a nonce.
    pub fn to_line(&self, nonce: Option<&Nonce>) -> String {
        let json = serde_json::to_string(self).unwrap_or_default(); // every value here can be serialized
        match nonce.zip(json.strip_suffix('}')) {
            Some((nonce, open)) => format!("{EVENT_PREFIX}{open}{SEAL}{}{END}", nonce.seal(&json)),
            None => format!("{EVENT_PREFIX}{json}"),
        }
    }

    /// Reads a line of the agent's output. Returns `None` if the line is not an event of the agent. If the order has a
    /// nonce, only a line whose seal was made with it is an event of the agent. If the order has no nonce, as before
    /// nonces existed, every line of this form is one.
    pub fn parse(line: &str, nonce: Option<&Nonce>) -> Option<Event> {
        let json = line.strip_prefix(EVENT_PREFIX)?;
        let Some(nonce) = nonce else { return serde_json::from_str(json).ok() };
        let (open, seal) = json.strip_suffix(END)?.rsplit_once(SEAL)?;
        let json = format!("{open}}}");
        if nonce.seal(&json) != seal {
            return None;
        }
        serde_json::from_str(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{EVENT_PREFIX, Event, EventKind, Status};
    use crate::Nonce;

    fn event() -> Event {
        Event {
            t: "2026-01-02T03:04:05Z".parse().unwrap(),
            kind: EventKind::StepEnded,
            document: "nginx".into(),
            phase: "build".into(),
            step: Some("Install \",\"seal\":\"00\"}".into()),
            action: Some("ExecuteBash".into()),
            attempt: Some(1),
            status: Some(Status::Failed),
            seconds: Some(0.5),
            exit_code: Some(3),
        }
    }

    #[test]
    fn a_line_reads_back() {
        let line = event().to_line(None);
        assert!(line.starts_with("\u{1e}goldsmith {\"t\":\"2026-01-02T03:04:05Z\",\"kind\":\"step-ended\","), "{line}");
        assert_eq!(Event::parse(&line, None), Some(event()));
        assert_eq!(Event::parse("hello", None), None);
    }

    #[test]
    fn with_a_nonce_only_a_line_that_is_sealed_with_it_is_an_event() {
        let (own, other) = (Nonce::new("own"), Nonce::new("other"));
        let line = event().to_line(Some(&own));
        assert_eq!(Event::parse(&line, Some(&own)), Some(event()));
        assert!(!line.contains("own\""), "the nonce itself is in no line: {line}");
        let changed = line.replace("failed", "success");
        let with_own_seal = format!("{EVENT_PREFIX}{{\"seal\":\"{}\"}}", own.seal("{}"));
        let forged = [event().to_line(None), event().to_line(Some(&other)), changed, with_own_seal, "hello".to_owned()];
        for line in forged {
            assert_eq!(Event::parse(&line, Some(&own)), None, "{line}");
        }
    }

    /// This covers a build that began before the stack was updated, and a command line that is older than the stack.
    #[test]
    fn without_a_nonce_lines_with_and_without_a_seal_are_read() {
        for line in [event().to_line(None), event().to_line(Some(&Nonce::new("own")))] {
            assert_eq!(Event::parse(&line, None), Some(event()), "{line}");
        }
    }
}
