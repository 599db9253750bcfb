//! Explains a failure: what has happened, where to look first, and what helps. Everything follows from what the build has
//! recorded: its error, the output of the step, facts about the instance, and what has changed since the last good build.
//!
//! This is the only place with causes and remedies: `goldsmith show` and `goldsmith report` both print them.

mod facts;
mod general;
mod known;
mod output;
mod refine;
mod suspect;
#[cfg(test)]
mod tests;

use goldsmith_store::{AuditRecord, FailureCause};
use serde::Serialize;

use crate::render;
use crate::since::Since;
use facts::Facts;
use known::Known;

use output::sentences;
pub(crate) use output::{collapsed, excerpt};

/// Longest headline, in characters.
const HEADLINE: usize = 240;

/// A failure, and what is known about it.
pub(crate) struct Case<'a> {
    pub(crate) cause: &'a FailureCause,
    /// The last good build, and what has changed since; `None` if there is none.
    pub(crate) since: Option<&'a Since>,
    pub(crate) audit: Option<&'a AuditRecord>,
}

/// What a failure means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Diagnosis {
    /// The short name of the cause, or `None` if it is none of the known ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<&'static str>,
    /// Where it failed and the fact that says why, in one sentence without an end.
    pub(crate) headline: String,
    /// The further sentences of the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<String>,
    /// Where to look first, as a sentence; `None` if there is nothing to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) look: Option<String>,
    /// What helps, the most important first. There is at least one sentence.
    pub(crate) helps: Vec<String>,
}

/// A row that fits, and the text by which it was found.
struct Found<'a> {
    known: &'static Known,
    /// The sentence or line that fits.
    text: &'a str,
    is_evidence: bool,
}

/// Returns what a failure means.
pub(crate) fn diagnose(case: &Case<'_>) -> Diagnosis {
    let found = recognized(case.cause);
    let facts = Facts::of(case.cause, found.as_ref().map(|found| found.text));
    let look = suspect::look(case, found.as_ref().map(|found| found.known), &facts);
    let mut diagnosis = Diagnosis {
        cause: found.as_ref().map(|found| found.known.id),
        headline: headline(case.cause, found.as_ref(), &facts),
        details: details(case.cause),
        look: look.sentence,
        helps: match &found {
            Some(found) => found.known.helps.iter().map(|help| facts.filled(help)).collect(),
            None => vec![general::remedy(case.cause)],
        },
    };
    if let Some(found) = &found {
        refine::refine(case, found.known.id, &facts, &look.suspects, &mut diagnosis);
    }
    diagnosis
}

/// Returns the first row that fits. What a special row has recognized in any text comes before every general row.
fn recognized(cause: &FailureCause) -> Option<Found<'_>> {
    let message = format!("{} {} {}", cause.error, cause.code.as_deref().unwrap_or_default(), cause.message);
    let bare = output::bare_message(cause);
    let (of_units, facts): (Vec<&String>, Vec<&String>) =
        cause.evidence.iter().partition(|fact| fact.contains(".service wrote: "));
    let last_lines: Vec<&String> = cause.last_lines.iter().collect();
    [false, true].into_iter().find_map(|is_general| {
        let fits = |known: &&'static Known| known.is_general == is_general && allows(known, &cause.error);
        let rows: Vec<&'static Known> = known::all().filter(fits).collect();
        let of_message = || said(&rows, &message).map(|known| Found { known, text: bare, is_evidence: false });
        let by_exit = |known: &&&'static Known| cause.exit_code.is_some_and(|code| known.exits.contains(&code));
        let by_error =
            |known: &&&'static Known| known.said.is_empty() && known.exits.is_empty() && !known.errors.is_empty();
        let of_code = || {
            let known = rows.iter().find(by_exit).or_else(|| rows.iter().find(by_error))?;
            Some(Found { known, text: output::telling(cause), is_evidence: false })
        };
        let of_output = || in_lines(&rows, &last_lines, false);
        // What some unit has written explains a failure only if nothing of the step itself does.
        let of_units = || in_lines(&rows, &of_units, true);
        in_lines(&rows, &facts, true).or_else(of_message).or_else(of_output).or_else(of_code).or_else(of_units)
    })
}

/// Returns the first row of which a text contains a piece.
fn said(rows: &[&'static Known], text: &str) -> Option<&'static Known> {
    let text = text.to_lowercase();
    rows.iter().copied().find(|known| known.said.iter().any(|piece| text.contains(piece)))
}

/// Returns the first row that fits one of the lines, with the line that has the first of its pieces.
fn in_lines<'a>(rows: &[&'static Known], lines: &[&'a String], is_evidence: bool) -> Option<Found<'a>> {
    let lower: Vec<String> = lines.iter().map(|line| line.to_lowercase()).collect();
    rows.iter().find_map(|known| {
        let at = known.said.iter().find_map(|piece| lower.iter().position(|line| line.contains(piece)))?;
        Some(Found { known, text: lines[at], is_evidence })
    })
}

fn allows(known: &Known, error: &str) -> bool {
    known.errors.is_empty() || known.errors.iter().any(|name| name.as_str() == error)
}

/// Returns where it failed, what has happened, and the text that shows it.
fn headline(cause: &FailureCause, found: Option<&Found<'_>>, facts: &Facts) -> String {
    let place = place(cause);
    let message = output::bare_message(cause);
    let first = sentences(message).into_iter().next().unwrap_or_default();
    let said = match found {
        Some(found) if found.is_evidence => without_end(found.text).to_owned(),
        // A message that names the facts says more than the title.
        _ if !output::is_bare(message) => without_end(&first).to_owned(),
        Some(found) => {
            let line = output::uncolored(found.text);
            let line = line.trim();
            let title = facts.filled(found.known.title);
            if line.is_empty() || output::is_bare(line) { title } else { format!("{title}: {line}") }
        }
        None => match output::uncolored(output::telling(cause)).trim() {
            "" => message.to_owned(),
            line => line.to_owned(),
        },
    };
    shortened(&format!("{place}: {said}"))
}

fn without_end(sentence: &str) -> &str {
    sentence.trim().trim_end_matches('.')
}

fn shortened(text: &str) -> String {
    render::shortened(text, HEADLINE)
}

/// Returns where a build failed: the step with its component, or the state with its item.
fn place(cause: &FailureCause) -> String {
    let item = cause.item.as_ref().map(|item| format!(" ({item})")).unwrap_or_default();
    match (&cause.document, &cause.phase, &cause.step) {
        (Some(document), Some(phase), Some(step)) => format!("{document} › {phase} › {step}{item}"),
        _ if cause.state.is_empty() => "The build".to_owned(),
        _ => format!("{}{item}", cause.state),
    }
}

/// Returns the sentences of a message after the first one.
fn details(cause: &FailureCause) -> Vec<String> {
    sentences(output::bare_message(cause)).into_iter().skip(1).collect()
}
