//! Decides whether a launch asks EC2 for an instance now, or waits for room, and for how long.
//!
//! An account has a quota of vCPUs and a limit for the rate of launches, and EC2 may have no capacity for a while. All of
//! these pass when other instances end, or with time. What can never fit fails at once.
//!
//! Launches that ask for the same types in the same subnets wait in one line ([`Place`]). Only the first one of a line
//! asks: after a pause, or at once if an instance of the account ends (`events/signal`). If EC2 refuses then, it wakes the
//! first one of the next line, which asks for something else. So each place that becomes free is taken within seconds, by the
//! launch whose turn it is, and costs about one call. There may also be more room than one instance has left: the tick asks for
//! the new first one of each line, and as long as EC2 launches instances, each launch wakes the next one.

use std::collections::BTreeSet;

use goldsmith_model::ImagePipeline;
use goldsmith_store::{Effect, EffectKind, Place, Wait};
use jiff::{SignedDuration, Timestamp};

use super::candidates::{self, candidates};
use crate::engine::drive::{Progress, Scene};
use crate::engine::pending::{InLine, Pause, Pending};
use crate::error_names::ErrorName;
use crate::parts::token::token;
use crate::{Error, Invocation, Result, Wake, WokenBy, spec};

/// The first pause between two attempts. A pause is as long as the launch has waited so far.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause between two attempts.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// How many characters of a digest are the name of a line.
const LINE: usize = 16;

/// EC2's codes for a launch that will never have room: the zone or the host does not support the type, or the account lacks the
/// role for spot instances.
const NEVER: [&str; 3] =
    ["Unsupported", "UnsupportedHostConfiguration", "AuthFailure.ServiceLinkedRoleCreationNotPermitted"];
/// What precedes the quota in EC2's messages of `VcpuLimitExceeded` and `InstanceLimitExceeded`.
const QUOTA: &str = " limit of ";

/// Returns the wait of a launch whose pause has not ended, or `None` if the launch does not pause.
pub(super) fn pausing(scene: &Scene<'_>, tried: &[Effect]) -> Option<Progress> {
    let InLine { place, pause, .. } = scene.in_line.as_ref()?;
    let pauses = !pause.behind && scene.context.clock.now() < pause.until;
    pauses.then(|| waiting(scene, tried, place, *pause))
}

/// Returns the wait of a launch that lets others ask first, or `None` if it is its turn: those that are before it in its
/// line, and for a launch that does not wait yet also those of other lines with a lower rank. `first` is the first candidate
/// that it would ask for.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn behind(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Result<Option<Progress>> {
    let own = scene.in_line.as_ref();
    let place = place(scene, tried, first);
    let until = place.since + spec(scene.scope.state).for_room();
    // At the end of its wait, it asks once more.
    if own.is_some_and(|own| own.has_room) || scene.context.clock.now() >= until {
        return Ok(None);
    }
    let goes_first = |other: &Place| match other.line == place.line {
        true => *other <= place,
        false => own.is_none() && other.rank < place.rank,
    };
    let others = scene.context.store.others_for_room(&scene.record.build, &scene.scope).await?;
    let is_behind = others.iter().filter_map(Wait::place).any(|other| goes_first(&other));
    Ok(is_behind.then(|| waiting(scene, tried, &place, Pause { until, behind: true })))
}

