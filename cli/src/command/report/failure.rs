//! Why a build failed, what has changed since the last good one, and what a person can do.

use goldsmith_states::Difference;
use goldsmith_store::FailureCause;

use super::facts::Facts;
use super::page::{Fact, code, fact, time_of, uncolored};
use crate::args::Globals;
use crate::command::plan;
use crate::failure::step;

/// The part of the page about a failure.
pub(super) struct Broken {
    /// The sentence of the cause.
    pub(super) headline: String,
    pub(super) message: String,
    pub(super) facts: Vec<Fact>,
    pub(super) last_lines: Vec<String>,
    pub(super) since: Option<Compared>,
    pub(super) next: Vec<Next>,
}

/// The comparison with the last good build.
pub(super) struct Compared {
    pub(super) image: String,
    pub(super) began: String,
    pub(super) changes: Vec<String>,
}

/// Something that a person can do, with the command for it.
pub(super) struct Next {
    pub(super) text: String,
    pub(super) command: Option<String>,
}

/// Returns everything about a failure.
pub(super) fn broken(globals: &Globals, facts: &Facts, cause: &FailureCause) -> Broken {
    let since = facts.shown.since.as_ref().map(|since| Compared {
        image: since.image.to_string(),
        began: time_of(&since.began),
        changes: since.changes.iter().map(changed).collect(),
    });
    let headline = match &cause.item {
        Some(item) => format!("{} ({item}) failed", cause.state),
        None => format!("{} failed", cause.state),
    };
    Broken {
        headline,
        message: cause.message.clone(),
        facts: list(cause),
        last_lines: cause.last_lines.iter().map(|line| uncolored(line)).collect(),
        since,
        next: next(globals, facts),
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

/// Returns a change as text. The value of a component's parameter may be a secret, and a report is passed on.
fn changed(change: &Difference) -> String {
    let is_parameter = change.what.starts_with("component ") && change.what.contains(": ");
    if is_parameter { format!("{} has another value", change.what) } else { plan::changed(change) }
}

fn next(globals: &Globals, facts: &Facts) -> Vec<Next> {
    let (shown, again) = (&facts.shown, globals.again());
    let mut list: Vec<Next> = Vec::new();
    let doable = |text: &str, command: String| Next { text: text.to_owned(), command: Some(command) };
    if let Some(kept) = &shown.kept {
        let [_, (_, way)] = kept.facts(globals);
        let until = time_of(&kept.until);
        list.push(doable(&format!("Look at the instance, which is kept until {until}:"), way));
    }
    if shown.states.iter().any(|state| state.log.is_some()) {
        list.push(doable(
            "Read the whole output of the steps:",
            format!("{again} logs {}", quoted(&shown.image.build)),
        ));
    }
    list.push(doable(
        "See what a new build would do:",
        format!("{again} plan {}", quoted(shown.image.pipeline.as_str())),
    ));
    list.push(doable("Check the account and the stack:", format!("{again} doctor")));
    list.extend(shown.tried_again.iter().map(|again| Next { text: format!("The start: {again}."), command: None }));
    list
}

/// Returns a name as one word of a command line.
fn quoted(name: &str) -> String {
    if name.contains(' ') { format!("'{name}'") } else { name.to_owned() }
}
