//! A rollback that survives an interruption: the table records what it changes before it changes anything.

use anyhow::Result;
use goldsmith_model::ImagePipeline;
use goldsmith_store::{ParameterPlace, Pointed, Pointing, Rollback, stamp};
use jiff::Timestamp;

use super::Planned;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::hold::holder;
use crate::output;
use crate::pointers::{Pointer, Restored, Unchanged, point};

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
            let data_type = found.data_type.clone();
            all.push(Pointer::new(one.region.clone(), one.name.clone(), Some(found), &data_type));
        }
    }
    let as_before = |pointer: Pointer| {
        let begun = interrupted.parameters.iter().find(|one| is_of(one, &pointer));
        match begun {
            // Whoever has given it another value since then, for example a build, has meant it.
            Some(one) if pointer.now.as_ref().is_some_and(|now| one.may_have_given(now)) => Pointer {
                from: Some(one.from.clone()),
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
    // Each of them exists: only a build makes a parameter that a rollback changes.
    let parameters = pointers.iter().filter_map(|one| {
        let (region, name, to, earlier) = (one.region.clone(), one.name.clone(), one.to.clone(), one.earlier.clone());
        Some(Pointing { region, name, from: one.from.clone()?, to, earlier })
    });
    let at = stamp(Timestamp::now());
    let rollback = Rollback { holder: holder(), at, image: image.image.clone(), parameters: parameters.collect() };
    let (store, over) = (&connection.store, interrupted.as_ref().map(|one| one.holder.as_str()));
    // This comes before the first change: whoever comes after an interruption must know what the parameters held.
    if !store.begin_rollback(&pipeline.name, &rollback, over).await? {
        return Err(invalid(format!(
            "another rollback has begun, or {} has changed in the meantime: call the command again",
            image.image
        )));
    }
    let is_ours = async || match store.rollback(&pipeline.name).await {
        Ok(found) => found.is_some_and(|found| found.holder == rollback.holder),
        // Without an answer, this call goes on, or restores the parameters: most likely nobody has taken it over.
        Err(_) => true,
    };
    match point(connection, pointers, is_ours).await {
        Ok(()) => {}
        Err(Unchanged::TakenOver) => return Err(taken_over()),
        Err(Unchanged::Failed(failed)) => match failed.restore(connection).await {
            // The next rollback continues this one.
            Restored::NotAll(error) => return Err(error),
            Restored::All(error) => {
                // If this fails, the next rollback finds all parameters as they were, and starts again.
                if let Err(error) = store.end_rollback(&pipeline.name, &rollback.holder, None).await {
                    output::say(&format!("the end of the rollback cannot be recorded: {error:#}"));
                }
                return Err(error);
            }
        },
    }
    let places = rollback.parameters.into_iter().map(|Pointing { region, name, .. }| ParameterPlace { region, name });
    let pointed = Pointed { at: rollback.at, image: rollback.image, parameters: places.collect() };
    if !store.end_rollback(&pipeline.name, &rollback.holder, Some(&pointed)).await? {
        return Err(taken_over());
    }
    Ok(())
}

/// Returns the error of a call whose rollback another call continues.
fn taken_over() -> anyhow::Error {
    Stop { exit: Exit::Failed, message: "another call has taken this rollback over".to_owned() }.into()
}