/// Returns the wait that follows when every candidate was refused. `tried` is the journal of the state, and the candidates
/// from `first` on are asked again.
///
/// # Errors
/// Fails with `Capacity` if no refusal of these candidates may pass, or if the launch has waited for room for too long.
pub(super) async fn wait(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Result<Progress> {
    let place = place(scene, tried, first);
    if scene.in_line.as_ref().is_some_and(|own| own.has_room) {
        let asks_for_else = |other: Place| other.line != place.line && other > place;
        wake_first(scene, WokenBy::Room, |other| other.place().is_some_and(asks_for_else)).await;
    }
    let refusals = || tried.iter().filter_map(refusal).collect::<Vec<_>>().join("; ");
    let failed = |end: &str| {
        let message = format!("no instance could be launched: {}{end}", refusals());
        Err(Error::failed(ErrorName::Capacity, message))
    };
    if !tried.iter().any(|effect| effect.n >= first && may_pass(effect)) {
        return failed("");
    }
    let now = scene.context.clock.now();
    let (waited, longest) = (now.duration_since(place.since), spec(scene.scope.state).for_room());
    if waited >= longest {
        return failed(&format!("; it has waited {:#} for room", SignedDuration::from_mins(waited.as_mins())));
    }
    let until = (now + waited.clamp(FIRST_PAUSE, LONGEST_PAUSE)).min(place.since + longest);
    Ok(waiting(scene, tried, &place, Pause { until, behind: false }))
}

/// Returns the wait of a launch that was one too many for EC2's limit of the rate. Its call has made nothing, but an earlier one
/// of the same attempt may have been lost, so the journal does not say that it was refused.
pub(super) fn throttled(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Progress {
    let place = place(scene, tried, first);
    let pause = Pause { until: scene.context.clock.now() + FIRST_PAUSE, behind: false };
    let detail = "EC2 limits how often the account launches instances, and the launch is tried again";
    Progress::Waiting(Pending::for_room(scene, &place, detail.to_owned(), pause))
}

/// Wakes the next launch after one that was launched at its turn. If it was launched because an instance has ended, there is
/// probably no room for another one, and the tick will try.
pub(super) async fn launched(scene: &Scene<'_>) {
    if scene.in_line.as_ref().is_some_and(|own| !own.has_room) {
        wake_first(scene, WokenBy::Event, |other| other.behind).await;
    }
}

/// Wakes the first of the other launches for which this holds, and which are the first in their lines.
async fn wake_first(scene: &Scene<'_>, by: WokenBy, holds: impl Fn(&Wait) -> bool + Send) {
    let woken = async {
        let others = scene.context.store.others_for_room(&scene.record.build, &scene.scope).await?;
        let Some(Wait { build, state, item, owner, .. }) = others.iter().find(|other| holds(other)) else {
            return Ok(());
        };
        let wake = Wake { build: build.clone(), state: *state, item: item.clone(), by };
        scene.context.wake(owner, &Invocation::Wake { wake }).await
    };
    if let Err(error) = woken.await {
        tracing::warn!(%error, build = scene.record.build, "the tick will wake the next launch that waits for room");
    }
}

/// Returns the place at which a launch waits already, or its new place. Tests come before builds of the same priority: their
/// images are nearly done.
fn place(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Place {
    if let Some(own) = &scene.in_line {
        return own.place.clone();
    }
    let asked: Vec<String> = candidates(scene).iter().skip(first as usize).map(ToString::to_string).collect();
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    let mut line = token(&asked);
    line.truncate(LINE);
    let turn = 2 * (ImagePipeline::MAX_PRIORITY - scene.record.plan.priority.min(ImagePipeline::MAX_PRIORITY));
    let rank = turn + u32::from(scene.scope.item.is_none());
    Place { rank, since: since(tried).unwrap_or_else(|| scene.context.clock.now()), line }
}

/// Returns the numbers of the candidates that can never have room.
pub(super) fn never_fits(tried: &[Effect]) -> BTreeSet<u32> {
    tried.iter().filter(|effect| effect.refused.is_some() && !may_pass(effect)).map(|effect| effect.n).collect()
}

fn waiting(scene: &Scene<'_>, tried: &[Effect], place: &Place, pause: Pause) -> Progress {
    let refusals: Vec<String> = tried.iter().filter_map(candidates::refusal).collect();
    let since = place.since;
    // The text is the same for as long as the refusals are, because people are shown each new text.
    let detail = if refusals.is_empty() {
        format!("other launches have waited for room for longer or have priority; this one waits since {since:.0}")
    } else {
        format!("there has been no room since {since:.0}, and the launch is tried again: {}", refusals.join("; "))
    };
    Progress::Waiting(Pending::for_room(scene, place, detail, pause))
}

/// Returns a candidate with EC2's code. If it can never fit, EC2's message says why.
fn refusal(effect: &Effect) -> Option<String> {
    let refusal = candidates::refusal(effect)?;
    Some(match &effect.no_room {
        Some(no_room) if !may_pass(effect) => format!("{refusal} ({})", no_room.message),
        _ => refusal,
    })
}

/// Returns whether EC2 may have room for a refused candidate later.
fn may_pass(effect: &Effect) -> bool {
    let (Some(code), Some(no_room)) = (&effect.refused, &effect.no_room) else { return false };
    let EffectKind::Instance { candidate, .. } = &effect.kind else { return false };
    let needed = if code == "VcpuLimitExceeded" { least_vcpus(candidate) } else { 1 };
    !NEVER.contains(&code.as_str()) && quota(&no_room.message).is_none_or(|quota| quota >= needed)
}

/// Returns the quota that EC2's message names, or `None` if it names none.
fn quota(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once(QUOTA)?;
    let number: String = rest.chars().take_while(|one| one.is_ascii_digit() || *one == ',').collect();
    number.replace(',', "").parse().ok()
}

/// Returns how many vCPUs the type of a candidate has at least. Only DescribeInstanceTypes knows the number, and Launch may
/// not call it. But an `xlarge` has four vCPUs and a `12xlarge` has 12 times as many, except in a few families, in which it
/// has half of them.
fn least_vcpus(candidate: &str) -> u32 {
    let name = candidate.split(' ').next().unwrap_or_default();
    let Some((family, factor)) =
        name.split_once('.').and_then(|(family, size)| Some((family, size.strip_suffix("xlarge")?)))
    else {
        return 1;
    };
    let times = if factor.is_empty() { 1 } else { factor.parse().unwrap_or(0) };
    let of_xlarge = if family == "m2" || family.starts_with("hpc") { 2 } else { 4 };
    (of_xlarge * times).max(1)
}

/// Returns when EC2 had no room for the first time.
fn since(tried: &[Effect]) -> Option<Timestamp> {
    tried.iter().filter_map(|effect| effect.no_room.as_ref()?.since.parse().ok()).min()
}

#[cfg(test)]
mod tests;
