//! A stack that is being retired opens no build any more; one that takes its table up does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::encode;
use crate::{Check, Key, Result, Store, Write, stamp};

/// How a stack was deployed that is being retired: what the one that takes its table up is to be told again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Retirement {
    /// Its name; nothing in a mark of a release before this was kept.
    pub stack: String,
    /// Values of the template's parameters that are not its defaults.
    pub parameters: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The mark as it stands in the table.
#[derive(Serialize)]
struct Mark<'a> {
    since: String,
    #[serde(flatten)]
    retirement: &'a Retirement,
}

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
    pub async fn retire(&self, now: Timestamp, retirement: &Retirement) -> Result<()> {
        let item = encode(key(), &Mark { since: stamp(now), retirement })?;
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }

    /// How the stack was deployed whose retirement has begun; none: it is in service.
    pub async fn retirement(&self) -> Result<Option<Retirement>> {
        self.read(&key()).await
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
