//! Why a build failed, what has changed since the last good one, and what a person can do.

use goldsmith_store::FailureCause;

use super::facts::Facts;
use super::page::{Fact, code, fact, time_of};
use crate::args::Globals;
use crate::diagnosis::{Diagnosis, collapsed};
use crate::failure::step;
use crate::render::quoted;
use crate::since::{InImage, Since, changed};

/// The part of the page about a failure.
pub(super) struct Broken {
    /// What has failed.
    pub(super) title: String,
    /// The sentence of the cause.
    pub(super) message: String,
    /// The further sentences.
    pub(super) details: Vec<String>,
    /// Facts about the instance that explain the failure.
    pub(super) evidence: Vec<String>,
    /// Where to look first.
    pub(super) look: Option<String>,
    /// What helps.
    pub(super) helps: Vec<String>,
    pub(super) since: Option<Compared>,
    pub(super) facts: Vec<Fact>,
    /// The last lines of the step's output, each with its number of times. Empty if there are none.
    pub(super) last_lines: String,
    /// The commands that help to find the cause.
    pub(super) commands: Vec<Advice>,
    /// Whether the start is retried, as a sentence without an end.
    pub(super) tried_again: Option<String>,
}

/// The comparison with the last good build.
pub(super) struct Compared {
    pub(super) image: String,
    pub(super) began: String,
    /// The changes of the plan.
    pub(super) changes: Vec<Change>,
    /// The changes of the contents, if the build has collected its contents before it failed.
    pub(super) contents: Option<InImage>,
}

/// A change of the plan.
pub(super) struct Change {
    pub(super) what: String,
    /// The lines of a component that have changed.
    pub(super) lines: Vec<Line>,
}

/// A changed line of a component, or what has changed.
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// A command, and what it is for.
pub(super) struct Advice {
    pub(super) purpose: String,
    pub(super) command: String,
}

/// Returns everything about a failure.
pub(super) fn broken(globals: &Globals, facts: &Facts, cause: &FailureCause) -> Option<Broken> {
    let Diagnosis { headline, details, look, helps, .. } = facts.shown.diagnosis()?;
    let what = match cause.error.as_str() {
        "Goldsmith.AuditFailed" => "The audit",
        "Goldsmith.Vulnerable" => "The check of vulnerabilities",
        _ => &cause.state,
    };
    let item = cause.item.as_ref().map(|item| format!(" ({item})")).unwrap_or_default();
    let evidence = cause.evidence.iter().filter(|fact| !headline.contains(fact.trim_end_matches('.')));
    Some(Broken {
        title: format!("{what}{item} failed"),
        evidence: evidence.cloned().collect(),
        message: headline,
        details,
        look,
        helps,
        since: facts.shown.since.as_ref().map(|since| compared(globals, since)),
        facts: list(cause),
        last_lines: collapsed(&cause.last_lines).join("\n"),
        commands: commands(globals, facts, cause),
        tried_again: facts.shown.tried_again.clone(),
    })
}

fn compared(globals: &Globals, since: &Since) -> Compared {
    let line = |text: String| {
        let class = match text.get(..2) {
            Some("+ ") => "added",
            Some("- ") => "removed",
            _ => "part",
        };
        Line { class, text }
    };
    let of = |change: &goldsmith_states::Difference| {
        // The value of a component's parameter may be a secret, and a report is passed on.
        let is_parameter = change.what.starts_with("component ") && change.what.contains(": ");
        let what = if is_parameter { format!("{} has another value", change.what) } else { changed(change) };
        Change { what, lines: since.of_component(change, globals).into_iter().map(line).collect() }
    };
    Compared {
        image: since.image.to_string(),
        began: time_of(&since.began),
        changes: since.changes.iter().map(of).collect(),
        contents: since.contents.clone().filter(|contents| !contents.lines.is_empty()),
    }
}

fn list(cause: &FailureCause) -> Vec<Fact> {
    let mut list: Vec<Fact> = cause.document.iter().map(|name| fact("component", name)).collect();
    list.extend(cause.phase.iter().map(|phase| fact("phase", phase)));
    list.extend(step(cause.step.as_deref(), cause.action.as_deref()).map(|step| fact("step", step)));
    list.extend(cause.exit_code.map(|number| code("exit code", number.to_string())));
    list.extend(cause.region.iter().map(|region| fact("Region", region)));
    list.extend(cause.resource.iter().map(|resource| code("resource", resource)));
    list.extend(cause.code.iter().map(|one| code("AWS's code", one)));
    list.extend(Some(&cause.error).filter(|error| !error.is_empty()).map(|error| code("error", error)));
    list
}

fn commands(globals: &Globals, facts: &Facts, cause: &FailureCause) -> Vec<Advice> {
    let (shown, again) = (&facts.shown, globals.again());
    let (build, pipeline) = (quoted(&shown.image.build), quoted(shown.image.pipeline.as_str()));
    let mut list = Vec::new();
    let mut advise = |purpose: &str, command: String| list.push(Advice { purpose: purpose.to_owned(), command });
    if let Some(kept) = &shown.kept {
        let purpose = format!("Connect to the instance, which is kept until {}", time_of(&kept.until));
        // The call of the local AWS contains its keys, which must not be in a file that is passed on.
        let [_, (_, way)] = kept.facts(globals);
        advise(&purpose, if globals.local { format!("{again} show {build}") } else { way });
    }
    if shown.states.iter().any(|state| state.log.is_some()) {
        match &cause.step {
            Some(step) => {
                advise("Read the whole output of the step", format!("{again} logs {build} --step {}", quoted(step)))
            }
            None => advise("Read the whole output of the steps", format!("{again} logs {build}")),
        }
    }
    for inside in shown.since.iter().flat_map(|since| &since.inside).filter(|inside| !inside.lines.is_empty()) {
        advise(&format!("Compare the versions of {}", inside.component), format!("{again} {}", inside.command()));
    }
    if shown.since.as_ref().is_some_and(|since| since.contents.is_some()) {
        advise("Compare the images", format!("{again} diff {}", quoted(&shown.image.image.to_string())));
    }
    advise("See what a new build would do", format!("{again} plan {pipeline}"));
    advise("Start a new build", format!("{again} build {pipeline}"));
    advise("Check the account and the stack", format!("{again} doctor"));
    list
}
