//! A field of a cron expression, with the values that it allows.

use std::collections::BTreeSet;

use super::ScheduleError;

/// The values that a field allows.
pub(super) struct Kind {
    /// Name of the field in messages.
    pub(super) name: &'static str,
    /// The name with its article.
    pub(super) one: &'static str,
    /// The allowed values, for messages.
    pub(super) wanted: &'static str,
    /// Lowest value.
    pub(super) low: i16,
    /// Highest value.
    pub(super) high: i16,
    /// Names of the values, starting with the lowest value.
    pub(super) names: &'static [&'static str],
    /// Whether `/` is allowed. AWS allows it in every field except the weekday.
    pub(super) steps: bool,
}

pub(super) const MINUTE: Kind = Kind {
    name: "minute",
    one: "a minute",
    wanted: "use 0-59 with , - * /",
    low: 0,
    high: 59,
    names: &[],
    steps: true,
};
pub(super) const HOUR: Kind =
    Kind { name: "hour", one: "an hour", wanted: "use 0-23 with , - * /", low: 0, high: 23, names: &[], steps: true };
pub(super) const DAY: Kind = Kind {
    name: "day",
    one: "a day",
    wanted: "use 1-31 with , - * ? / L W",
    low: 1,
    high: 31,
    names: &[],
    steps: true,
};
pub(super) const MONTH: Kind = Kind {
    name: "month",
    one: "a month",
    wanted: "use 1-12 or JAN-DEC with , - * /",
    low: 1,
    high: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    steps: true,
};
pub(super) const WEEKDAY: Kind = Kind {
    name: "weekday",
    one: "a weekday",
    wanted: "use 1-7 or SUN-SAT with , - * ? L #",
    low: 1,
    high: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    steps: false,
};
pub(super) const YEAR: Kind = Kind {
    name: "year",
    one: "a year",
    wanted: "use 1970-2199 with , - * /",
    low: 1970,
    high: 2199,
    names: &[],
    steps: true,
};

impl Kind {
    /// Reads a list of values, ranges and steps.
    pub(super) fn values(&self, text: &str) -> Result<BTreeSet<i16>, ScheduleError> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) if self.steps => (range, Some(step)),
                Some(_) => return Err(self.wrong(part)),
                None => (part, None),
            };
            let (low, high) = match range.split_once('-') {
                _ if range == "*" => (self.low, self.high),
                Some((low, high)) => (self.value(low, part)?, self.value(high, part)?),
                None => {
                    let value = self.value(range, part)?;
                    // `5/15` means: from 5 on, every 15.
                    (value, if step.is_some() { self.high } else { value })
                }
            };
            if high < low {
                return Err(ScheduleError::Backwards { part: part.to_owned(), field: self.name });
            }
            let step = step.map_or(Ok(1), |step| self.step(step, part))?;
            values.extend((low..=high).step_by(step));
        }
        Ok(values)
    }

    /// Reads one value, as a number or as a name in upper or lower case.
    pub(super) fn value(&self, text: &str, part: &str) -> Result<i16, ScheduleError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|index| i16::try_from(index).ok()).map(|index| index + self.low);
        // `parse` alone would accept a sign.
        let number = || text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let value = named.or_else(number).filter(|value| (self.low..=self.high).contains(value));
        value.ok_or_else(|| self.wrong(part))
    }

    pub(super) fn wrong(&self, part: &str) -> ScheduleError {
        ScheduleError::Part { part: part.to_owned(), field: self.one, wanted: self.wanted }
    }

    fn step(&self, step: &str, part: &str) -> Result<usize, ScheduleError> {
        let digits = step.bytes().all(|b| b.is_ascii_digit());
        let step: Option<u16> = step.parse().ok().filter(|step| digits && *step > 0);
        step.map(usize::from).ok_or_else(|| ScheduleError::Step { part: part.to_owned(), field: self.name })
    }
}
