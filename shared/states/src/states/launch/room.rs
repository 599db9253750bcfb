//! Decides whether a launch asks EC2 for an instance now, or waits for room, and for how long.
//!
//! An account has a quota of vCPUs and a limit for the rate of launches, and EC2 may have no capacity for a while. All
//! of these pass when other instances end, or with time. What can never fit fails at once.
//!
//! Launches that ask for the same types in the same subnets wait in one line ([`Place`]). Only the first one of a line
//! asks: after a pause, or at once if an instance of the account ends (`events/signal`). If EC2 refuses then, the first
//! one of the next line asks, which asks for something else. So the room of an instance that has ended is taken within
//! seconds by the launch whose turn it is, and costs about one call. There may also be more room than one instance has
//! left: each minute, the tick lets the launches ask that have become the first of their lines, and as long as EC2
//! launches instances, the next one asks.

use std::collections::BTreeSet;

use goldsmith_model::ImagePipeline;
use goldsmith_store::{Effect, EffectKind, Place, StateStatus, Wait};
use jiff::{SignedDuration, Timestamp};

use super::candidates::{self, candidates};
use crate::engine::drive::{Progress, Scene, Turns};
use crate::engine::pending::{InLine, Pause, Pending, REST};
use crate::error_names::ErrorName;
use crate::parts::token::token;
use crate::{Context, Error, Result, Wake, WokenBy, spec};

/// The first pause between two attempts. A pause is as long as the launch has waited so far.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause between two attempts.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// Why a launch does not ask.
const BEHIND: &str = "other launches have waited for room for longer or have priority";
/// Why a launch does not ask that EC2 has throttled.
const THROTTLED: &str = "EC2 limits how often the account launches instances";
/// How many characters of a digest are the name of a line.
const LINE: usize = 16;

/// EC2's codes for a launch that will never have room: the zone or the host does not support the type, or the account
/// lacks the role for spot instances.
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

/// Returns the wait of a launch that lets others ask first, or `None` if it is its turn: it is the first one of its
/// line, and if it is new, no other line has one with a lower rank. `first` is the first candidate that it would ask
/// for.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn behind(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Result<Option<Progress>> {
    let own = scene.in_line.as_ref();
    let place = place(scene, tried, first);
    let (now, longest) = (scene.context.clock.now(), spec(scene.scope.state).for_room());
    let until = place.since + longest;
    let store = &scene.context.store;
    let is_behind = match own {
        Some(own) if own.has_room => false,
        Some(own) if own.pause.behind && now >= until => {
            // If all who have waited in vain asked once more, they would exceed EC2's limit of the rate.
            let told: Vec<String> = tried.iter().filter_map(refusal).collect();
            let told = if told.is_empty() { why(tried).to_owned() } else { told.join("; ") };
            let message = format!("no instance could be launched: {told}; the launch has waited {longest:#} for room");
            return Err(Error::failed(ErrorName::Capacity, message));
        }
        // At the end of its wait, the first one asks once more.
        Some(_) if now >= until => false,
        Some(_) => {
            let first = store.first_of_line(&place.line).await?;
            first.is_some_and(|first| !first.is_of(&scene.record.build, &scene.scope))
        }
        None => store.first_for_room().await?.iter().any(|(other, _)| match other.line == place.line {
            true => *other <= place,
            false => other.rank < place.rank,
        }),
    };
    Ok(is_behind.then(|| waiting(scene, tried, &place, Pause { until, behind: true })))
}

