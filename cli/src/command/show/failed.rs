//! The part of `goldsmith show` about a failed build: what has happened, what shows it, what has changed, and what helps.

use std::time::Duration;

use goldsmith_states::error_names::ErrorName;
use goldsmith_store::{FailureCause, StateRecord, StateStatus};

use super::Shown;
use crate::args::Globals;
use crate::diagnosis::{Case, Diagnosis, diagnose, excerpt};
use crate::render::{duration, quoted, wrapped};
use crate::{audited, watch};

/// The most lines of output.
const LINES: usize = 15;

impl Shown {
    /// Returns what the failure of the build means; `None` if it has not failed.
    pub(crate) fn diagnosis(&self) -> Option<Diagnosis> {
        let cause = self.image.failure.as_ref().filter(|_| !self.is_cancelled())?;
        let case = Case { cause, since: self.since.as_ref(), audit: audited::of(&self.states) };
        Some(diagnose(&case))
    }

    /// Returns the sections about the failure, each of which follows an empty line.
    pub(super) fn failure_lines(&self, globals: &Globals, cause: &FailureCause, diagnosis: &Diagnosis) -> Vec<String> {
        let width = self.width;
        let indented = |text: &str| wrapped(text, width, "  ", "  ");
        let mut lines = Vec::new();
        let mut section = |title: String, body: Vec<String>| {
            if !body.is_empty() {
                lines.extend([String::new(), title]);
                lines.extend(body);
            }
        };
        let evidence = cause.evidence.iter().filter(|fact| !diagnosis.headline.contains(fact.trim_end_matches('.')));
        section("On the instance:".to_owned(), evidence.flat_map(|fact| indented(fact)).collect());
        // The findings of the audit are listed with their remedies in a table of their own.
        if cause.error != ErrorName::AuditFailed.as_str() {
            let code = cause.exit_code.map(|code| format!(" (exit code {code})")).unwrap_or_default();
            let output = excerpt(&cause.last_lines, LINES);
            section(format!("Last lines{code}:"), output.iter().map(|line| format!("  | {line}")).collect());
        }
        if let Some(since) = &self.since {
            // Where to look first says that nothing has changed.
            let mut changed = since.lines(globals).into_iter();
            section(changed.next().unwrap_or_default(), changed.collect());
        }
        lines.extend([String::new(), "What helps:".to_owned()]);
        lines.extend(diagnosis.look.iter().flat_map(|look| indented(look)));
        lines.extend(diagnosis.helps.iter().flat_map(|help| wrapped(help, width, "  - ", "    ")));
        lines.extend([String::new(), "Next:".to_owned()]);
        // A command is not broken into lines, so that it can be copied.
        lines.extend(self.next_commands(globals, cause).into_iter().map(|command| format!("  {command}")));
        lines
    }

    /// Returns the commands that help to find the cause.
    pub(crate) fn next_commands(&self, globals: &Globals, cause: &FailureCause) -> Vec<String> {
        let again = globals.again();
        let mut commands = Vec::new();
        if self.states.iter().any(|state| state.log.is_some()) {
            let step = cause.step.as_ref().map(|step| format!(" --step {}", quoted(step))).unwrap_or_default();
            commands.push(format!("{again} logs {}{step}", quoted(&self.image.build)));
        }
        if cause.error == ErrorName::Vulnerable.as_str() {
            commands.push(format!("{again} advisories {}", quoted(&self.image.image.to_string())));
        }
        if let Some(since) = &self.since {
            let differs = since.inside.iter().filter(|inside| !inside.lines.is_empty());
            commands.extend(differs.map(|inside| format!("{again} {}", inside.command())));
            if since.contents.is_some() {
                commands.push(format!("{again} diff {}", quoted(&self.image.image.to_string())));
            }
        }
        commands.push(format!("{again} report {}", quoted(&self.image.image.to_string())));
        commands
    }

    /// Returns the detail of a state, without the message of the failure, which is said before.
    pub(crate) fn short_detail(&self, state: &StateRecord) -> String {
        let failure = self.image.failure.as_ref().filter(|_| !self.is_cancelled());
        let Some(cause) = failure.filter(|cause| state.status == StateStatus::Failed && says_same(state, cause)) else {
            return match state.waited_for_room {
                Some(seconds) => {
                    let waited = duration(Duration::from_secs(seconds).as_secs_f64());
                    format!("{} (it waited {waited} for room)", state.detail)
                }
                None => state.detail.clone(),
            };
        };
        let is_its = state.state.to_string() == cause.state && state.item == cause.item;
        let first = self.states.iter().find(|other| other.status == StateStatus::Failed && says_same(other, cause));
        match first {
            Some(first) if !is_its && !std::ptr::eq(first, state) => format!("because {} failed", watch::label(first)),
            _ => "failed, see above".to_owned(),
        }
    }
}

fn says_same(state: &StateRecord, cause: &FailureCause) -> bool {
    !cause.message.is_empty() && state.detail.contains(&cause.message)
}
