//! A table of resources by id that remembers which rows changed, so that the journal writes only these.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Rows by id. Reads use the map inside; every way to change a row records the change.
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

    /// Returns a row for a change, and creates it if there is none.
    pub(crate) fn entry(&mut self, id: String, make: impl FnOnce() -> T) -> &mut T {
        self.changed.insert(id.clone());
        self.rows.entry(id).or_insert_with(make)
    }
}

/// The operations that the journal needs for every table, whatever its rows are.
pub(crate) trait Rows {
    /// Returns the changes since the last `settle`: the current rows, or null for a removed row.
    fn changes(&self) -> serde_json::Result<Vec<(String, Value)>>;
    /// Returns all rows.
    fn all(&self) -> serde_json::Result<Vec<(String, Value)>>;
    /// Marks all rows as written.
    fn settle(&mut self);
    /// Restores a row from the journal, or removes it (`null`).
    fn put_back(&mut self, id: String, row: Value) -> serde_json::Result<()>;
}

impl<T: Serialize + DeserializeOwned> Rows for Table<T> {
    fn changes(&self) -> serde_json::Result<Vec<(String, Value)>> {
        self.changed.iter().map(|id| Ok((id.clone(), serde_json::to_value(self.rows.get(id))?))).collect()
    }

    fn all(&self) -> serde_json::Result<Vec<(String, Value)>> {
        self.rows.iter().map(|(id, row)| Ok((id.clone(), serde_json::to_value(row)?))).collect()
    }

    fn settle(&mut self) {
        self.changed.clear();
    }

    fn put_back(&mut self, id: String, row: Value) -> serde_json::Result<()> {
        match serde_json::from_value(row)? {
            Some(row) => drop(self.rows.insert(id, row)),
            None => drop(self.rows.remove(&id)),
        }
        Ok(())
    }
}
