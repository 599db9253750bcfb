//! A table whose writes count as effects, and whose reads can be made to fail.

use async_trait::async_trait;
use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Faults, HOME};
use goldsmith_store::{Item, Key, MemoryTable, Result, StoreError, Table, Write};

pub(super) struct FaultyTable {
    pub(super) table: MemoryTable,
    pub(super) faults: Faults,
}

/// Name under which writes to the table are counted.
pub(crate) const TABLE_WRITE: &str = "WriteTable";
/// Name under which reads of the table fail.
pub(crate) const TABLE_READ: &str = "ReadTable";

#[async_trait]
impl Table for FaultyTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.faults.read(TABLE_READ, HOME, self.table.get(key), store_error).await
    }
    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        self.faults.read(TABLE_READ, HOME, self.table.query(pk, prefix), store_error).await
    }
    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
        self.faults.read(TABLE_READ, HOME, self.table.last(pk, prefix), store_error).await
    }
    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        self.faults.read(TABLE_READ, HOME, self.table.first_after(pk, sk), store_error).await
    }
    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        self.faults.read(TABLE_READ, HOME, self.table.due(open, until), store_error).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<()> {
        let detail = format!("{writes:?}");
        self.faults.around(TABLE_WRITE, HOME, detail, self.table.write(writes), store_error).await
    }
}

fn store_error(kind: Kind) -> StoreError {
    match kind {
        Kind::Unanswered => StoreError::Unanswered { operation: "the table", source: "no answer".into() },
        _ => StoreError::Busy { code: "ThrottlingException".to_owned() },
    }
}