/// Returns the wait that follows when every candidate was refused. `tried` is the journal of the state, and the
/// candidates from `first` on are asked again.
///
/// # Errors
/// Fails with `Capacity` if no refusal of these candidates may pass, or if the launch has waited for room for too long.
pub(super) fn wait(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Result<Progress> {
    let place = place(scene, tried, first);
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
    // EC2 may count an instance for a while after the event of its end.
    let has_room = scene.in_line.as_ref().is_some_and(|own| own.has_room);
    let pause = if has_room { FIRST_PAUSE } else { waited.clamp(FIRST_PAUSE, LONGEST_PAUSE) };
    let until = (now + pause).min(place.since + longest);
    Ok(waiting(scene, tried, &place, Pause { until, behind: false }))
}

/// Returns the wait of a launch that EC2 has throttled: all of them would be throttled again if each of them paused and
/// then asked. The call has made nothing, but an earlier one of the same attempt may have been lost, so the journal
/// does not say that it was refused.
pub(super) fn throttled(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Progress {
    let place = place(scene, tried, first);
    let until = place.since + spec(scene.scope.state).for_room();
    waiting(scene, tried, &place, Pause { until, behind: true })
}

/// Returns whether a launch that waits for room asks if an instance ends: EC2 has not just refused it the room of
/// another.
pub(crate) fn is_rested(wait: &Wait, now: Timestamp) -> bool {
    let asked: Option<Timestamp> = wait.no_room_at.as_ref().and_then(|asked| asked.parse().ok());
    asked.is_none_or(|asked| now >= asked + REST)
}

/// Returns which launch asks next in the same invocation, which has not served it yet:
///
/// - If EC2 has refused the last one the room of an instance that has ended, or if another invocation serves it, the
///   first one of another line.
/// - If it was launched in such room, none: there is probably no more, and the tick will try.
/// - If its turn came with the tick and it was launched, the first one of any line, since there is room.
/// - If it was given up, the first one that has not asked yet, or any if there is the room of an instance.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn next(context: &Context, turns: &Turns) -> Result<Option<Wake>> {
    let (Some(begun), Some(last)) = (turns.served.first(), turns.served.last()) else { return Ok(None) };
    let (has_room, is_tick) = (last.by == WokenBy::Room, begun.by == WokenBy::Tick);
    let outcome = match &turns.was {
        // Most wakes are not about a line at all.
        None if !has_room && turns.served.len() == 1 => return Ok(None),
        None => Outcome::Refused,
        Some(_) => outcome(context, last).await?,
    };
    let line = turns.was.as_ref().map(|was| &was.place.line);
    let now = context.clock.now();
    let asks = |(place, wait): &(Place, Wait)| match outcome {
        Outcome::Refused if !has_room => turns.was.is_none() && wait.behind,
        Outcome::Refused => Some(&place.line) != line && is_rested(wait, now),
        Outcome::Launched if has_room && !is_tick => false,
        Outcome::GivenUp if !has_room => wait.behind,
        Outcome::Launched | Outcome::GivenUp => wait.behind || is_rested(wait, now),
    };
    let is_served = |wait: &Wait| turns.served.iter().any(|wake| wait.is_of(&wake.build, &wake.scope()));
    let others = context.store.others_for_room(&last.build, &last.scope()).await?;
    let Some((_, next)) = others.into_iter().find(|other| !is_served(&other.1) && asks(other)) else { return Ok(None) };
    // Only room ends a pause.
    let by = if next.behind && is_tick { WokenBy::Tick } else { WokenBy::Room };
    Ok(Some(Wake { build: next.build, state: next.state, item: next.item, by }))
}

/// What has become of a launch that had its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It still waits for room.
    Refused,
    /// It has its instance.
    Launched,
    /// It has failed, or its build is closed.
    GivenUp,
}

async fn outcome(context: &Context, served: &Wake) -> Result<Outcome> {
    let (store, scope) = (&context.store, served.scope());
    let Some(wait) = store.wait(&served.build, &scope).await? else {
        let state = store.state(&served.build, &scope).await?;
        let is_done = state.is_some_and(|state| state.status == StateStatus::Succeeded);
        return Ok(if is_done { Outcome::Launched } else { Outcome::GivenUp });
    };
    Ok(if wait.place().is_some() { Outcome::Refused } else { Outcome::Launched })
}

