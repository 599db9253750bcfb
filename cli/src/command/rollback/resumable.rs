//! A rollback that survives an interruption: the table records what it changes before it changes anything.

use anyhow::Result;
use goldsmith_cloud::Parameter;
use goldsmith_model::ImagePipeline;
use goldsmith_store::{ParameterPlace, Pointed, Pointing, Rollback, stamp};
use jiff::Timestamp;

use super::Planned;
use super::pointers::{Failed, Pointer, point};
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::hold::holder;
use crate::output;

/// The message for a call whose rollback another call has taken over.
const TAKEN_OVER: &str = "another call has taken this rollback over";

/// Returns the parameters as they were before an interrupted rollback. Adds the parameters that the pipeline no longer
/// writes but that still exist.
pub(super) async fn before(
    connection: &Connection,
    pointers: Vec<Pointer>,
    interrupted: &Rollback,
) -> Result<Vec<Pointer>> {
    let is_of = |one: &Pointing, pointer: &Pointer| one.region == pointer.region && one.name == pointer.name;
    let mut all = pointers;
    for one in &interrupted.parameters {
        if all.iter().any(|pointer| is_of(one, pointer)) {
            continue;
        }
        if let Some(found) = connection.cloud.parameters.get(&one.region, &one.name).await? {
            all.push(Pointer::new(one.region.clone(), one.name.clone(), found));
        }
    }
    let as_before = |pointer: Pointer| {
        let begun = interrupted.parameters.iter().find(|one| is_of(one, &pointer));
        match begun {
            // Whoever has given it another value since then, for example a build, has meant it.
            Some(one) if one.may_have_given(&pointer.now) => Pointer {
                from: Parameter { value: one.from.clone(), ..pointer.from },
                earlier: one.earlier.iter().chain([&one.to]).cloned().collect(),
                ..pointer
            },
            _ => pointer,
        }
    };
    Ok(all.into_iter().map(as_before).collect())
}

/// Changes all parameters, or none. If this call is interrupted, the next rollback of the pipeline finishes it or
/// undoes it. Safe to repeat.
pub(super) async fn roll_back(connection: &Connection, pipeline: &ImagePipeline, planned: &Planned) -> Result<()> {
    let Planned { image, pointers, interrupted } = planned;
    let parameters = pointers.iter().map(|one| Pointing {
        region: one.region.clone(),
        name: one.name.clone(),
        from: one.from.value.clone(),
        to: one.to.clone(),
        earlier: one.earlier.clone(),
    });
    let at = stamp(Timestamp::now());
    let rollback = Rollback { holder: holder(), at, image: image.image.clone(), parameters: parameters.collect() };
    let (store, over) = (&connection.store, interrupted.as_ref().map(|one| one.holder.as_str()));
    // This comes before the first change: whoever comes after an interruption must know what the parameters held.
    if !store.begin_rollback(&pipeline.name, &rollback, over).await? {
        return Err(invalid("another rollback has begun in the meantime: call the command again"));
    }
    let mut is_taken_over = false;
    let may_restore = async || {
        let found = store.rollback(&pipeline.name).await;
        // Without an answer, the parameters are restored: most likely nobody has taken the rollback over.
        is_taken_over = found.is_ok_and(|found| found.is_none_or(|found| found.holder != rollback.holder));
        !is_taken_over
    };
    if let Err(Failed { error, are_restored }) = point(connection, pointers, may_restore).await {
        if is_taken_over {
            return Err(error.context(TAKEN_OVER));
        }
        // If this fails, the next rollback finds all parameters as they were, and starts again.
        if are_restored && let Err(error) = store.end_rollback(&pipeline.name, &rollback.holder, None).await {
            output::say(&format!("the end of the rollback cannot be recorded: {error:#}"));
        }
        return Err(error);
    }
    let places = rollback.parameters.into_iter().map(|Pointing { region, name, .. }| ParameterPlace { region, name });
    let pointed = Pointed { at: rollback.at, image: rollback.image, parameters: places.collect() };
    if !store.end_rollback(&pipeline.name, &rollback.holder, Some(&pointed)).await? {
        return Err(Stop { exit: Exit::Failed, message: TAKEN_OVER.to_owned() }.into());
    }
    Ok(())
}
