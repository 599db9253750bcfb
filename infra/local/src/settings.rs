//! Settings of an endpoint that can be changed while it runs: its times, its limits and the events that it sends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::api::ApiError;
use crate::delays::{DelayProfile, Delays};
use crate::options::{LONGEST_LAG, Options};

/// EBS makes this many copies of snapshots into one Region at the same time. It rejects more, and does not queue them.
const COPY_SLOTS: usize = 20;
/// Conversion tasks of a Region at the same time (VM Import/Export user guide, "Considerations for image export").
const EXPORT_SLOTS: usize = 5;
/// Longest time for which a new resource may be unknown.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(300);

/// The current settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) delays: Delays,
    /// How old the answers of describe calls are.
    pub(crate) lag: Duration,
    /// Whether `SSM Managed Instance Registration` is sent.
    pub(crate) registration_events: bool,
    /// Time by which launches, and the last contacts of lost agents, appear older than they are.
    pub(crate) age: Duration,
    /// How long calls that name a new resource do not know it.
    pub(crate) unknown_for: Duration,
    /// How long an instance's role has no credentials after a boot.
    pub(crate) credentials_after: Duration,
    /// Snapshots that may be copied into a Region at the same time.
    pub(crate) copy_slots: usize,
    /// Exports of images that may be in progress in a Region at the same time.
    pub(crate) export_slots: usize,
    /// Least time from the beginning of an export to the transfer of its image.
    pub(crate) export_after: Duration,
    /// Regions that are not enabled.
    pub(crate) disabled_regions: BTreeSet<String>,
    /// Availability Zones that do not have an instance type, by type.
    pub(crate) not_offered: BTreeMap<String, BTreeSet<String>>,
    /// Product codes of images to which no account has subscribed, by image.
    pub(crate) product_codes: BTreeMap<String, String>,
    /// Usage operations of images other than `RunInstances`, by image. They say what is billed for the platform.
    pub(crate) usage_operations: BTreeMap<String, String>,
}

/// A change. Settings that are not named stay the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Change {
    delays: Option<DelayProfile>,
    /// In seconds.
    describe_lag: Option<f64>,
    registration_events: Option<bool>,
    /// Bytes a second of a script's output. With 0, the output is not slowed down.
    output_rate: Option<u32>,
    /// In seconds.
    age: Option<u32>,
    /// In seconds.
    unknown_for: Option<f64>,
    /// In seconds.
    credentials_after: Option<f64>,
    copy_slots: Option<usize>,
    export_slots: Option<usize>,
    /// In seconds.
    export_after: Option<f64>,
    regions: Option<Regions>,
    not_offered: Option<BTreeMap<String, BTreeSet<String>>>,
    product_codes: Option<BTreeMap<String, String>>,
    usage_operations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Regions {
    disabled: BTreeSet<String>,
}

impl From<&Options> for Settings {
    fn from(options: &Options) -> Self {
        Settings {
            delays: options.delays.into(),
            lag: options.describe_lag,
            registration_events: options.registration_events,
            age: Duration::ZERO,
            unknown_for: Duration::ZERO,
            credentials_after: Duration::ZERO,
            copy_slots: COPY_SLOTS,
            export_slots: EXPORT_SLOTS,
            export_after: Duration::ZERO,
            disabled_regions: BTreeSet::new(),
            not_offered: BTreeMap::new(),
            product_codes: BTreeMap::new(),
            usage_operations: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Returns a time as answers show it: tests of what happens after hours need not wait for them.
    pub(crate) fn aged(&self, time: Timestamp) -> Timestamp {
        time.checked_sub(self.age).unwrap_or(time)
    }

    /// Returns whether an Availability Zone has an instance type.
    pub(crate) fn offers(&self, instance_type: &str, zone: &str) -> bool {
        !self.not_offered.get(instance_type).is_some_and(|zones| zones.contains(zone))
    }

    /// Returns the moment whose state is known to calls that act on a resource.
    pub(crate) fn known_at(&self) -> Timestamp {
        let ago = SignedDuration::try_from(self.unknown_for).ok();
        ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok()).unwrap_or_default()
    }

    /// Applies a change, either completely or not at all.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), ApiError> {
        // All values are checked before the first is stored.
        let lag = within(change.describe_lag, LONGEST_LAG, "describeLag")?;
        let unknown_for = within(change.unknown_for, LONGEST_UNKNOWN, "unknownFor")?;
        let credentials_after = within(change.credentials_after, LONGEST_UNKNOWN, "credentialsAfter")?;
        let export_after = within(change.export_after, LONGEST_UNKNOWN, "exportAfter")?;
        self.lag = lag.unwrap_or(self.lag);
        self.export_after = export_after.unwrap_or(self.export_after);
        self.unknown_for = unknown_for.unwrap_or(self.unknown_for);
        self.credentials_after = credentials_after.unwrap_or(self.credentials_after);
        self.copy_slots = change.copy_slots.unwrap_or(self.copy_slots);
        self.export_slots = change.export_slots.unwrap_or(self.export_slots);
        if let Some(regions) = &change.regions {
            self.disabled_regions.clone_from(&regions.disabled);
        }
        if let Some(not_offered) = &change.not_offered {
            self.not_offered.clone_from(not_offered);
        }
        if let Some(product_codes) = &change.product_codes {
            self.product_codes.clone_from(product_codes);
        }
        if let Some(usage_operations) = &change.usage_operations {
            self.usage_operations.clone_from(usage_operations);
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

/// Returns a time in seconds, if it is given.
fn within(seconds: Option<f64>, longest: Duration, name: &str) -> Result<Option<Duration>, ApiError> {
    let Some(seconds) = seconds else { return Ok(None) };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= longest => Ok(Some(time)),
        _ => Err(ApiError::new("ValidationError", format!("{name} must be from 0 to {} seconds", longest.as_secs()))),
    }
}
