//! A table of resources by id that remembers which rows changed, so that the journal writes only these.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Rows by id. Reading goes to the map inside; every way to change a row notes it.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<String, T>,
    changed: BTreeSet<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { rows: BTreeMap::new(), changed: BTreeSet::new() }
    }
}

impl<T> Deref for Table<T> {
    type Target = BTreeMap<String, T>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<T> Table<T> {
    pub(crate) fn insert(&mut self, id: String, row: T) {
        self.changed.insert(id.clone());
        self.rows.insert(id, row);
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let row = self.rows.get_mut(id)?;
        self.changed.insert(id.to_owned());
        Some(row)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let row = self.rows.remove(id)?;
        self.changed.insert(id.to_owned());
        Some(row)
    }

    /// A row for a change, made when there is none.
    pub(crate) fn entry(&mut self, id: String, make: impl FnOnce() -> T) -> &mut T {
        self.changed.insert(id.clone());
        self.rows.entry(id).or_insert_with(make)
    }
}

/// What the journal does with every table, whatever its rows are.
pub(crate) trait Rows {
    /// Takes what changed since the last time: the row now, none when it is gone.
    fn take_changes(&mut self) -> serde_json::Result<Vec<(String, Value)>>;
    /// Puts back a row, or takes it away (`null`), as the journal says.
    fn put_back(&mut self, id: String, row: Value) -> serde_json::Result<()>;
    /// Counts all rows as changed.
    fn touch(&mut self);
}

impl<T: Serialize + DeserializeOwned> Rows for Table<T> {
    fn take_changes(&mut self) -> serde_json::Result<Vec<(String, Value)>> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|id| Ok((id.clone(), serde_json::to_value(self.rows.get(&id))?))).collect()
    }

    fn put_back(&mut self, id: String, row: Value) -> serde_json::Result<()> {
        match serde_json::from_value(row)? {
            Some(row) => drop(self.rows.insert(id, row)),
            None => drop(self.rows.remove(&id)),
        }
        Ok(())
    }

    fn touch(&mut self) {
        self.changed.extend(self.rows.keys().cloned());
    }
}
