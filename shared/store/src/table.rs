//! The one DynamoDB table behind a narrow trait: whole items in and out, conditions as data.
//!
//! Everything above it (keys, leases, journal, waits) is written once on this trait, so that the in-memory table of
//! the tests and the real one differ only here. Both pass the same contract tests.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::Result;

/// An item: `pk`, `sk` and whatever else it holds.
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
    /// A key of its two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// A condition on the item that a write touches, as it was before.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// The item does not exist.
    Absent,
    /// The item exists.
    Present,
    /// The top-level attribute equals this value (text, number or boolean).
    Equals(String, Value),
    /// The top-level attribute does not exist (true also where the item does not).
    Missing(String),
    /// The attribute exists and is a text that sorts before this one (times are RFC 3339 in UTC with milliseconds).
    Before(String, String),
    /// At least one of these holds.
    Any(Vec<Check>),
}

impl Check {
    /// The attribute equals this value.
    pub fn equals(attribute: &str, value: impl Into<Value>) -> Self {
        Self::Equals(attribute.to_owned(), value.into())
    }
    /// The attribute does not exist.
    #[must_use]
    pub fn missing(attribute: &str) -> Self {
        Self::Missing(attribute.to_owned())
    }
    /// The attribute is a text that sorts before this one.
    pub fn before(attribute: &str, limit: impl Into<String>) -> Self {
        Self::Before(attribute.to_owned(), limit.into())
    }
}

/// One write; all of its checks must hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Replaces the whole item.
    Put {
        /// With `pk` and `sk`.
        item: Item,
        /// Conditions.
        checks: Vec<Check>,
    },
    /// Sets and removes top-level attributes; makes the item where it is absent, unless a check says otherwise.
    /// One that neither sets nor removes is refused; one that only removes needs a check, since it makes no item.
    Update {
        /// Which item.
        key: Key,
        /// Attributes to set.
        set: Item,
        /// Attributes to remove.
        remove: Vec<String>,
        /// Conditions.
        checks: Vec<Check>,
    },
    /// Removes the item; no error where it is absent.
    Delete {
        /// Which item.
        key: Key,
        /// Conditions.
        checks: Vec<Check>,
    },
    /// Changes nothing; only its checks count (in a transaction).
    Verify {
        /// Which item.
        key: Key,
        /// Conditions.
        checks: Vec<Check>,
    },
}

impl Write {
    /// The key of the item that it touches; its parts are empty where an item to put does not have them as text.
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

    /// What must hold for it.
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
    /// The item, read consistently, or none.
    async fn get(&self, key: &Key) -> Result<Option<Item>>;
    /// All items of the partition whose sort key begins with `prefix`, ascending by sort key, read consistently, every page.
    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>>;
    /// The item of the partition whose sort key begins with `prefix` and sorts last, read consistently, or none. It costs
    /// one item, however many there are.
    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>>;
    /// Items of the sparse index `open` with this partition value and `nextLook` not after `until`, ascending (eventually consistent).
    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>>;
    /// All writes or none. One write is a plain call, several (at most 100) are a transaction.
    /// Fails with [`crate::StoreError::Conflict`] where a check does not hold.
    async fn write(&self, writes: Vec<Write>) -> Result<()>;
}
