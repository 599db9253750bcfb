//! Decides whether a launch waits for room after EC2 has refused every candidate, and for how long.
//!
//! An account has a quota of vCPUs, and EC2 may have no capacity for a while. Both pass when other instances end, so the
//! launch asks again: after a pause, or at once if an instance of the account ends (`events/signal`). What can never fit
//! fails at once.

use std::collections::BTreeSet;

use goldsmith_store::{Effect, EffectKind};
use jiff::{SignedDuration, Timestamp};

use super::candidates;
use crate::engine::drive::{Pause, Pending, Progress, Scene};
use crate::error_names::ErrorName;
use crate::parts::token::token;
use crate::{Error, Result, spec};

/// The first pause between two attempts. A pause is as long as the launch has waited so far.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// The longest pause between two attempts, without the part of [`SPREAD`]. All waiting launches share the two launches a
/// second that EC2 allows an account.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// Each launch makes its pauses longer by a part of its own: at most by the length of the pause, or by this time if the
/// pause is shorter. Otherwise, launches that have begun together would always ask in the same minute.
const SPREAD: SignedDuration = SignedDuration::from_mins(3);

/// EC2's codes for a launch that will never have room: the zone or the host does not support the type, or the account lacks the
/// role for spot instances.
const NEVER: [&str; 3] =
    ["Unsupported", "UnsupportedHostConfiguration", "AuthFailure.ServiceLinkedRoleCreationNotPermitted"];
/// What precedes the quota in EC2's messages of `VcpuLimitExceeded` and `InstanceLimitExceeded`.
const QUOTA: &str = " limit of ";

/// Returns the wait that follows when every candidate was refused. `tried` is the journal of the state, and the candidates
/// from `first` on are asked again.
///
/// # Errors
/// Fails with `Capacity` if no refusal of these candidates may pass, or if the launch has waited for room for too long.
pub(super) fn wait(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Result<Progress> {
    let refusals = || tried.iter().filter_map(refusal).collect::<Vec<_>>().join("; ");
    let failed = |end: &str| {
        let message = format!("no instance could be launched: {}{end}", refusals());
        Err(Error::failed(ErrorName::Capacity, message))
    };
    if !tried.iter().any(|effect| effect.n >= first && may_pass(effect)) {
        return failed("");
    }
    let now = scene.context.clock.now();
    let since = since(tried).unwrap_or(now);
    let (waited, longest) = (now.duration_since(since), spec(scene.scope.state).for_room());
    if waited >= longest {
        return failed(&format!("; it has waited {:#} for room", SignedDuration::from_mins(waited.as_mins())));
    }
    let until = (now + pause(scene, waited)).min(since + longest);
    Ok(waiting(scene, tried, since, until))
}

/// Returns the wait of a launch whose pause has not ended, or `None` if it asks again now.
pub(super) fn pausing(scene: &Scene<'_>, tried: &[Effect]) -> Option<Progress> {
    let since = since(tried)?;
    let is_due = scene.context.clock.now() >= scene.next_look;
    (!is_due).then(|| waiting(scene, tried, since, scene.next_look))
}

/// Returns the numbers of the candidates that can never have room.
pub(super) fn never_fits(tried: &[Effect]) -> BTreeSet<u32> {
    tried.iter().filter(|effect| effect.refused.is_some() && !may_pass(effect)).map(|effect| effect.n).collect()
}

fn waiting(scene: &Scene<'_>, tried: &[Effect], since: Timestamp, until: Timestamp) -> Progress {
    let refusals: Vec<String> = tried.iter().filter_map(candidates::refusal).collect();
    // The text is the same for as long as the refusals are, because people are shown each new text.
    let detail =
        format!("there has been no room since {since:.0}, and the launch is tried again: {}", refusals.join("; "));
    Progress::Waiting(Pending::for_room(scene, detail, Pause { since, until }))
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

/// Returns how long a launch pauses that has waited for this long.
fn pause(scene: &Scene<'_>, waited: SignedDuration) -> SignedDuration {
    let pause = waited.clamp(FIRST_PAUSE, LONGEST_PAUSE);
    let spread = pause.max(SPREAD).as_secs();
    let own = token(&[&scene.record.build, &scene.scope.to_string()]).bytes().map(i64::from).sum::<i64>() % 64;
    pause + SignedDuration::from_secs(spread * own / 64)
}

#[cfg(test)]
mod tests;
