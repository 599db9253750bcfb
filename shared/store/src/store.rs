//! The store: typed records on top of the table.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Item, Key, Result, StoreError, Table, Write, version};

/// The attribute by which DynamoDB expires an item, in seconds since 1970 (`infra/template.yaml`).
pub(crate) const EXPIRES: &str = "expiresAt";

/// Goldsmith's state in its table. A store is cheap to clone.
#[derive(Clone)]
pub struct Store {
    table: Arc<dyn Table>,
}

impl Store {
    /// Creates a store on this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self { table }
    }

    /// Returns the table, so that another store can use it.
    pub(crate) fn shared_table(&self) -> Arc<dyn Table> {
        Arc::clone(&self.table)
    }

    /// Returns the underlying table, for data without its own record type.
    #[must_use]
    pub fn table(&self) -> &dyn Table {
        self.table.as_ref()
    }

    /// Reads one record.
    pub(crate) async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        self.table.get(key).await?.map(decode).transpose()
    }

    /// Reads all records of a partition whose sort key begins with `prefix`, ascending.
    pub(crate) async fn read_all<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Vec<T>> {
        self.table.query(pk, prefix).await?.into_iter().map(decode).collect()
    }

    /// Reads the last record of a partition whose sort key begins with `prefix`.
    pub(crate) async fn read_last<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Option<T>> {
        self.table.last(pk, prefix).await?.map(decode).transpose()
    }

    /// Makes all of the writes, or none.
    pub(crate) async fn write(&self, mut writes: Vec<Write>) -> Result<()> {
        // This is the only way to the table, so no record is written without its version.
        writes.iter_mut().for_each(version::mark);
        self.table.write(writes).await
    }
}

/// Decodes records from items that are independent of each other. An item that cannot be read, because another version
/// wrote it or a person changed it, must not hide the others.
pub(crate) fn readable<T: DeserializeOwned>(items: Vec<Item>) -> Vec<T> {
    let note = |error: &StoreError| tracing::error!(%error, "an item is skipped");
    items.into_iter().filter_map(|item| decode(item).inspect_err(note).ok()).collect()
}

/// Returns whether the conditions of a write held.
pub(crate) fn held(written: Result<()>) -> Result<bool> {
    match written {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Encodes a record as an item under its key.
pub(crate) fn encode<T: Serialize>(key: Key, record: &T) -> Result<Item> {
    let mut item =
        fields(record).map_err(|source| StoreError::Malformed { pk: key.pk.clone(), sk: key.sk.clone(), source })?;
    item.insert("pk".to_owned(), key.pk.into());
    item.insert("sk".to_owned(), key.sk.into());
    Ok(item)
}

/// Returns a record as the value of an attribute of the item with this key.
pub(crate) fn attribute<T: Serialize>(key: &Key, record: &T) -> Result<Value> {
    serde_json::to_value(record).map_err(|source| StoreError::Malformed {
        pk: key.pk.clone(),
        sk: key.sk.clone(),
        source,
    })
}

/// Returns attributes by their names.
pub(crate) fn attributes<'a>(named: impl IntoIterator<Item = (&'a str, Value)>) -> Item {
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How long the steps of a closed build and the served causes are remembered. This is well over the 90 days after which
/// Step Functions forgets the name of an execution.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 400);

/// Sets the time at which an item expires because it no longer has to be remembered. DynamoDB removes the item some
/// time later.
pub(crate) fn remembered_from(mut item: Item, time: Timestamp) -> Item {
    item.insert(EXPIRES.to_owned(), (time + REMEMBERED).as_second().into());
    item
}

/// Returns the new expiry of an item that is still needed at this time, or `None` if the item already stays long
/// enough. The expiry is changed rarely and then by a long time, because each change is a write.
pub(crate) fn renewed(item: &Item, needed: Timestamp) -> Option<i64> {
    let expires = item.get(EXPIRES).and_then(Value::as_i64)?;
    (expires < (needed + REMEMBERED / 2).as_second()).then(|| (needed + REMEMBERED).as_second())
}

/// Returns a record's fields, without a key.
fn fields<T: Serialize>(record: &T) -> serde_json::Result<Item> {
    serde_json::from_value(serde_json::to_value(record)?)
}

/// Decodes a record from its item.
pub(crate) fn decode<T: DeserializeOwned>(item: Item) -> Result<T> {
    // The version comes first: for an item of a newer shape, serde would only name the attribute that it misses.
    version::check(&item)?;
    let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (pk, sk) = (part("pk"), part("sk"));
    serde_json::from_value(Value::Object(item)).map_err(|source| StoreError::Malformed { pk, sk, source })
}