/// Returns the place at which a launch waits already, or its new place. Tests come before builds of the same priority,
/// because their images are nearly done.
fn place(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Place {
    if let Some(own) = &scene.in_line {
        return own.place.clone();
    }
    // What this launch has lost, it does not ask for again. The others of a line must not stand behind its refusals of less
    // than they ask for.
    let is_lost = |n: u32| tried.iter().any(|effect| effect.n == n && effect.lost.is_some());
    let candidates = (0u32..).zip(candidates(scene)).skip(first as usize).filter(|(n, _)| !is_lost(*n));
    let candidates = candidates.map(|(_, one)| one.to_string());
    let planned = &scene.record.plan.launch;
    // The zone, the host, the tenancy and the types of the volumes decide about room, too.
    let placement = serde_json::to_string(&planned.placement).unwrap_or_default();
    let volumes = planned.block_devices.iter().map(|device| format!("{:?}", device.ebs.volume_type));
    let asked: Vec<String> = candidates.chain([placement]).chain(volumes).collect();
    let mut line = token(&asked.iter().map(String::as_str).collect::<Vec<_>>());
    line.truncate(LINE);
    let below = ImagePipeline::MAX_PRIORITY - scene.record.plan.priority.min(ImagePipeline::MAX_PRIORITY);
    let rank = 2 * below + u32::from(scene.scope.item.is_none());
    Place { rank, since: since(tried).unwrap_or_else(|| scene.context.clock.now()), line }
}

/// Returns whether there are candidates other than this one that are not yet tried, or whose refusal may pass. `tried` is
/// the journal of the state.
pub(super) fn has_others(scene: &Scene<'_>, tried: &[Effect], made: &Effect) -> bool {
    (made.n as usize) + 1 < candidates(scene).len() || tried.iter().any(may_pass)
}

/// Returns the numbers of the candidates that are not asked for again: those that can never have room, and those whose
/// instance has ended, because their token stands for that instance.
pub(super) fn never_fits(tried: &[Effect]) -> BTreeSet<u32> {
    let never = |effect: &&Effect| effect.lost.is_some() || effect.refused.is_some() && !may_pass(effect);
    tried.iter().filter(never).map(|effect| effect.n).collect()
}

fn waiting(scene: &Scene<'_>, tried: &[Effect], place: &Place, pause: Pause) -> Progress {
    let refusals: Vec<String> = tried.iter().filter_map(candidates::refusal).collect();
    let since = place.since;
    // The text is the same for as long as the refusals are, because people are shown each new text.
    let detail = match refusals.as_slice() {
        [] => format!("{}; this launch has waited since {since:.0}", why(tried)),
        some => format!("there has been no room since {since:.0}, and the launch is tried again: {}", some.join("; ")),
    };
    Progress::Waiting(Pending::for_room(scene, place, detail, pause))
}

/// Returns why a launch waits that EC2 has not refused.
fn why(tried: &[Effect]) -> &'static str {
    // A throttled call is one whose result the journal does not know.
    let is_throttled = tried.iter().any(|effect| effect.id.is_none() && effect.refused.is_none());
    if is_throttled { THROTTLED } else { BEHIND }
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

/// Returns how many vCPUs the type of a candidate has at least. Only DescribeInstanceTypes knows the number, and Launch
/// may not call it. But an `xlarge` has four vCPUs and a `12xlarge` has 12 times as many, except in a few families, in
/// which it has half of them. A `large` has two, and so have all smaller types of T3, T3a and T4g.
fn least_vcpus(candidate: &str) -> u32 {
    let name = candidate.split(' ').next().unwrap_or_default();
    let Some((family, size)) = name.split_once('.') else { return 1 };
    let Some(factor) = size.strip_suffix("xlarge") else {
        return if size == "large" || ["t3", "t3a", "t4g"].contains(&family) { 2 } else { 1 };
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
