//! A stack that is being retired opens no builds. A stack that takes over the table of a retired stack opens builds
//! again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{attributes, encode, held};
use crate::{Check, Key, Result, Store, Write, stamp};

/// `STACK / RETIRED`: how a stack that is being retired was deployed. The stack that takes over the table must get the
/// same values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retirement {
    /// Name of the stack. It is empty in a mark that an earlier release wrote.
    pub stack: String,
    /// Values of the template's parameters that differ from the defaults.
    pub parameters: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Unique id of the call that retires the stack. It is empty in a mark that an earlier release wrote.
    pub holder: String,
    /// Number of heartbeats of that call. The call is still running while the number grows.
    pub beat: u64,
}

/// The mark as it is stored in the table.
#[derive(Serialize)]
struct Mark<'a> {
    since: String,
    #[serde(flatten)]
    retirement: &'a Retirement,
}

/// Returns the key of the item that exists once the retirement has begun.
fn key() -> Key {
    Key::new("STACK", "RETIRED")
}

/// Returns the write that verifies that no retirement has begun, for the transaction that opens a build.
pub(crate) fn verify_in_service() -> Write {
    Write::Verify { key: key(), checks: vec![Check::Absent] }
}

impl Store {
    /// Begins the retirement: from now on no build is opened. Safe to repeat.
    pub async fn retire(&self, now: Timestamp, retirement: &Retirement) -> Result<()> {
        let item = encode(key(), &Mark { since: stamp(now), retirement })?;
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }

    /// Records a heartbeat. Returns whether the retirement still belongs to this holder.
    pub async fn hold(&self, holder: &str, beat: u64) -> Result<bool> {
        let set = attributes([("beat", json!(beat))]);
        // Without the check, a heartbeat that arrives after `take_up` would create the mark again, and no build would
        // start.
        let write = Write::Update { key: key(), set, remove: vec![], checks: vec![Check::equals("holder", holder)] };
        held(self.write(vec![write]).await)
    }

    /// Returns how the stack was deployed if its retirement has begun, or `None` if it is in service.
    pub async fn retirement(&self) -> Result<Option<Retirement>> {
        self.read(&key()).await
    }

    /// Returns whether the retirement has begun.
    pub async fn is_retired(&self) -> Result<bool> {
        Ok(self.table().get(&key()).await?.is_some())
    }

    /// Puts the table into service again after the retirement by this holder, so that builds can be opened as before.
    /// Returns false if the stack is not in service now, because another retirement has begun in the meantime. Safe to
    /// repeat.
    pub async fn take_up(&self, holder: &str) -> Result<bool> {
        let own = if holder.is_empty() { Check::missing("holder") } else { Check::equals("holder", holder) };
        match self.write(vec![Write::Delete { key: key(), checks: vec![own] }]).await {
            // An earlier call may have removed the mark although its answer was lost. Then the stack is in service.
            Err(error) if error.is_conflict() => Ok(!self.is_retired().await?),
            taken => taken.map(|()| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::MemoryTable;

    #[tokio::test]
    async fn only_the_holder_of_a_retirement_can_resume_it() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let of = |holder: &str| Retirement { holder: holder.to_owned(), ..Retirement::default() };
        assert!(!store.hold("one", 1).await.unwrap(), "nothing makes the mark but `retire`");
        store.retire(Timestamp::UNIX_EPOCH, &of("one")).await.unwrap();
        assert!(store.hold("one", 1).await.unwrap() && !store.hold("two", 1).await.unwrap());
        assert_eq!(store.retirement().await.unwrap(), Some(Retirement { beat: 1, ..of("one") }));
        assert!(!store.take_up("two").await.unwrap() && store.is_retired().await.unwrap());
        for _ in 0..2 {
            assert!(store.take_up("one").await.unwrap() && !store.is_retired().await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_table_whose_mark_names_no_holder_is_taken_up_too() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let item = encode(key(), &json!({"since": "2026-01-01T00:00:00.000Z"})).unwrap();
        store.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        let mark = store.retirement().await.unwrap().unwrap();
        assert!(store.take_up(&mark.holder).await.unwrap() && !store.is_retired().await.unwrap());
    }
}
