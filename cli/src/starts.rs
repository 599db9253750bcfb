//! What starts a pipeline, and when.

use std::fmt;

use anyhow::Result;
use goldsmith_model::{ImagePipeline, RebuildOn, ScheduleExpression, Status, schedule_name, time_zone};
use goldsmith_store::Failures;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::render::{count, word};

/// A time at which a schedule fires, in the pipeline's time zone. Programs get it in the format of RFC 3339, and people
/// get it with the day of the week.
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

/// What keeps a pipeline from starting automatically for a while, as `--output json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holds {
    /// The failures that have stopped its automatic starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auto_disabled: Option<Failures>,
    /// When the freeze ends that postpones its automatic starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frozen_until: Option<NextTime>,
}

impl Holds {
    /// Returns what keeps the pipeline from starting automatically now.
    pub(crate) async fn of(connection: &Connection, pipeline: &ImagePipeline, now: Timestamp) -> Result<Self> {
        let failures = connection.store.failures(&pipeline.name).await?;
        let zone = pipeline.freeze.iter().find_map(|freeze| freeze.timezone.as_deref()).unwrap_or("UTC");
        let zone = time_zone(zone).unwrap_or(TimeZone::UTC);
        Ok(Self {
            auto_disabled: failures.filter(|failures| failures.stopped_at.is_some()),
            frozen_until: pipeline.frozen_until(now).map(|until| NextTime(until.to_zoned_datetime(zone))),
        })
    }

    /// Returns whether the pipeline starts by itself: failures in a row disable it as a person does.
    pub(crate) fn status(&self, pipeline: &ImagePipeline) -> Status {
        if self.auto_disabled.is_some() { Status::Disabled } else { pipeline.status }
    }

    /// Returns why failures have stopped the pipeline, and what a person can do.
    pub(crate) fn why_stopped(&self, globals: &Globals, pipeline: &ImagePipeline) -> Option<String> {
        let Failures { count: failures, image, .. } = self.auto_disabled.as_ref()?;
        let (failures, again) = (count(*failures as usize, "failed build"), globals.again());
        Some(format!(
            "{failures} in a row, the last one {image}: `{again} enable {}` lets it start again",
            pipeline.name
        ))
    }
}

/// Returns the next times at which a schedule starts the pipeline, or why there are none. A time within a freeze is
/// postponed to the end of the freeze.
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
        // EventBridge counts a rate from the creation of the schedule, and everything else by the clock.
        Ok(ScheduleExpression::Rate(_)) => match made(connection, pipeline).await? {
            Some(began) => began,
            None => return Ok(Err("its schedule does not exist yet: apply the pipeline again")),
        },
        _ => now,
    };
    let (mut times, mut after) = (Vec::new(), now);
    while times.len() < number
        && let Some((next, zone)) = schedule.next(after, began, 1)
        && let Some(time) = next.first()
    {
        // One build at the end of a freeze serves all times within it.
        after = pipeline.frozen_until(*time).unwrap_or(*time);
        times.push(NextTime(after.to_zoned_datetime(zone)));
    }
    Ok(if times.is_empty() { Err("it never fires again") } else { Ok(times) })
}

/// Returns when the pipeline's schedule was created: a rate counts from that time.
async fn made(connection: &Connection, pipeline: &ImagePipeline) -> Result<Option<Timestamp>> {
    let Some(scheduling) = &connection.scheduling else { return Ok(None) };
    let found = connection.schedules.get(&scheduling.group, &schedule_name(&pipeline.name)).await?;
    Ok(found.map(|(_, made)| made))
}

/// Returns what starts the pipeline, in addition to its schedule and a person.
pub(crate) fn rebuilt_on(pipeline: &ImagePipeline) -> String {
    let words: Vec<String> = pipeline.rebuild_on.iter().map(|change: &RebuildOn| word(change)).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
