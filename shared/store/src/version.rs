//! The version of a stored record's shape. A stack is updated while builds run, and it may return to an older release
//! of Goldsmith. So each item says which version of the rules applies to it.

use serde::de::Error as _;
use serde_json::{Error, Value};

use crate::{Item, Result, StoreError, Write};

/// The attribute with the version. Definitions have their own attribute `version`.
pub(crate) const RECORD_VERSION: &str = "recordVersion";

/// The version that this program writes, which is also the newest that it reads. A change that older programs would
/// misread needs the next number. An attribute that they may ignore does not.
const NEWEST: u64 = 1;

/// Adds the version to a whole item.
///
/// An update of single attributes does not set a version. It may change an item that a newer program wrote, and must
/// not claim that the rest of that item has this program's shape.
pub(crate) fn mark(write: &mut Write) {
    if let Write::Put { item, .. } = write {
        item.insert(RECORD_VERSION.to_owned(), NEWEST.into());
    }
}

/// Fails if a newer program wrote the item. An item without a version has version 1, because the first programs wrote
/// none.
pub(crate) fn check(item: &Item) -> Result<()> {
    let Some(stored) = item.get(RECORD_VERSION) else { return Ok(()) };
    let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (pk, sk) = (part("pk"), part("sk"));
    match stored.as_u64() {
        Some(version) if version > NEWEST => Err(StoreError::Newer { pk, sk, version, newest: NEWEST }),
        Some(_) => Ok(()),
        None => {
            let source = Error::custom(format!("{RECORD_VERSION} is not a whole number"));
            Err(StoreError::Malformed { pk, sk, source })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::{Leftover, MemoryTable, Store, Table as _, Write, keys};

    async fn stored(version: Option<Value>) -> (MemoryTable, Store) {
        let table = MemoryTable::new();
        let key = keys::leftover("eu-west-1", "i-1");
        let mut item = json!({
            "pk": key.pk, "sk": key.sk, "kind": "instance", "id": "i-1", "region": "eu-west-1", "since": "x",
        });
        if let Some(version) = version {
            item["recordVersion"] = version;
        }
        let Value::Object(item) = item else { unreachable!() };
        table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        (table.clone(), Store::new(Arc::new(table)))
    }

    async fn read(store: &Store) -> crate::Result<Option<Leftover>> {
        store.read(&keys::leftover("eu-west-1", "i-1")).await
    }

    #[tokio::test]
    async fn an_item_without_a_version_is_read_and_gets_one_when_it_is_written() {
        let (table, store) = stored(None).await;
        let leftover = read(&store).await.unwrap().unwrap();
        store.note_leftover(&leftover).await.unwrap();
        assert_eq!(table.dump()[0]["recordVersion"], 1);
        assert_eq!(read(&store).await.unwrap(), Some(leftover));
    }

    #[tokio::test]
    async fn an_item_of_a_newer_program_is_named_with_its_version() {
        let (_, store) = stored(Some(json!(2))).await;
        let error = read(&store).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "a newer Goldsmith wrote the item LEFTOVERS / eu-west-1#i-1: it has version 2, and this Goldsmith reads \
             versions up to 1"
        );
        assert_eq!(store.leftovers().await.unwrap(), [], "it does not hide the others");
        let (_, store) = stored(Some(json!("two"))).await;
        assert_eq!(read(&store).await.unwrap_err().to_string(), "item LEFTOVERS / eu-west-1#i-1 is not readable");
    }
}
