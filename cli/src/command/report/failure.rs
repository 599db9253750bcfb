//! Why a build failed, what has changed since the last good one, and what a person can do.

use goldsmith_states::Difference;
use goldsmith_store::FailureCause;

use super::facts::Facts;
use super::page::{Fact, code, fact, time_of, uncolored};
use super::remedy::remedy;
use crate::args::Globals;
use crate::command::plan;
use crate::command::show::Since;
use crate::failure::step;

/// The part of the page about a failure.
pub(super) struct Broken {
    /// The sentence of the cause.
    pub(super) headline: String,
    pub(super) message: String,
    /// What helps.
    pub(super) remedy: String,
    pub(super) since: Option<Compared>,
    pub(super) facts: Vec<Fact>,
    /// The last lines of the step's output. Empty if there are none.
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
    pub(super) changes: Vec<String>,
    /// The changes of the contents in numbers, if the build has collected its contents before it failed.
    pub(super) contents: Vec<String>,
}

/// A command, and what it is for.
pub(super) struct Advice {
    pub(super) purpose: String,
    pub(super) command: String,
}

/// Returns everything about a failure.
pub(super) fn broken(globals: &Globals, facts: &Facts, cause: &FailureCause) -> Broken {
    let headline = match &cause.item {
        Some(item) => format!("{} ({item}) failed", cause.state),
        None => format!("{} failed", cause.state),
    };
    Broken {
        headline,
        message: cause.message.clone(),
        remedy: remedy(cause),
        since: facts.shown.since.as_ref().map(|since| compared(facts, since)),
        facts: list(cause),
        last_lines: cause.last_lines.iter().map(|line| uncolored(line)).collect::<Vec<_>>().join("\n"),
        commands: commands(globals, facts),
        tried_again: facts.shown.tried_again.clone(),
    }
}

fn compared(facts: &Facts, since: &Since) -> Compared {
    // The contents are compared with the image before. It is another one if overrides were given for it.
    let contents = facts.contents.as_ref().and_then(|contents| contents.as_ref().ok()?.since.as_ref());
    let contents = contents.filter(|contents| contents.image == since.image.to_string());
    Compared {
        image: since.image.to_string(),
        began: time_of(&since.began),
        changes: since.changes.iter().map(changed).collect(),
        contents: contents.iter().flat_map(|contents| contents.headlines()).map(str::to_owned).collect(),
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

fn commands(globals: &Globals, facts: &Facts) -> Vec<Advice> {
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
        advise("Read the whole output of the steps", format!("{again} logs {build}"));
    }
    advise("See what a new build would do", format!("{again} plan {pipeline}"));
    advise("Start a new build", format!("{again} build {pipeline}"));
    advise("Check the account and the stack", format!("{again} doctor"));
    list
}

/// Returns a name as one word of a command line.
fn quoted(name: &str) -> String {
    if name.contains(' ') { format!("'{name}'") } else { name.to_owned() }
}
