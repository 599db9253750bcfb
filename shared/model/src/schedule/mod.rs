//! When a pipeline starts automatically: EventBridge Scheduler's expressions, which are checked before AWS sees them,
//! and the times at which they fire.
//!
//! Libraries for cron expressions implement other dialects. AWS has a year, no seconds, weekdays from 1 = SUN, and `?`
//! in exactly one of the two day fields. Unlike most libraries, Scheduler skips a local time that a clock change leaves
//! out.

mod cron;
mod days;
mod error;
mod field;
mod rate;
mod zone;

use std::str::FromStr;

use goldsmith_document::digest;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Name, Schedule};

pub use cron::Cron;
pub use error::ScheduleError;
pub use rate::Rate;
pub use zone::{ZoneError, time_zone};

/// A checked schedule expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleExpression {
    /// `cron(minute hour day month weekday year)`
    Cron(Cron),
    /// `rate(value unit)`
    Rate(Rate),
}

impl FromStr for ScheduleExpression {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let inner = |kind: &str| text.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(fields) = inner("cron") {
            return Ok(Self::Cron(Cron::parse(fields)?));
        }
        if let Some(rate) = inner("rate") {
            return Ok(Self::Rate(Rate::parse(rate)?));
        }
        match inner("at") {
            Some(_) => Err(ScheduleError::Once),
            None => Err(ScheduleError::Form { text: text.to_owned() }),
        }
    }
}

impl ScheduleExpression {
    /// Returns the next `count` times after `now` at which the expression fires, or fewer if it ends. A rate counts
    /// from `began`, which is the creation time of its schedule.
    ///
    /// The times are those of EventBridge Scheduler. A local time that a clock change skips is left out, a local time
    /// that occurs twice fires only the first time, and a day of a rate has 24 hours.
    #[must_use]
    pub fn next(&self, now: Timestamp, began: Timestamp, zone: &TimeZone, count: usize) -> Vec<Timestamp> {
        match self {
            Self::Cron(cron) => cron.after(now, zone).take(count).collect(),
            Self::Rate(rate) => rate.after(now, began).take(count).collect(),
        }
    }
}

/// Maximum length of a schedule's name in EventBridge Scheduler, in characters.
const NAME_LENGTH: usize = 64;

/// Returns the name of a pipeline's schedule. It is the pipeline's own name if Scheduler accepts it. Otherwise it is
/// the beginning of that name, with `_` in place of spaces, and a hash of the whole name, so that no two pipelines
/// share a name.
#[must_use]
pub fn schedule_name(pipeline: &Name) -> String {
    let name = pipeline.as_str();
    if name.len() <= NAME_LENGTH && !name.contains(' ') {
        return name.to_owned();
    }
    let hash = &digest(name)[..16];
    let readable: String = name.chars().take(NAME_LENGTH - hash.len() - 1).collect();
    format!("{}-{hash}", readable.replace(' ', "_"))
}

impl Schedule {
    /// Returns the next `count` times after `now` at which the schedule fires, and its time zone. `began` is the
    /// creation time of the schedule. Returns `None` if the expression or the time zone is not valid.
    /// [`crate::definitions`] rejects both.
    #[must_use]
    pub fn next(&self, now: Timestamp, began: Timestamp, count: usize) -> Option<(Vec<Timestamp>, TimeZone)> {
        let expression: ScheduleExpression = self.schedule_expression.parse().ok()?;
        let zone = time_zone(self.timezone.as_deref().unwrap_or("UTC")).ok()?;
        Some((expression.next(now, began, &zone, count), zone))
    }
}

#[cfg(test)]
mod tests;
