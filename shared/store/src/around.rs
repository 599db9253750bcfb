//! A table in memory for tests that do something around its calls.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::{Item, Key, MemoryTable, Result, Store, Table, Write};

/// A call of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Call<'a> {
    Get(&'a Key),
    Query,
    Last,
    FirstAfter,
    Due,
    Write,
}

/// What a test does around the calls.
pub(crate) trait Around: Send + Sync {
    /// Makes a call, or does not, and returns its answer, or another one.
    fn around<T: Send>(
        &self,
        call: Call<'_>,
        made: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send;
}

/// The table.
pub(crate) struct AroundTable<A> {
    pub(crate) table: MemoryTable,
    pub(crate) around: A,
}

#[async_trait]
impl<A: Around> Table for AroundTable<A> {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.around.around(Call::Get(key), self.table.get(key)).await
    }
    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        self.around.around(Call::Query, self.table.query(pk, prefix)).await
    }
    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
        self.around.around(Call::Last, self.table.last(pk, prefix)).await
    }
    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        self.around.around(Call::FirstAfter, self.table.first_after(pk, sk)).await
    }
    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        self.around.around(Call::Due, self.table.due(open, until)).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<()> {
        self.around.around(Call::Write, self.table.write(writes)).await
    }
}

/// Returns a store on a table of tests.
pub(crate) fn store(table: &MemoryTable, around: impl Around + 'static) -> Store {
    Store::new(Arc::new(AroundTable { table: table.clone(), around }))
}

/// When something else happens: right before or right after the first call of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    Before(fn(Call<'_>) -> bool),
    After(fn(Call<'_>) -> bool),
}

/// Returns a store in whose table something else happens once, while the store is used.
pub(crate) fn meanwhile(
    table: &MemoryTable,
    moment: Moment,
    happens: impl Future<Output = ()> + Send + 'static,
) -> Store {
    store(table, Meanwhile { moment, happens: Mutex::new(Some(Box::pin(happens))) })
}

struct Meanwhile {
    moment: Moment,
    happens: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Meanwhile {
    async fn happen(&self) {
        let happens = self.happens.lock().unwrap().take();
        if let Some(happens) = happens {
            happens.await;
        }
    }
}

impl Around for Meanwhile {
    async fn around<T: Send>(&self, call: Call<'_>, made: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if matches!(self.moment, Moment::Before(is_it) if is_it(call)) {
            self.happen().await;
        }
        let answer = made.await;
        if matches!(self.moment, Moment::After(is_it) if is_it(call)) {
            self.happen().await;
        }
        answer
    }
}
