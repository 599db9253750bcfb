//! A stack that is being retired opens no build any more; one that takes its table up does.

use jiff::Timestamp;
use serde_json::json;

use crate::{Check, Item, Key, Result, Store, Write, stamp};

/// The item that is there from the retirement on.
fn key() -> Key {
    Key::new("STACK", "RETIRED")
}

/// That no retirement has begun, for the transaction that opens a build.
pub(crate) fn verify_in_service() -> Write {
    Write::Verify { key: key(), checks: vec![Check::Absent] }
}

impl Store {
    /// Begins the retirement: from here on no build is opened. Safe to repeat.
    pub async fn retire(&self, now: Timestamp) -> Result<()> {
        let Key { pk, sk } = key();
        let item = Item::from_iter([
            ("pk".to_owned(), json!(pk)),
            ("sk".to_owned(), json!(sk)),
            ("since".to_owned(), json!(stamp(now))),
        ]);
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }

    /// Whether the retirement has begun.
    pub async fn is_retired(&self) -> Result<bool> {
        Ok(self.table().get(&key()).await?.is_some())
    }

    /// Takes the table up again: builds are opened as before. Safe to repeat.
    pub async fn take_up(&self) -> Result<()> {
        self.write(vec![Write::Delete { key: key(), checks: vec![] }]).await
    }
}
