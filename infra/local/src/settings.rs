//! What of an endpoint can be changed while it runs: its times and which events it sends.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::ApiError;
use crate::delays::{DelayProfile, Delays};
use crate::options::{LONGEST_LAG, Options};

/// The settings in force.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) delays: Delays,
    /// How old the answers of describe calls are.
    pub(crate) lag: Duration,
    /// Whether `SSM Managed Instance Registration` is sent.
    pub(crate) registration_events: bool,
    /// How much longer ago launches, and the last words of lost agents, are told to be than they were.
    pub(crate) age: Duration,
}

/// A change: what is not named stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Change {
    delays: Option<DelayProfile>,
    /// Seconds.
    describe_lag: Option<f64>,
    registration_events: Option<bool>,
    /// Bytes a second that a script's output gets through; 0: as it comes.
    output_rate: Option<u32>,
    /// Seconds.
    age: Option<u32>,
}

impl From<&Options> for Settings {
    fn from(options: &Options) -> Self {
        Settings {
            delays: options.delays.into(),
            lag: options.describe_lag,
            registration_events: options.registration_events,
            age: Duration::ZERO,
        }
    }
}

impl Settings {
    /// A time as it is told: tests of what happens after hours need not wait for them.
    pub(crate) fn aged(&self, time: Timestamp) -> Timestamp {
        time.checked_sub(self.age).unwrap_or(time)
    }

    /// Applies a change, all of it or nothing.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), ApiError> {
        if let Some(seconds) = change.describe_lag {
            let lag = Duration::try_from_secs_f64(seconds).ok().filter(|lag| *lag <= LONGEST_LAG);
            self.lag = lag.ok_or_else(|| ApiError::new("ValidationError", "describeLag is 0 to 5 seconds"))?;
        }
        self.delays = change.delays.map_or(self.delays, Delays::from);
        self.age = change.age.map_or(self.age, |seconds| Duration::from_secs(seconds.into()));
        if let Some(rate) = change.output_rate {
            self.delays.output_rate = (rate > 0).then(|| f64::from(rate));
        }
        self.registration_events = change.registration_events.unwrap_or(self.registration_events);
        Ok(())
    }
}
