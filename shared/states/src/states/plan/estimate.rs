//! Estimates how long a build takes and what it uses, by the last good builds of its pipeline. It knows no prices.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use goldsmith_model::{ImageRef, Name, State};
use goldsmith_store::{BuildRecord, ImageRecord, ImageStatus, PlannedCheckpoint, StateRecord};
use jiff::Timestamp;
use serde::Serialize;

use super::preflight::Examined;
use crate::{Context, Result};

/// Number of earlier builds that an estimate is made from. Each of them costs a read of the table.
const BUILDS: usize = 3;
/// Number of earlier builds among which these are looked for.
const LOOKED_AT: usize = 8;

/// The states that a build without tests does not have.
const OF_TESTS: [State; 5] =
    [State::BeginCopies, State::LaunchTest, State::ExecuteTest, State::EndTest, State::JudgeTests];

/// What a build takes, as far as is known before it begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The good builds from which the times are computed, as medians. If it is empty, no time is known.
    pub builds: Vec<ImageRef>,
    /// Seconds from the start of a build to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The states, in the order of a build.
    pub states: Vec<StateTime>,
    /// The instances: that of the build first, then one for each type of the tests.
    pub instances: Vec<InstanceTime>,
    /// The largest number of GiB of snapshots that the image gets in each Region: the sizes of its volumes. EC2 stores
    /// only blocks that were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_gib: Option<u64>,
}

/// How long a state takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateTime {
    /// The state.
    pub state: State,
    /// Seconds; of a state that runs for several items, those of the slowest item.
    pub seconds: u64,
}

/// How long an instance runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceTime {
    /// The type that is tried first.
    pub instance_type: String,
    /// Seconds; absent if no earlier build has used it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

/// Returns what a build of this pipeline takes.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn estimate(context: &Context, pipeline: &Name, examined: &Examined) -> Result<Estimate> {
    let recipe = &examined.inputs.recipe;
    let images = last_good(context.store.images(recipe.name.as_str()).await?, pipeline);
    let images = alike(context, images, examined.checkpoint.as_ref()).await?;
    let states = try_join_all(images.iter().map(|image| context.store.states(&image.build))).await?;
    let is_untested = examined.types.as_ref().is_some_and(|types| types.test.is_empty());
    let whole = images.iter().zip(&states).filter_map(|(image, states)| {
        let whole = between(&image.created_at, image.ended_at.as_ref()?)?;
        Some(if is_untested { whole.saturating_sub(tested(states)) } else { whole })
    });
    let times: Vec<StateTime> = State::ALL
        .iter()
        .filter(|state| !is_untested || !OF_TESTS.contains(state))
        .filter_map(|state| {
            let slowest =
                states.iter().filter_map(|build| build.iter().filter(|one| one.state == *state).filter_map(took).max());
            Some(StateTime { state: *state, seconds: median(slowest)? })
        })
        .collect();
    let (build, tests) =
        examined.types.as_ref().map_or((None, &[][..]), |types| (types.build.first(), &types.test[..]));
    let of_build = |name: &String| InstanceTime {
        instance_type: name.clone(),
        seconds: median(states.iter().filter_map(|build| ran(build, State::Launch, State::Snapshot, None))),
    };
    let of_test = |name: &String| InstanceTime {
        instance_type: name.clone(),
        seconds: median(states.iter().filter_map(|build| ran(build, State::LaunchTest, State::EndTest, Some(name)))),
    };
    Ok(Estimate {
        seconds: median(whole),
        builds: images.into_iter().map(|image| image.image).collect(),
        states: times,
        instances: build.map(of_build).into_iter().chain(tests.iter().map(of_test)).collect(),
        snapshot_gib: snapshot_gib(examined),
    })
}

/// Returns the last good builds of a pipeline, the newest first.
fn last_good(mut images: Vec<ImageRecord>, pipeline: &Name) -> Vec<ImageRecord> {
    images.retain(|image| {
        image.pipeline == *pipeline
            && image.status == ImageStatus::Available
            && !image.overridden
            && image.ended_at.is_some()
    });
    images.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    images.truncate(LOOKED_AT);
    images
}

/// Returns the last builds that have done the same with a checkpoint as this build would: they have none, have made one, or
/// have begun with one. The times of the others say nothing about it.
async fn alike(
    context: &Context,
    images: Vec<ImageRecord>,
    checkpoint: Option<&PlannedCheckpoint>,
) -> Result<Vec<ImageRecord>> {
    let shape = |planned: Option<&PlannedCheckpoint>| planned.map(|planned| planned.found.is_some());
    let records = try_join_all(images.iter().map(|image| context.store.build(&image.build))).await?;
    let is_alike = |record: &Option<BuildRecord>| {
        shape(record.as_ref().and_then(|record| record.plan.checkpoint.as_ref())) == shape(checkpoint)
    };
    let found = images.into_iter().zip(records).filter(|(_, record)| is_alike(record));
    Ok(found.map(|(image, _)| image).take(BUILDS).collect())
}

