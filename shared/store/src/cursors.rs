//! Positions at which work stopped because an invocation had no time left. The next invocation continues there, so that
//! items late in the order are reached too.

use serde::{Deserialize, Serialize};

use crate::store::encode;
use crate::{Key, Result, Store, Write};

/// Work that continues where it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// The sweep of what closed builds have left behind. It goes through the builds.
    Sweep,
    /// The check of sources. It goes through the sources.
    Check,
}

/// `STACK / CURSOR#round`
#[derive(Serialize, Deserialize)]
pub(crate) struct Cursor {
    after: String,
}

impl Round {
    fn key(self) -> Key {
        let name = match self {
            Self::Sweep => "SWEEP",
            Self::Check => "CHECK",
        };
        Key::new("STACK", format!("CURSOR#{name}"))
    }
}

impl Store {
    /// Returns the last finished item at which the work stopped, or `None` if the work reached its end.
    pub async fn cursor(&self, round: Round) -> Result<Option<String>> {
        Ok(self.read::<Cursor>(&round.key()).await?.map(|cursor| cursor.after))
    }

    /// Records the last finished item, or `None` if all items are finished. Writes nothing if `to` equals `from`. Safe
    /// to repeat.
    pub async fn move_cursor(&self, round: Round, from: Option<&str>, to: Option<&str>) -> Result<()> {
        // There is no condition: if two invocations race, the worst result is that some items have their turn twice.
        let write = match to {
            _ if from == to => return Ok(()),
            Some(to) => Write::Put { item: encode(round.key(), &Cursor { after: to.to_owned() })?, checks: vec![] },
            None => Write::Delete { key: round.key(), checks: vec![] },
        };
        self.write(vec![write]).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Round;
    use crate::{MemoryTable, Store};

    #[tokio::test]
    async fn each_round_has_its_own_cursor_until_it_is_done() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        store.move_cursor(Round::Sweep, None, Some("b")).await.unwrap();
        assert_eq!(store.cursor(Round::Check).await.unwrap(), None);
        assert_eq!(store.cursor(Round::Sweep).await.unwrap().as_deref(), Some("b"));
        for _ in 0..2 {
            store.move_cursor(Round::Sweep, Some("b"), None).await.unwrap();
            assert_eq!(store.cursor(Round::Sweep).await.unwrap(), None);
        }
    }
}
