//! Event lines: how a reader of the agent's output learns what is running.

use serde::{Deserialize, Serialize};

use crate::Nonce;

/// Begins an event line on standard output; the rest of the line is the [`Event`] as JSON, whose last field may be its seal.
pub const EVENT_PREFIX: &str = "\u{1e}goldsmith ";

/// What stands between an event and its seal. No text in JSON can contain it: its quotes would be escaped.
const SEAL: &str = ",\"seal\":\"";
/// What stands behind the seal.
const END: &str = "\"}";

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
    /// The whole event line, without the line's end, and with a seal where its order has a nonce.
    pub fn to_line(&self, nonce: Option<&Nonce>) -> String {
        let json = serde_json::to_string(self).unwrap_or_default(); // no value here fails to serialise
        match nonce.zip(json.strip_suffix('}')) {
            Some((nonce, open)) => format!("{EVENT_PREFIX}{open}{SEAL}{}{END}", nonce.seal(&json)),
            None => format!("{EVENT_PREFIX}{json}"),
        }
    }

    /// Reads a line of the agent's output; `None` where it is somebody else's. Where its order has a nonce, only a line with the seal
    /// made with it is the agent's; where it has none, which was so before there were nonces, any line of the form is.
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

    /// A build that began before the stack was updated, and a command line that is older than the stack.
    #[test]
    fn who_knows_no_nonce_reads_lines_with_and_without_a_seal() {
        for line in [event().to_line(None), event().to_line(Some(&Nonce::new("own")))] {
            assert_eq!(Event::parse(&line, None), Some(event()), "{line}");
        }
    }
}
