//! The two day fields of a cron expression. One of them is `?`.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::ScheduleError;
use super::field::{DAY, WEEKDAY};

/// Days of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Days {
    /// These days of the month.
    OfMonth(BTreeSet<i16>),
    /// `L`: the last day.
    Last,
    /// `15W`: the weekday, Monday to Friday, that is nearest to this day within the month.
    NearestWeekday(i16),
    /// These weekdays, 1 = SUN.
    OfWeek(BTreeSet<i16>),
    /// `6L`: the last such weekday of the month.
    LastOfWeek(i16),
    /// `3#2`: the second such weekday of the month.
    Nth(i16, i16),
}

/// Saturday and Sunday in AWS's numbers.
const SATURDAY: i16 = 7;
const SUNDAY: i16 = 1;

impl Days {
    /// Reads both day fields.
    pub(super) fn parse(day: &str, weekday: &str) -> Result<Self, ScheduleError> {
        match (day == "?", weekday == "?") {
            (false, true) => Self::of_month(day),
            (true, false) => Self::of_week(weekday),
            (both, _) => Err(ScheduleError::TwoDays { both }),
        }
    }

    fn of_month(text: &str) -> Result<Self, ScheduleError> {
        if text.eq_ignore_ascii_case("L") {
            return Ok(Self::Last);
        }
        if text.contains(',') {
            alone(text, &['L', 'W'], DAY.name)?;
        }
        match text.strip_suffix(['W', 'w']) {
            Some(day) => Ok(Self::NearestWeekday(DAY.value(day, text)?)),
            None => Ok(Self::OfMonth(DAY.values(text)?)),
        }
    }

    fn of_week(text: &str) -> Result<Self, ScheduleError> {
        if text.eq_ignore_ascii_case("L") {
            return Ok(Self::OfWeek(BTreeSet::from([SATURDAY]))); // the last day of the week
        }
        if text.contains(',') {
            alone(text, &['#'], WEEKDAY.name)?;
        }
        if let Some((weekday, nth)) = text.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth)).ok_or_else(|| WEEKDAY.wrong(text))?;
            return Ok(Self::Nth(WEEKDAY.value(weekday, text)?, nth));
        }
        match text.strip_suffix(['L', 'l']) {
            Some(weekday) => Ok(Self::LastOfWeek(WEEKDAY.value(weekday, text)?)),
            None => Ok(Self::OfWeek(WEEKDAY.values(text)?)),
        }
    }

    /// Returns whether this day matches.
    pub(super) fn contain(&self, date: Date) -> bool {
        let (day, weekday, last) = (i16::from(date.day()), weekday(date), i16::from(date.days_in_month()));
        match self {
            Self::OfMonth(days) => days.contains(&day),
            Self::Last => day == last,
            Self::NearestWeekday(wanted) => *wanted <= last && day == nearest_weekday(date, *wanted, last),
            Self::OfWeek(days) => days.contains(&weekday),
            // The last seven days of a month contain each weekday once.
            Self::LastOfWeek(wanted) => weekday == *wanted && day + 7 > last,
            Self::Nth(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
        }
    }
}

/// Returns the weekday, from 1 = SUN to 7 = SAT.
fn weekday(date: Date) -> i16 {
    date.weekday().to_sunday_one_offset().into()
}

/// Returns the day from Monday to Friday that is nearest to `day` in the month of `date`, which has `last` days.
fn nearest_weekday(date: Date, day: i16, last: i16) -> i16 {
    // The weekday of `day`, derived from that of another day of the month.
    let on = (weekday(date) - 1 + day - i16::from(date.day())).rem_euclid(7) + 1;
    // `W` never leaves the month: from a Saturday the 1st it goes forward, and from a Sunday at the end it goes back.
    match on {
        SATURDAY if day == 1 => 3,
        SATURDAY => day - 1,
        SUNDAY if day == last => day - 2,
        SUNDAY => day + 1,
        _ => day,
    }
}

/// Rejects a part that contains one of these marks if there are other parts.
fn alone(text: &str, marks: &[char], field: &'static str) -> Result<(), ScheduleError> {
    match text.split(',').find(|part| part.to_ascii_uppercase().contains(marks)) {
        Some(part) => Err(ScheduleError::Alone { part: part.to_owned(), field }),
        None => Ok(()),
    }
}
