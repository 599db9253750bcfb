//! Chooses the change that a person should look at first, and narrows down the cause if nothing has changed.

use goldsmith_states::Difference;

use super::facts::Facts;
use super::known::Known;
use super::output::uncolored;
use super::{Case, output};
use crate::since::{Inside, Since};

/// How much a changed line counts that contains a fact of the failure, such as its host.
const HAS_FACT: u32 = 8;
/// How much it counts if the changed lines belong to the step that failed.
const HAS_STEP: u32 = 4;
/// How much a changed line counts that contains a word of the known cause.
const HAS_WORD: u32 = 3;
/// How much the kind of a change counts that the known cause suspects.
const HAS_KIND: u32 = 2;
/// The most changes that are named as the first ones.
const MOST: usize = 3;

/// Where to look first.
#[derive(Default)]
pub(super) struct Look {
    pub(super) sentence: Option<String>,
    /// The changes that are named.
    pub(super) suspects: Vec<Difference>,
}

/// Returns where to look first, or nothing if no build before was good.
pub(super) fn look(case: &Case<'_>, known: Option<&Known>, facts: &Facts) -> Look {
    let Some(since) = case.since else { return Look::default() };
    // A version whose document is the same explains nothing.
    let is_real = |change: &&Difference| inside_of(since, change).is_none_or(|inside| !inside.lines.is_empty());
    let changes: Vec<Difference> = since.changes.iter().filter(is_real).cloned().collect();
    match changes.as_slice() {
        [] => Look { sentence: Some(unchanged(case, since, known, facts)), suspects: Vec::new() },
        [only] => {
            let name = name(only);
            let sentence = match quoted(since, only, known, facts) {
                Some(line) => {
                    format!("Look first at {name}: it is the only change since {}, and {line}.", since.image)
                }
                None => format!("Look first at {name}: it is the only change since {}.", since.image),
            };
            Look { sentence: Some(sentence), suspects: vec![only.clone()] }
        }
        several => among(since, several, known, facts, case),
    }
}

/// Chooses among several changes.
fn among(since: &Since, changes: &[Difference], known: Option<&Known>, facts: &Facts, case: &Case<'_>) -> Look {
    let scores: Vec<u32> = changes.iter().map(|change| score(since, change, known, facts, case)).collect();
    let best = scores.iter().copied().max().unwrap_or_default();
    let suspects: Vec<Difference> =
        changes.iter().zip(&scores).filter(|(_, score)| **score == best).map(|(change, _)| change.clone()).collect();
    let (count, image) = (changes.len(), &since.image);
    if best == 0 || suspects.len() > MOST || suspects.len() == count && count > 2 {
        let sentence = format!("{count} things have changed since {image}: compare them with what the failure names.");
        return Look { sentence: Some(sentence), suspects: Vec::new() };
    }
    let names: Vec<String> = suspects.iter().map(name).collect();
    let line = suspects.iter().filter(|_| suspects.len() == 1).find_map(|one| quoted(since, one, known, facts));
    let line = line.map(|line| format!(" It {line}.")).unwrap_or_default();
    let why = match suspects.len() {
        all if all == count => format!("they are the only changes since {image}"),
        1 => format!("of the {count} changes since {image}, it fits this failure best"),
        _ => format!("of the {count} changes since {image}, they fit this failure best"),
    };
    let sentence = format!("Look first at {}: {why}.{line}", names.join(" and "));
    Look { sentence: Some(sentence), suspects }
}

fn score(since: &Since, change: &Difference, known: Option<&Known>, facts: &Facts, case: &Case<'_>) -> u32 {
    let of_kind = |suspect: &&str| match *suspect {
        // Almost every change is one of a component.
        "component" => u32::from(change.what.starts_with("component ")),
        other => u32::from(change.what.starts_with(&facts.filled(other))) * HAS_KIND,
    };
    let mut score = known.and_then(|known| known.suspects.iter().map(of_kind).max()).unwrap_or_default();
    let component = change.what.strip_prefix("component ").and_then(|what| what.split(':').next());
    let is_failed = component.is_some() && component == case.cause.document.as_deref();
    score += u32::from(is_failed);
    let Some(inside) = inside_of(since, change) else { return score };
    let has = |is_telling: &dyn Fn(&str) -> bool| inside.signed().any(|(_, line)| is_telling(&line.to_lowercase()));
    if has(&|line| has_fact(line, facts)) {
        score += HAS_FACT;
    }
    let step = case.cause.step.as_deref().map(|step| format!("step {step} ")).filter(|_| is_failed);
    if step.is_some_and(|step| inside.lines.iter().any(|line| line.starts_with(&step))) {
        score += HAS_STEP;
    }
    if known.is_some_and(|known| has(&|line| known.words.iter().any(|word| line.contains(word)))) {
        score += HAS_WORD;
    }
    score
}

