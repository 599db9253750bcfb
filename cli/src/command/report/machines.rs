//! The instances of a build: which were tried, and the outcomes of the tests on them.

use goldsmith_model::State;
use goldsmith_store::{Effect, EffectKind, StateStatus};

use super::facts::Facts;
use super::page::Badge;
use crate::render::{self, count, duration};
use crate::watch::label;

/// An instance that the build has requested.
pub(super) struct Attempt {
    pub(super) state: String,
    /// The type and the subnet.
    pub(super) candidate: String,
    pub(super) badge: Badge,
    pub(super) outcome: String,
}

/// The test of an instance type.
pub(super) struct Test {
    pub(super) instance_type: String,
    pub(super) badge: Badge,
    pub(super) took: String,
    pub(super) steps: String,
    pub(super) detail: String,
}

/// Returns the instances in the order in which they were requested.
pub(super) fn attempts(facts: &Facts) -> Vec<Attempt> {
    let instances = facts.effects.iter().filter_map(|effect| match &effect.kind {
        EffectKind::Instance { candidate, .. } => Some((effect, candidate)),
        _ => None,
    });
    let of = |(effect, candidate): (&Effect, &String)| {
        let (badge, outcome) = match (&effect.refused, &effect.lost, &effect.id) {
            (Some(code), ..) => ("rejected", format!("EC2 rejected it: {code}")),
            (_, Some(reason), id) => ("lost", format!("{} ended early: {reason}", id.as_deref().unwrap_or("it"))),
            (_, _, Some(id)) if never_online(facts, effect) => ("not online", format!("{id} in {}", effect.region)),
            (_, _, Some(id)) => ("launched", format!("{id} in {}", effect.region)),
            _ => ("requested", "no answer is recorded".to_owned()),
        };
        let (sign, class) = match badge {
            "launched" => ("✓", "good"),
            "requested" => ("●", "run"),
            "not online" => ("✗", "bad"),
            _ => ("!", "warn"),
        };
        let badge = Badge { word: badge.to_owned(), sign, class };
        Attempt { state: effect.scope.replace('#', " "), candidate: candidate.clone(), badge, outcome }
    };
    instances.map(of).collect()
}

/// Returns whether an instance has run but has never reached Systems Manager.
fn never_online(facts: &Facts, effect: &Effect) -> bool {
    let failure = facts.shown.image.failure.as_ref();
    failure.is_some_and(|cause| {
        cause.error == "Goldsmith.NotOnline" && cause.resource.is_some() && cause.resource == effect.id
    })
}

/// Returns the outcome for each instance type on which the plan tests.
pub(super) fn tests(facts: &Facts) -> Vec<Test> {
    let states = &facts.shown.states;
    let planned = facts.build.iter().flat_map(|build| &build.plan.tests);
    let of = |instance_type: &String| {
        let of_type =
            |state: State| states.iter().find(|one| one.state == state && one.item.as_ref() == Some(instance_type));
        let launch = of_type(State::LaunchTest).filter(|launch| launch.status == StateStatus::Failed);
        let Some(test) = of_type(State::ExecuteTest).or(launch) else {
            let badge = Badge::of_word("not run");
            let (took, steps, detail) = Default::default();
            return Test { instance_type: instance_type.clone(), badge, took, steps, detail };
        };
        // The audit comes before the tests.
        let has_run =
            !facts.shown.image.failure.as_ref().is_some_and(|cause| {
                cause.error == "Goldsmith.AuditFailed" && cause.item.as_ref() == Some(instance_type)
            });
        let name = label(test);
        let steps = facts.steps.iter().filter(|step| step.label == name).count();
        let ended = test.ended_at.as_ref().and_then(|ended| render::seconds_between(&test.started_at, ended));
        Test {
            instance_type: instance_type.clone(),
            badge: Badge::of_word(&if has_run { facts.shown.status_of(test) } else { "not run".to_owned() }),
            took: ended.map(duration).unwrap_or_default(),
            steps: count(steps, "step"),
            detail: if has_run { facts.shown.short_detail(test) } else { "the audit has failed before".to_owned() },
        }
    };
    planned.map(of).collect()
}