/// Returns the sum of the sizes of the image's volumes, as the recipe maps them.
fn snapshot_gib(examined: &Examined) -> Option<u64> {
    let source = examined.source.as_ref()?;
    let of_source = source.block_devices.iter().map(|device| (&device.device_name, device.volume_size));
    let mut sizes: BTreeMap<&String, Option<u32>> = of_source.collect();
    for mapping in &examined.inputs.recipe.block_device_mappings {
        let size = sizes.entry(&mapping.device_name).or_default();
        *size = mapping.ebs.volume_size.or(*size);
    }
    sizes.into_values().map(|size| size.map(u64::from)).sum()
}

/// Returns how long an instance ran: from the start of the state that launches it to the end of the state that
/// terminates it. It did not run yet while its launch waited for room.
fn ran(build: &[StateRecord], from: State, to: State, item: Option<&String>) -> Option<u64> {
    let of = |state: State| build.iter().find(|one| one.state == state && one.item.as_ref() == item);
    let launch = of(from)?;
    let whole = between(&launch.started_at, of(to)?.ended_at.as_ref()?)?;
    Some(whole.saturating_sub(launch.waited_for_room.unwrap_or_default()))
}

/// Returns how long the tests of a build took, or 0 if it had none.
fn tested(build: &[StateRecord]) -> u64 {
    let of_tests = || build.iter().filter(|one| OF_TESTS.contains(&one.state));
    let began = of_tests().map(|one| &one.started_at).min();
    let ended = of_tests().filter_map(|one| one.ended_at.as_ref()).max();
    began.zip(ended).and_then(|(began, ended)| between(began, ended)).unwrap_or_default()
}

fn took(state: &StateRecord) -> Option<u64> {
    between(&state.started_at, state.ended_at.as_ref()?)
}

/// Returns the seconds between two times of the table, or `None` if one of them is not a time.
fn between(from: &str, to: &str) -> Option<u64> {
    let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
    u64::try_from(to.duration_since(from).as_secs()).ok()
}

/// Returns the value in the middle; of an even number of values, the greater one of the two.
fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(state: &str, item: Option<&str>, from: u32, to: u32) -> StateRecord {
        let time = |seconds: u32| format!("2026-01-01T00:{:02}:{:02}.000Z", seconds / 60, seconds % 60);
        let record =
            json!({"state": state, "item": item, "status": "SUCCEEDED", "startedAt": time(from), "endedAt": time(to)});
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn an_instance_runs_from_its_launch_to_the_state_that_ends_it() {
        let waited = |seconds: u64, launch| StateRecord { waited_for_room: Some(seconds), ..launch };
        let mut build = [
            state("Launch", None, 10, 40),
            state("Build", None, 40, 400),
            state("Snapshot", None, 400, 700),
            state("LaunchTest", Some("t3.small"), 700, 750),
            state("EndTest", Some("t3.small"), 800, 820),
        ];
        assert_eq!(ran(&build, State::Launch, State::Snapshot, None), Some(690));
        assert_eq!(ran(&build, State::LaunchTest, State::EndTest, Some(&"t3.small".to_owned())), Some(120));
        assert_eq!(ran(&build, State::LaunchTest, State::EndTest, Some(&"t3.large".to_owned())), None);
        build[0] = waited(20, state("Launch", None, 10, 40));
        assert_eq!(ran(&build, State::Launch, State::Snapshot, None), Some(670));
    }

    #[test]
    fn tests_take_the_time_from_the_first_of_their_states_to_the_last() {
        let build = [
            state("Snapshot", None, 400, 700),
            state("BeginCopies", None, 700, 701),
            state("LaunchTest", Some("t3.small"), 702, 750),
            state("EndTest", Some("t3.small"), 800, 820),
            state("JudgeTests", None, 821, 822),
            state("Publish", None, 830, 840),
        ];
        assert_eq!((tested(&build), tested(&build[..1])), (122, 0));
    }

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        for (values, expected) in [(vec![], None), (vec![3], Some(3)), (vec![9, 1, 5], Some(5)), (vec![1, 4], Some(4))]
        {
            assert_eq!(median(values.into_iter()), expected);
        }
        assert_eq!(between("2026-01-01T00:00:00.000Z", "no time"), None);
    }
}
