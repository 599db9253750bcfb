//! What is between one invocation of a function and all that it calls: each call takes a while, during which others run,
//! and may go wrong on its way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Between, Fault, HOME, OnItsWay};
use goldsmith_states::Clock;
use goldsmith_store::{Item, Key, MemoryTable, Result, StoreError, Table, Write};
use jiff::Timestamp;

use crate::simulation::Simulation;

/// Name of reads of the table.
pub const READ: &str = "ReadTable";
/// Name of writes to the table.
pub const WRITE: &str = "WriteTable";

/// The connections of one invocation.
pub struct Wire {
    /// The world.
    pub sim: Arc<Simulation>,
    /// Its name in the history.
    pub label: String,
    /// How many milliseconds its clock is ahead.
    pub ahead: i64,
    is_dead: AtomicBool,
}

impl Wire {
    /// Those of a new invocation.
    #[must_use]
    pub fn new(sim: Arc<Simulation>, label: String, ahead: i64) -> Self {
        Self { sim, label, ahead, is_dead: AtomicBool::new(false) }
    }

    /// Ends the process as soon as it waits for the next time.
    pub fn die(&self) {
        self.is_dead.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Between for Wire {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        let way = self.sim.way(self, &call);
        self.sim.engine.sleep(way.takes).await;
        self.sim.arrive(self, &call, way.fault)
    }
}

/// An invocation until it ends, or its process does.
pub struct Mortal<F> {
    /// What it does.
    pub work: Pin<Box<F>>,
    /// Its connections.
    pub wire: Arc<Wire>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.work.as_mut().poll(cx) {
            Poll::Pending if self.wire.is_dead.load(Ordering::Relaxed) => Poll::Ready(None),
            other => other.map(Some),
        }
    }
}

#[async_trait]
impl Clock for Wire {
    fn now(&self) -> Timestamp {
        self.sim.engine.time(self.ahead)
    }
    async fn sleep(&self, time: Duration) {
        self.sim.engine.sleep(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)).await;
    }
}

/// The table of one invocation.
pub struct WiredTable {
    /// What it is connected to.
    pub table: MemoryTable,
    /// By what.
    pub wire: Arc<Wire>,
}

impl WiredTable {
    async fn read<T>(&self, detail: &str, read: impl Future<Output = Result<T>>) -> Result<T> {
        let call = OnItsWay { name: READ, region: HOME, changes: false, detail };
        match self.wire.call(call).await {
            None => read.await,
            Some(Fault::Refuse(kind)) => Err(store_error(kind)),
            Some(Fault::LoseAnswer) => Err(store_error(Kind::Unanswered)),
            Some(Fault::KillBefore | Fault::KillAfter) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Table for WiredTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.read(&key.pk, self.table.get(key)).await
    }
    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        self.read(pk, self.table.query(pk, prefix)).await
    }
    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
        self.read(pk, self.table.last(pk, prefix)).await
    }
    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        self.read(pk, self.table.first_after(pk, sk)).await
    }
    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        self.read(open, self.table.due(open, until)).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<()> {
        let detail = self.wire.sim.describe(&writes);
        let call = OnItsWay { name: WRITE, region: HOME, changes: true, detail: &detail };
        match self.wire.call(call).await {
            None => {
                let written = self.table.write(writes).await;
                if let Err(error) = &written {
                    self.wire.sim.note(|| format!("{}: not written: {error}", self.wire.label));
                }
                written
            }
            Some(Fault::Refuse(kind)) => Err(store_error(kind)),
            Some(Fault::KillBefore) => std::future::pending().await,
            Some(Fault::LoseAnswer) => {
                let _ = self.table.write(writes).await;
                Err(store_error(Kind::Unanswered))
            }
            Some(Fault::KillAfter) => {
                let _ = self.table.write(writes).await;
                std::future::pending().await
            }
        }
    }
}

fn store_error(kind: Kind) -> StoreError {
    match kind {
        Kind::Unanswered => StoreError::Unanswered { operation: "the table", source: "no answer".into() },
        _ => StoreError::Busy { code: "TransactionConflict".to_owned() },
    }
}
