//! One client per Region, created on first use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_config::{Region, SdkConfig};

/// Clients of one service, one for each Region in use.
pub struct Regional<C> {
    config: SdkConfig,
    make: fn(&SdkConfig) -> C,
    clients: Mutex<BTreeMap<String, C>>,
}

impl<C: Clone> Regional<C> {
    /// Creates clients with this configuration except for the Region. `make` is the client's function `new`.
    pub fn new(config: &SdkConfig, make: fn(&SdkConfig) -> C) -> Self {
        Self { config: config.clone(), make, clients: Mutex::default() }
    }

    /// Returns the client of this Region.
    pub fn client(&self, region: &str) -> C {
        // A panic elsewhere leaves the map whole, because entries are only added.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || (self.make)(&self.config.to_builder().region(Region::new(region.to_owned())).build());
        clients.entry(region.to_owned()).or_insert_with(make).clone()
    }
}

impl<C> fmt::Debug for Regional<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regional").finish_non_exhaustive()
    }
}

/// Returns the configuration's own Region. The Region is empty if none is set. Every call then fails with the SDK's own
/// message.
#[must_use]
pub fn home_region(config: &SdkConfig) -> String {
    config.region().map(ToString::to_string).unwrap_or_default()
}
