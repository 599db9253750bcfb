//! `cron(minute hour day month weekday year)`

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::ScheduleError;
use super::days::Days;
use super::field::{HOUR, MINUTE, MONTH, YEAR};

/// A cron expression of EventBridge Scheduler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<i16>,
    hours: BTreeSet<i16>,
    days: Days,
    months: BTreeSet<i16>,
    years: BTreeSet<i16>,
}

impl Cron {
    /// Reads the text between the parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday, year] = fields[..] else {
            return Err(ScheduleError::FieldCount { found: fields.len() });
        };
        let cron = Self {
            minutes: MINUTE.values(minute)?,
            hours: HOUR.values(hour)?,
            days: Days::parse(day, weekday)?,
            months: MONTH.values(month)?,
            years: YEAR.values(year)?,
        };
        // Each field of `cron(0 0 31 2 ? *)` is correct, but the day never comes.
        let fires = cron.days_from(Date::MIN).next().is_some();
        fires.then_some(cron).ok_or(ScheduleError::Never)
    }

    /// Returns the times after `now` at which the expression fires in this zone.
    pub(super) fn after(&self, now: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
        // The fields are in the local time of the schedule, whose date may differ from that of UTC.
        let today = zone.to_datetime(now).date();
        self.days_from(today)
            .flat_map(|day| self.times_of(day))
            .filter_map(|time| instant(zone, time))
            .filter(move |time| *time > now)
    }

    /// Returns the days that the expression names, from this day on.
    fn days_from(&self, first: Date) -> impl Iterator<Item = Date> {
        let years = self.years.range(first.year()..);
        let months = years.flat_map(|year| self.months.iter().map(move |month| (*year, *month)));
        let firsts = months.filter_map(|(year, month)| Date::new(year, i8::try_from(month).ok()?, 1).ok());
        let days = firsts.flat_map(|first| (1..=first.days_in_month()).filter_map(move |day| at(first, day)));
        days.filter(move |day| *day >= first && self.days.contain(*day))
    }

    fn times_of(&self, day: Date) -> impl Iterator<Item = DateTime> {
        let narrow = |value: &i16| i8::try_from(*value).ok();
        let hours = self.hours.iter().filter_map(narrow);
        hours.flat_map(move |hour| self.minutes.iter().filter_map(narrow).map(move |minute| day.at(hour, minute, 0, 0)))
    }
}

fn at(first: Date, day: i8) -> Option<Date> {
    Date::new(first.year(), first.month(), day).ok()
}

/// Returns the instant of a local time. If a clock change skips this time, returns `None`. If it occurs twice, returns
/// the first instant.
fn instant(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let found = zone.to_ambiguous_timestamp(time);
    match found.offset() {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => found.earlier().ok(),
    }
}
