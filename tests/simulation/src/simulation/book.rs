//! What a run learns about itself, and its history in words.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_store::Write;
use serde_json::Value;

use super::Simulation;
use crate::faults::Kind;

/// What a run has learned about itself.
#[derive(Default)]
pub struct Book {
    /// What happened, if that is written down.
    pub history: Option<Vec<String>>,
    /// States that executions have entered.
    pub reached: BTreeSet<String>,
    /// How executions have ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// What must never be, and was.
    pub violations: Vec<String>,
    /// Calls so far.
    pub calls: u64,
    /// When something last happened that is no tick.
    pub active_at: i64,
    /// Tokens that nobody answered in time, and that no refusal explains.
    pub unanswered: Vec<String>,
    /// Pipelines of Plans that opened a build or found nothing to do, and when, in milliseconds.
    pub planned: Vec<(String, i64)>,
}

impl Simulation {
    /// Writes down what happens, if that is wanted.
    pub fn note(&self, text: impl FnOnce() -> String) {
        let mut state = self.state();
        if state.book.history.is_none() {
            return;
        }
        let at = self.engine.since_begin();
        if let Some(history) = &mut state.book.history {
            let (seconds, rest) = (at / 1000, at % 1000);
            let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
            history.push(format!("{days}d {hours:02}:{minutes:02}:{:02}.{rest:03}  {}", seconds % 60, text()));
        }
    }

    /// Notes what must never be.
    pub fn violate(&self, what: String) {
        self.note(|| format!("VIOLATION: {what}"));
        self.state().book.violations.push(what);
    }

    pub(super) fn fault(&self, number: usize, kind: Kind, what: impl FnOnce() -> String) {
        self.note(|| format!("FAULT {number} ({kind:?}): {}", what()));
        let now = self.engine.now();
        self.state().book.active_at = now;
    }

    /// Writes in words, if the history is wanted.
    #[must_use]
    pub fn describe(&self, writes: &[Write]) -> String {
        let keys = || writes.iter().map(in_words).collect::<Vec<_>>().join(", ");
        let changes = |write: &Write| !matches!(write, Write::Verify { .. });
        let touches = |what: &str| writes.iter().any(|write| changes(write) && write.key().sk == what);
        let mut state = self.state();
        if touches("META") || touches("LEASE") {
            state.touched.builds = true;
        }
        if state.book.history.is_some() { keys() } else { String::new() }
    }
}

fn in_words(write: &Write) -> String {
    let key = write.key();
    let key = format!("{}/{}", key.pk, key.sk);
    match write {
        Write::Put { item, .. } => {
            let words = ["status", "id", "refused", "token", "attempt", "build"];
            let words = words.iter().filter_map(|word| Some(format!("{word}={}", item.get(*word)?)));
            format!("put {key} {{{}}}", words.collect::<Vec<_>>().join(" "))
        }
        Write::Update { set, remove, .. } => {
            let short = |(name, value): (&String, &Value)| match value.to_string() {
                long if long.len() > 60 => format!("{name}=…"),
                short => format!("{name}={short}"),
            };
            let set: Vec<String> = set.iter().map(short).collect();
            let without = if remove.is_empty() { String::new() } else { format!(" without {}", remove.join(" ")) };
            format!("set {key} {{{}}}{without}", set.join(" "))
        }
        Write::Delete { .. } => format!("delete {key}"),
        Write::Verify { .. } => format!("check {key}"),
    }
}
