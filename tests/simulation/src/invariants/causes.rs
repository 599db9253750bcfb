//! What must hold of causes: each one that was kept is served, and is not built too often.

use std::collections::BTreeMap;
use std::sync::Arc;

use goldsmith_cloud::{Execution, ExecutionStatus, Kind as Refusal};
use goldsmith_model::Cause;
use goldsmith_store::{BuildRecord, CauseRecord, CauseStatus, ImageStatus};

use super::{lasts, records};
use crate::simulation::Simulation;

/// Errors of Lambda, after which the same may work.
const PASSING: [&str; 3] = ["Lambda.", "Runtime.", "Sandbox."];

/// Builds of one cause at most.
const TRIES: usize = 4;

/// Each cause that was kept is served, and was built once at most.
pub(super) fn check_served(sim: &Arc<Simulation>, builds: &[BuildRecord]) {
    let mut built: BTreeMap<(String, String), Vec<&BuildRecord>> = BTreeMap::new();
    for build in builds {
        let cause = serde_json::to_string(&build.cause).unwrap_or_default();
        built.entry((build.pipeline.to_string(), cause)).or_default().push(build);
    }
    for ((pipeline, cause), builds) in &mut built {
        builds.sort_by(|one, other| one.created_at.cmp(&other.created_at));
        // A build that has failed is tried again after an hour, six and a day.
        let is_again =
            |build: &&&BuildRecord| build.ending.as_ref().is_some_and(|end| end.status == ImageStatus::Failed);
        let again = builds.iter().take(TRIES - 1).take_while(is_again).count();
        if builds.len() > again + 1 {
            let names: Vec<&str> = builds.iter().map(|build| build.build.as_str()).collect();
            sim.violate(format!("{pipeline} was built {} times for {cause}: {}", builds.len(), names.join(", ")));
        }
    }
    let causes: Vec<CauseRecord> =
        records(sim, |key| ["CAUSE#", "SERVED#"].iter().any(|prefix| key.sk.starts_with(prefix)));
    let executions = sim.cloud.executions();
    // Nothing can be started, or it is not known whether something runs, or each try ends by what may pass.
    let cannot_build = lasts(sim, |refused| {
        let passes = matches!(refused.with, Refusal::Throttled | Refusal::Unanswered);
        passes || ["StartExecution", "DescribeExecution"].map(Some).contains(&refused.name)
    });
    let is_pending = |kept: &&CauseRecord| kept.status == CauseStatus::Pending;
    for kept in &causes {
        if is_pending(&kept) {
            if !cannot_build {
                sim.violate(format!("the cause {} of {} is pending at rest", kept.cause, kept.pipeline));
            }
            continue;
        }
        // What is older is kept in one that is pending.
        if causes.iter().filter(is_pending).any(|pending| pending.pipeline == kept.pipeline) {
            continue;
        }
        let arrived = kept.arrived_at.parse().map_or(0, |at: jiff::Timestamp| at.as_millisecond()) - 15_000;
        let is_of = |name: &str| is_of(kept, name);
        // A build or a skipped start of the pipeline since it arrived takes it in; so does an execution of its own, or of a
        // cause after it, that was refused, failed or stopped.
        let is_taken_in = builds.iter().any(|build| {
            let created = build.created_at.parse().map_or(0, |at: jiff::Timestamp| at.as_millisecond());
            // A run that makes no image builds nothing for a cause.
            build.plan.is_build() && build.pipeline == kept.pipeline && (created >= arrived || is_of(&build.build))
        });
        let skipped = sim.book(|book| {
            book.planned.iter().any(|(name, at)| *at >= arrived && name.starts_with(&format!("{}-", kept.pipeline)))
        });
        // The start of a later cause takes in the earlier ones, too.
        let has_later = causes.iter().any(|later| {
            later.pipeline == kept.pipeline && later.arrived_at >= kept.arrived_at && has_ended(later, &executions)
        });
        if !is_taken_in && !skipped && !has_later && !matches!(kept.cause, Cause::Manual { .. }) {
            sim.violate(format!(
                "the cause {} of {} is served, and nothing was built for it",
                kept.cause, kept.pipeline
            ));
        }
    }
}

/// Whether an execution of this name was started for a cause.
fn is_of(kept: &CauseRecord, name: &str) -> bool {
    name.starts_with(kept.id.trim_end_matches("-0"))
}

/// Whether an execution of a cause was refused, failed or stopped. One that stood back for another build, or failed by
/// something that passes, does not serve it.
fn has_ended(kept: &CauseRecord, executions: &[Execution]) -> bool {
    executions.iter().filter(|execution| is_of(kept, &execution.name)).any(|execution| {
        let error = execution.error.as_deref().unwrap_or_default();
        let passes = error == "Goldsmith.Throttled" || PASSING.iter().any(|its| error.starts_with(its));
        execution.status != ExecutionStatus::Succeeded && !passes
    })
}
