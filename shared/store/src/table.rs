//! The one DynamoDB table behind a narrow trait. Items are read and written whole, and conditions are data.
//!
//! Everything above the table (keys, leases, the journal, waits) is written once, on this trait. So the in-memory table
//! of the tests and the real table differ only here. Both pass the same contract tests.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::Result;

/// An item: `pk`, `sk` and all other attributes.
pub type Item = Map<String, Value>;

/// Primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// Creates a key from its two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// A condition on an item before a write changes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The item does not exist.
    Absent,
    /// The item exists.
    Present,
    /// The top-level attribute equals this value (text, number or boolean).
    Equals(String, Value),
    /// The top-level attribute does not exist. This also holds if the item does not exist.
    Missing(String),
    /// The attribute exists and is a text that sorts before this one. Times are RFC 3339 in UTC with milliseconds.
    Before(String, String),
    /// At least one of these conditions holds.
    Any(Vec<Check>),
}

impl Check {
    /// Creates the condition that the attribute equals this value.
    pub fn equals(attribute: &str, value: impl Into<Value>) -> Self {
        Self::Equals(attribute.to_owned(), value.into())
    }
    /// Creates the condition that the attribute does not exist.
    #[must_use]
    pub fn missing(attribute: &str) -> Self {
        Self::Missing(attribute.to_owned())
    }
    /// Creates the condition that the attribute is a text that sorts before this one.
    pub fn before(attribute: &str, limit: impl Into<String>) -> Self {
        Self::Before(attribute.to_owned(), limit.into())
    }
}

/// One write. All checks of the write must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Replaces the whole item.
    Put {
        /// The item, with `pk` and `sk`.
        item: Item,
        /// Conditions.
        checks: Vec<Check>,
    },
    /// Sets and removes top-level attributes. Creates the item if it does not exist, unless a check prevents this. An
    /// update that neither sets nor removes an attribute is rejected. An update that only removes attributes needs a
    /// check, because it creates no item.
    Update {
        /// Key of the item.
        key: Key,
        /// Attributes to set.
        set: Item,
        /// Attributes to remove.
        remove: Vec<String>,
        /// Conditions.
        checks: Vec<Check>,
    },
    /// Removes the item. It is no error if the item does not exist.
    Delete {
        /// Key of the item.
        key: Key,
        /// Conditions.
        checks: Vec<Check>,
    },
    /// Changes nothing. Only the checks of this write matter (in a transaction).
    Verify {
        /// Key of the item.
        key: Key,
        /// Conditions.
        checks: Vec<Check>,
    },
}

impl Write {
    /// Returns the key of the item that the write changes. A part of the key is empty if the item to put does not have
    /// that part as text.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Put { item, .. } => {
                let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
                Key::new(text("pk"), text("sk"))
            }
            Self::Update { key, .. } | Self::Delete { key, .. } | Self::Verify { key, .. } => key.clone(),
        }
    }

    /// Returns the conditions of the write.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        match self {
            Self::Put { checks, .. }
            | Self::Update { checks, .. }
            | Self::Delete { checks, .. }
            | Self::Verify { checks, .. } => checks,
        }
    }
}

/// The table.
#[async_trait]
pub trait Table: Send + Sync {
    /// Returns the item, read consistently, or `None`.
    async fn get(&self, key: &Key) -> Result<Option<Item>>;
    /// Returns all items of the partition whose sort key begins with `prefix`, ascending by sort key, read
    /// consistently, from every page.
    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>>;
    /// Returns the item of the partition whose sort key begins with `prefix` and sorts last, read consistently, or
    /// `None`. The read costs one item, no matter how many items there are.
    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>>;
    /// Returns the first item of the partition whose sort key sorts after this one, read consistently, or `None`. The
    /// read costs one item, no matter how many items there are. Every sort key sorts after the empty text.
    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>>;
    /// Returns the items of the sparse index `open` with this partition value whose `nextLook` is not after `until`,
    /// ascending (eventually consistent).
    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>>;
    /// Makes all writes, or none. One write is a plain call; several (at most 100) are a transaction. Fails with
    /// [`crate::StoreError::Conflict`] if a check does not hold.
    async fn write(&self, writes: Vec<Write>) -> Result<()>;
}
