//! What starts a pipeline, and when.

use std::fmt;

use anyhow::Result;
use goldsmith_model::{ImagePipeline, RebuildOn, ScheduleExpression, Status, schedule_name};
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;

use crate::connection::Connection;
use crate::render::word;

/// A time at which a schedule fires, in the pipeline's time zone: for programs in the format of RFC 3339, for people
/// with the day of the week.
#[derive(Debug, Clone)]
pub(crate) struct NextTime(ZonedDateTime);

impl Serialize for NextTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S%:z"))
    }
}

impl fmt::Display for NextTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%a %Y-%m-%d %H:%M:%S %:z").fmt(out)
    }
}

/// Returns the next fire times, or why there are none.
pub(crate) async fn next_times(
    connection: &Connection,
    pipeline: &ImagePipeline,
    now: Timestamp,
    number: usize,
) -> Result<Result<Vec<NextTime>, &'static str>> {
    let Some(schedule) = &pipeline.schedule else { return Ok(Err("it has no schedule")) };
    if pipeline.status == Status::Disabled {
        return Ok(Err("the pipeline is disabled"));
    }
    let began = match schedule.schedule_expression.parse() {
        Ok(ScheduleExpression::Rate(_)) => match made(connection, pipeline).await? {
            Some(began) => began,
            None => return Ok(Err("its schedule does not exist yet: apply the pipeline again")),
        },
        _ => now,
    };
    let times = schedule.next(now, began, number).filter(|(times, _)| !times.is_empty());
    Ok(times
        .map(|(times, zone)| times.into_iter().map(|time| NextTime(time.to_zoned_datetime(zone.clone()))).collect())
        .ok_or("it never fires again"))
}

/// Returns when the pipeline's schedule was made: a rate counts from then.
async fn made(connection: &Connection, pipeline: &ImagePipeline) -> Result<Option<Timestamp>> {
    let Some(scheduling) = &connection.scheduling else { return Ok(None) };
    let found = connection.schedules.get(&scheduling.group, &schedule_name(&pipeline.name)).await?;
    Ok(found.map(|(_, made)| made))
}

/// Returns what starts it in addition to its schedule and its user.
pub(crate) fn rebuilt_on(pipeline: &ImagePipeline) -> String {
    let words: Vec<String> = pipeline.rebuild_on.iter().map(|change: &RebuildOn| word(change)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
