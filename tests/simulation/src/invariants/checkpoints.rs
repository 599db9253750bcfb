//! What must hold of checkpoints, and of the images that are built with them.

use std::sync::Arc;

use goldsmith_cloud::{TAG_STATUS, Tags};
use goldsmith_states::TAG_BUILD;
use goldsmith_store::{CheckpointRecord, ImageStatus};
use jiff::SignedDuration;

use super::{builds, images, lasts, records, state_succeeded};
use crate::simulation::Simulation;

/// Every document of an available image has run on its build instance, or before the checkpoint with which its build has
/// begun. A build that is interrupted runs all of them again.
pub(super) fn check_documents(sim: &Arc<Simulation>) {
    let images = images(sim);
    for build in builds(sim).iter().filter(|build| build.plan.is_build()) {
        let image = images.iter().find(|image| image.image == build.image);
        if image.is_none_or(|image| image.status != ImageStatus::Available) {
            continue;
        }
        let last = if build.plan.makes_checkpoint().is_some() { "BuildRest" } else { "Build" };
        if !state_succeeded(sim, &build.build, last) && !state_succeeded(sim, &build.build, "BuildAgain") {
            sim.violate(format!("{} is available, and not all of its components have run", build.image));
        }
        let found = build.plan.checkpoint.as_ref().and_then(|planned| planned.found.as_ref());
        if let Some(found) = found
            && !state_succeeded(sim, &found.build, "Build")
        {
            sim.violate(format!("{} begins with a checkpoint whose components have not run", build.image));
        }
    }
}

/// Returns the checkpoints that the table names and whose AMIs stay, or may wait for the next sweep. Where nothing happens,
/// sweeps come only a few times a day.
pub(super) fn kept(sim: &Simulation) -> Vec<CheckpointRecord> {
    let now = sim.engine.time(0) - SignedDuration::from_hours(24);
    let mut all: Vec<CheckpointRecord> = records(sim, |key| key.sk == "CHECKPOINT");
    all.retain(|checkpoint| checkpoint.is_kept(now));
    all
}

/// Returns whether these tags are those of a checkpoint of this build, or of its snapshots.
pub(super) fn is_of(tags: &Tags, build: &str) -> bool {
    tags.get(TAG_STATUS).is_some_and(|status| status == "checkpoint")
        && tags.get(TAG_BUILD).is_some_and(|of| of == build)
}

/// Returns whether a checkpoint waits for the next sweep, which may remove it.
pub(super) fn has_old(sim: &Simulation) -> bool {
    let kept = kept(sim);
    let is_old = |(id, tags): (&String, &Tags)| {
        tags.get(TAG_STATUS).is_some_and(|status| status == "checkpoint") && kept.iter().all(|one| one.image != *id)
    };
    let there = sim.cloud.inventory();
    !lasts(sim, |_| true) && there.regions.values().any(|found| found.images.iter().any(is_old))
}