fn inside_of<'s>(since: &'s Since, change: &Difference) -> Option<&'s Inside> {
    let component = change.what.strip_prefix("component ")?;
    since.inside.iter().find(|inside| inside.component == component)
}

/// Returns whether a line contains something that the failure names.
fn has_fact(line: &str, facts: &Facts) -> bool {
    let host = facts.host.as_deref().map(|host| host.split([':', ' ']).next().unwrap_or(host));
    // An address of the machine itself is in many lines.
    let host = host.filter(|host| !is_local(host));
    let path = facts.path.as_deref().filter(|path| path.len() > 2);
    [host, path].into_iter().flatten().any(|fact| line.contains(&fact.to_lowercase()))
}

pub(super) fn is_local(host: &str) -> bool {
    ["127.", "localhost", "::1", "0.0.0.0", "169.254."].iter().any(|local| host.starts_with(local))
}

/// Returns the line of a changed component that fits best, in words.
pub(super) fn quoted(since: &Since, change: &Difference, known: Option<&Known>, facts: &Facts) -> Option<String> {
    let inside = inside_of(since, change)?;
    let fits = |line: &str| {
        let line = line.to_lowercase();
        let words = known.iter().flat_map(|known| known.words).filter(|word| line.contains(**word)).count();
        words + if has_fact(&line, facts) { 100 } else { 0 }
    };
    let lines = inside.signed().map(|(sign, line)| (fits(line), sign, line.trim().trim_start_matches("- ")));
    // Of equal ones, the first, and a new one before one that is gone.
    let best = lines.filter(|(fits, ..)| *fits > 0).min_by_key(|(fits, sign, _)| (usize::MAX - fits, *sign == '-'))?;
    let (_, sign, line) = best;
    let which = if sign == '+' { "has the new line" } else { "no longer has the line" };
    Some(format!("{which} `{}`", uncolored(line)))
}

/// Returns a change as a person names it.
pub(super) fn name(change: &Difference) -> String {
    let Difference { what, to, .. } = change;
    match (what.strip_prefix("component "), to) {
        (Some(component), _) if component.contains(": ") => {
            let (component, parameter) = component.split_once(": ").unwrap_or_default();
            format!("the parameter {parameter} of component {component}")
        }
        (Some(_), Some(version)) => format!("{what} {version}"),
        (Some(_), None) => format!("{what}, which is no longer in the recipe"),
        (None, Some(to)) if to.chars().count() < 60 => format!("{what} ({to})"),
        (None, _) => what.clone(),
    }
}

/// Returns where the cause is if nothing in the plan has changed.
fn unchanged(case: &Case<'_>, since: &Since, known: Option<&Known>, facts: &Facts) -> String {
    let where_else = match known {
        Some(known) if !known.outside.is_empty() => facts.filled(known.outside),
        _ => depends(case, facts),
    };
    let what =
        if since.changes.is_empty() { "Nothing in the plan has" } else { "Only versions of equal documents have" };
    let mut sentence = format!("{what} changed since {} of {}. {where_else}", since.image, since.began);
    let new: Vec<&str> =
        since.contents.iter().flat_map(|contents| &contents.lines).take(MOST).map(String::as_str).collect();
    if !new.is_empty() {
        sentence = format!("{sentence} Changed in the image: {}.", new.join("; "));
    }
    sentence
}

/// Returns what a step depends on besides the plan.
fn depends(case: &Case<'_>, facts: &Facts) -> String {
    let what = match (&facts.url, &facts.host) {
        (Some(url), _) => format!("{url}, and the packages that it installs"),
        (None, Some(host)) => format!("{host}, and the packages that it installs"),
        (None, None) => "packages, downloads, and other services".to_owned(),
    };
    match &case.cause.step {
        Some(step) => format!("Look first at what step {step} depends on: {what}."),
        None if output::is_bare(&case.cause.message) => format!("Look first at what the build depends on: {what}."),
        None => "Look first at what the message names.".to_owned(),
    }
}
