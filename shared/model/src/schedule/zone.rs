//! IANA time zones, from the database that is compiled in, so that every machine finds the same ones.

use std::sync::LazyLock;

use goldsmith_document::did_you_mean;
use jiff::tz::{TimeZone, TimeZoneDatabase};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{zone}`")]
pub struct ZoneError {
    /// The name that was given.
    pub zone: String,
    /// A similar name of a time zone.
    pub near: Option<String>,
}

/// Returns the IANA time zone with this name. Letter case matters: Scheduler accepts `Europe/Berlin`, but not
/// `europe/berlin`.
///
/// # Errors
/// No time zone has this name.
pub fn time_zone(name: &str) -> Result<TimeZone, ZoneError> {
    let known = || ZONES.available().map(|zone| zone.as_str().to_owned());
    let found = if known().any(|zone| zone == name) { ZONES.get(name).ok() } else { None };
    found.ok_or_else(|| {
        let names: Vec<String> = known().collect();
        let near = did_you_mean(name, names.iter().map(String::as_str)).map(str::to_owned);
        ZoneError { zone: name.to_owned(), near }
    })
}
