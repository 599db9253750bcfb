//! The table in memory, for tests. It enforces those rules of DynamoDB on which the records rely.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::store::EXPIRES;
use crate::validation::{refuse_invalid, refused};
use crate::{Check, Item, Key, Result, StoreError, Table, Write};

/// DynamoDB's limit for one item, in bytes.
const MAX_ITEM_BYTES: usize = 400 * 1024;

type Items = BTreeMap<Key, Item>;

/// A table in memory. The clones of a table share its items.
#[derive(Debug, Clone, Default)]
pub struct MemoryTable {
    items: Arc<Mutex<Items>>,
    calls: Arc<AtomicUsize>,
    read: Arc<AtomicUsize>,
}

/// How much was read from a table so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Number of reads.
    pub calls: usize,
    /// Number of items that these reads have returned.
    pub items: usize,
}

impl MemoryTable {
    /// Creates an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns every item, in ascending order of the keys.
    #[must_use]
    pub fn dump(&self) -> Vec<Item> {
        self.lock().values().cloned().collect()
    }

    /// Passes all items to `look` without copying them.
    pub fn look<T>(&self, look: impl FnOnce(&BTreeMap<Key, Item>) -> T) -> T {
        look(&self.lock())
    }

    /// Returns how much all clones of the table have read so far.
    #[must_use]
    pub fn reads(&self) -> Reads {
        Reads { calls: self.calls.load(Ordering::Relaxed), items: self.read.load(Ordering::Relaxed) }
    }

    /// Removes expired items. DynamoDB does this some time after they expire.
    pub fn expire(&self, now: Timestamp) {
        let expires = |item: &Item| item.get(EXPIRES).and_then(Value::as_i64);
        self.lock().retain(|_, item| expires(item).is_none_or(|at| at > now.as_second()));
    }

    fn note_read(&self, items: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(items, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Items> {
        // A panic elsewhere cannot leave half a write, because items are replaced by one assignment.
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Table for MemoryTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        let found = self.lock().get(key).cloned();
        self.note_read(usize::from(found.is_some()));
        Ok(found)
    }

    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        let items = self.lock();
        let found: Vec<Item> = below(&items, pk, prefix).map(|(_, item)| item.clone()).collect();
        self.note_read(found.len());
        Ok(found)
    }

    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
        let items = self.lock();
        let found = below(&items, pk, prefix).last().map(|(_, item)| item.clone());
        self.note_read(usize::from(found.is_some()));
        Ok(found)
    }

    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        let items = self.lock();
        let mut later = items.range((Bound::Excluded(Key::new(pk, sk)), Bound::Unbounded));
        let found = later.next().filter(|(key, _)| key.pk == pk).map(|(_, item)| item.clone());
        self.note_read(usize::from(found.is_some()));
        Ok(found)
    }

    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        let items = self.lock();
        let mut due: Vec<(&str, &Item)> = items
            .values()
            .filter(|item| item.get("open").and_then(Value::as_str) == Some(open))
            .filter_map(|item| Some((item.get("nextLook")?.as_str()?, item)))
            .filter(|(next_look, _)| *next_look <= until)
            .collect();
        due.sort_by_key(|(next_look, _)| *next_look);
        self.note_read(due.len());
        Ok(due.into_iter().map(|(_, item)| item.clone()).collect())
    }

    async fn write(&self, writes: Vec<Write>) -> Result<()> {
        let mut items = self.lock();
        refuse_invalid(&writes)?;
        let before = |write: &Write| items.get(&write.key());
        let failed: Vec<usize> = writes
            .iter()
            .enumerate()
            .filter(|(_, write)| !write.checks().iter().all(|check| holds(check, before(write))))
            .map(|(index, _)| index)
            .collect();
        if !failed.is_empty() {
            return Err(StoreError::Conflict { failed });
        }
        let change = |write: Write| {
            let key = write.key();
            // Only an update needs what was there: copies are most of the time that a write takes.
            let before = matches!(write, Write::Update { .. }).then(|| items.get(&key).cloned()).flatten();
            (key, apply(before, write))
        };
        let is_change = |write: &Write| !matches!(write, Write::Verify { .. });
        let changes: Vec<(Key, Option<Item>)> = writes.into_iter().filter(is_change).map(change).collect();
        if let Some((key, _)) = changes.iter().find(|(_, item)| item.as_ref().is_some_and(is_too_large)) {
            return Err(refused(format!("item {} / {} is larger than 400 KB", key.pk, key.sk)));
        }
        for (key, item) in changes {
            match item {
                Some(item) => items.insert(key, item),
                None => items.remove(&key),
            };
        }
        Ok(())
    }
}

/// Iterates over the items of a partition whose sort key begins with `prefix`, ascending.
fn below<'a>(items: &'a Items, pk: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Item)> {
    items.range(Key::new(pk, prefix)..).take_while(move |(key, _)| key.pk == pk && key.sk.starts_with(prefix))
}

fn holds(check: &Check, item: Option<&Item>) -> bool {
    let value = |attribute: &str| item.and_then(|item| item.get(attribute));
    match check {
        Check::Absent => item.is_none(),
        Check::Present => item.is_some(),
        Check::Equals(attribute, wanted) => value(attribute).is_some_and(|found| *found == canonical(wanted.clone())),
        Check::Missing(attribute) => value(attribute).is_none(),
        Check::Before(attribute, limit) => {
            value(attribute).and_then(Value::as_str).is_some_and(|found| found < limit.as_str())
        }
        Check::Any(checks) => checks.iter().any(|check| holds(check, item)),
    }
}

/// Returns the item as the write leaves it. `before` is the item that an update finds.
fn apply(before: Option<Item>, write: Write) -> Option<Item> {
    match write {
        Write::Put { mut item, .. } => {
            item.values_mut().for_each(make_canonical);
            Some(item)
        }
        Write::Update { key, mut set, remove, .. } => {
            if before.is_none() && set.is_empty() {
                return None; // only removals: there is nothing to remove from
            }
            let mut item = before.unwrap_or_else(|| key_attributes(key));
            set.values_mut().for_each(make_canonical);
            item.extend(set);
            item.retain(|attribute, _| !remove.contains(attribute));
            Some(item)
        }
        Write::Delete { .. } | Write::Verify { .. } => None,
    }
}

fn key_attributes(key: Key) -> Item {
    Item::from_iter([("pk".to_owned(), Value::from(key.pk)), ("sk".to_owned(), Value::from(key.sk))])
}

/// Converts a number as DynamoDB does: it has one type of number, so it stores, compares and returns 2.0 as 2.
fn canonical(mut value: Value) -> Value {
    make_canonical(&mut value);
    value
}

fn make_canonical(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            // Below 2^53 a float without fraction and its integer are the same number.
            if let Some(float) =
                number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0)
            {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_canonical),
        Value::Object(item) => item.values_mut().for_each(make_canonical),
        _ => {}
    }
}

fn is_too_large(item: &Item) -> bool {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, item).is_ok() && length.0 > MAX_ITEM_BYTES
}

/// Counts the writes to the table.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::contract::check(&MemoryTable::new()).await;
    }

    #[tokio::test]
    async fn clones_share_their_items() {
        let table = MemoryTable::new();
        let Value::Object(item) = json!({"pk": "a", "sk": "b"}) else { unreachable!() };
        table.clone().write(vec![Write::Put { item: item.clone(), checks: vec![] }]).await.unwrap();
        assert_eq!(table.dump(), [item]);
    }
}
