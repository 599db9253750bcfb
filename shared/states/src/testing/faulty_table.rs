//! The table, its writes counted among the effects.

use async_trait::async_trait;
use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Faults, HOME};
use goldsmith_store::{Item, Key, MemoryTable, Result, StoreError, Table, Write};

pub(super) struct FaultyTable {
    pub(super) table: MemoryTable,
    pub(super) faults: Faults,
}

/// Name under which writes to the table are counted.
pub(super) const TABLE_WRITE: &str = "WriteTable";

#[async_trait]
impl Table for FaultyTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.table.get(key).await
    }
    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        self.table.query(pk, prefix).await
    }
    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        self.table.due(open, until).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<()> {
        let detail = format!("{writes:?}");
        self.faults.around(TABLE_WRITE, HOME, detail, self.table.write(writes), store_error).await
    }
}

fn store_error(kind: Kind) -> StoreError {
    match kind {
        Kind::Unanswered => StoreError::Unanswered { operation: TABLE_WRITE, source: "no answer".into() },
        _ => StoreError::Busy { code: "ThrottlingException".to_owned() },
    }
}
