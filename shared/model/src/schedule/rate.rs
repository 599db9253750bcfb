//! `rate(value unit)`

use jiff::{SignedDuration, Timestamp};

use super::ScheduleError;

/// A regular interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Length of the rate in minutes.
    minutes: u32,
}

/// The units in singular and plural, and the number of minutes in each. A day has 24 hours, even if the clocks change.
const UNITS: [(&str, &str, u32); 3] = [("minute", "minutes", 1), ("hour", "hours", 60), ("day", "days", 24 * 60)];

impl Rate {
    /// Highest value. If the unit is days, the result stays below the last year that a time can have.
    pub const MAX: u32 = 100_000;

    /// Reads the text between the parentheses.
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [value, unit] = words[..] else { return Err(ScheduleError::Rate { text: text.to_owned() }) };
        let Some((one, many, minutes)) = UNITS.iter().find(|(one, many, _)| [*one, *many].contains(&unit)) else {
            return Err(ScheduleError::Unit { unit: unit.to_owned() });
        };
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        let number: Option<u32> = value.parse().ok().filter(|number| digits && (1..=Self::MAX).contains(number));
        let value = number.ok_or_else(|| ScheduleError::Value { value: value.to_owned() })?;
        // EventBridge wants `1 hour`, but `2 hours`.
        let right = if value == 1 { one } else { many };
        if unit != *right {
            return Err(ScheduleError::Plural { value, unit: unit.to_owned(), right: (*right).to_owned() });
        }
        Ok(Self { minutes: value * minutes })
    }

    /// Returns the times after `now`, counted from `began`.
    pub(super) fn after(self, now: Timestamp, began: Timestamp) -> impl Iterator<Item = Timestamp> {
        let step = SignedDuration::from_mins(self.minutes.into());
        // A rate counts from the time at which the schedule began, and not from the last start.
        let gone = now.duration_since(began).as_secs().max(0) / step.as_secs().max(1);
        let first = i32::try_from(gone + 1).ok().and_then(|n| began.checked_add(step.checked_mul(n)?).ok());
        std::iter::successors(first, move |last| last.checked_add(step).ok())
    }
}
