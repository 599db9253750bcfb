//! Lists what a launch may use, in the order of the attempts.

use std::fmt;

use goldsmith_cloud::Market;
use goldsmith_store::{Effect, EffectKind};

use super::NO_KEY;
use crate::State;
use crate::engine::drive::Scene;

/// An instance type, a subnet and a market that a launch may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) instance_type: String,
    pub(super) subnet: Option<String>,
    pub(super) market: Market,
}

impl fmt::Display for Candidate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.instance_type)?;
        if let Some(subnet) = &self.subnet {
            write!(out, " in {subnet}")?;
        }
        match self.market {
            Market::Spot | Market::StoppableSpot { .. } => out.write_str(" (spot)"),
            Market::OnDemand => Ok(()),
        }
    }
}

/// Returns markets × types × subnets, in order. On-demand is last, because it costs most. A test instance has only one
/// type, which is the Map item. Snapshot stops the build instance, so its spot request is a persistent one. After EC2 has
/// taken a spot instance back, LaunchAgain launches on demand only.
pub(super) fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let launch = &scene.record.plan.launch;
    let types = match &scene.scope.item {
        Some(item) => std::slice::from_ref(item),
        None => launch.instance_types.as_slice(),
    };
    let subnets: Vec<Option<String>> = match launch.subnets.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let spot = match (scene.scope.state, &scene.scope.item) {
        (State::Launch, None) if launch.spot_build => {
            scene.record.spot_until().map(|until| Market::StoppableSpot { until })
        }
        (_, Some(_)) if launch.spot_tests => Some(Market::Spot),
        _ => None,
    };
    let mut candidates = Vec::new();
    for market in spot.into_iter().chain([Market::OnDemand]) {
        for instance_type in types {
            candidates.extend(subnets.iter().map(|subnet| Candidate {
                instance_type: instance_type.clone(),
                subnet: subnet.clone(),
                market,
            }));
        }
    }
    candidates
}

/// Returns the first candidate that a launch asks for again when all were refused: after a spot instance was lost, the first
/// one on demand.
pub(super) fn first_of_all(scene: &Scene<'_>, tried: &[Effect]) -> u32 {
    if tried.iter().any(|effect| effect.lost.is_some()) { first_on_demand(scene) } else { 0 }
}

/// Returns the number of the first candidate that is no spot instance.
pub(super) fn first_on_demand(scene: &Scene<'_>) -> u32 {
    let spot = candidates(scene).iter().take_while(|candidate| candidate.market.is_spot()).count();
    u32::try_from(spot).unwrap_or(u32::MAX)
}

/// Returns an effect with the id of its instance, unless the instance was lost or never launched.
pub(super) fn in_use(made: &Effect) -> Option<(&Effect, &str)> {
    made.id.as_deref().filter(|_| made.lost.is_none()).map(|id| (made, id))
}

/// Returns a candidate with the AWS error code of its failed launch, or `None` if it was not rejected.
pub(super) fn refusal(effect: &Effect) -> Option<String> {
    let EffectKind::Instance { candidate, .. } = &effect.kind else { return None };
    Some(format!("{candidate}: {}", effect.refused.as_deref()?))
}

/// Returns in words for people what was tried before the launch that has succeeded, and why it failed. The text is empty
/// if the first launch succeeded.
pub(super) fn before(effects: &[Effect]) -> String {
    // A launch that has waited for room may have succeeded with an earlier candidate than the last one.
    let Some(succeeded) = effects.iter().rposition(|effect| in_use(effect).is_some()) else {
        return String::new();
    };
    let (earlier, later) = (effects.iter().take(succeeded), effects.iter().skip(succeeded + 1));
    // Any other launch that was not refused was a spot instance that has ended too early.
    let reasons = earlier.chain(later).filter_map(|effect| match (&effect.kind, &effect.id) {
        (EffectKind::Instance { candidate, .. }, Some(id)) => {
            Some(format!("{candidate}: {id} {}", how_lost(effect.lost.as_deref().unwrap_or_default())))
        }
        _ => refusal(effect),
    });
    let reasons: Vec<String> = reasons.collect();
    if reasons.is_empty() { String::new() } else { format!("; tried before: {}", reasons.join("; ")) }
}

/// Returns how an instance was lost, for people. Journals of earlier versions have no reason: they have only interruptions
/// of spot instances.
fn how_lost(reason: &str) -> String {
    if reason.contains(NO_KEY) {
        return format!(
            "ended ({reason}); a possible cause is that AWSServiceRoleForEC2Spot has no grant for the KMS key of a volume"
        );
    }
    if reason.is_empty() || reason.contains("Server.SpotInstance") {
        return "was interrupted".to_owned();
    }
    format!("did not come back ({reason})")
}
