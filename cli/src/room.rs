//! The launches that wait until the account or EC2 has room for their instances.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_store::{Place, StateRecord, Store};
use serde::Serialize;

/// A launch that waits for room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InLine {
    /// The build.
    build: String,
    /// Since when it waits, in the format of RFC 3339.
    since: String,
    /// Its number among all launches that wait, from 1.
    position: usize,
    /// How many launches wait.
    of: usize,
}

impl InLine {
    /// Returns the place in words for people.
    pub(crate) fn place(&self) -> String {
        format!("{} of {}, since {}", self.position, self.of, self.since)
    }
}

/// Returns the first launch of each build that waits for room, by the id of the build.
pub(crate) async fn in_line(store: &Store) -> Result<BTreeMap<String, InLine>> {
    let all = store.all_for_room().await?;
    let mut found = BTreeMap::new();
    for ((place, wait), position) in all.iter().zip(1..) {
        let since = format!("{:.0}", place.since);
        let one = InLine { build: wait.build.clone(), since, position, of: all.len() };
        found.entry(wait.build.clone()).or_insert(one);
    }
    Ok(found)
}

/// Returns whether this state is a launch that waits for room.
pub(crate) fn waits_for_room(state: &StateRecord) -> bool {
    state.ended_at.is_none() && state.waits_for.as_deref().and_then(Place::of).is_some()
}
