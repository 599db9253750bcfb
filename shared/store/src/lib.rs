//! Goldsmith's state: one DynamoDB table, its keys, and the records in it.

mod apply;
mod audit;
mod builds;
mod causes;
#[cfg(test)]
mod contract;
mod definitions;
#[cfg(feature = "dynamo")]
mod dynamo;
mod error;
mod journal;
mod keys;
mod leftovers;
#[cfg(any(test, feature = "memory"))]
mod memory;
mod plan;
mod proof;
mod records;
mod references;
mod regions;
mod retirement;
mod sources;
mod store;
mod table;
mod tagged;
mod validation;
mod waits;
mod watch;

pub use apply::{ApplyError, Change, Outcome, Taken};
pub use audit::{AuditFinding, AuditKind, AuditRecord};
pub use builds::{Lease, OPEN_BUILDS, Opened};
pub use causes::{CauseRecord, CauseStatus};
#[cfg(feature = "dynamo")]
pub use dynamo::DynamoTable;
pub use error::{Result, StoreError};
pub use journal::Intent;
pub use leftovers::{Leftover, LeftoverKind, may_go};
#[cfg(any(test, feature = "memory"))]
pub use memory::MemoryTable;
pub use plan::{Plan, PlannedDocument, PlannedLaunch, PlannedRegion};
pub use proof::{Origin, Proof};
pub use records::{
    Aftermath, BuildRecord, BuildStatus, Effect, EffectKind, Ending, FailureCause, ImageRecord, ImageStatus, Keep,
    LeftBehind, LogPlace, PreviousParameter, Scope, StateRecord, StateStatus, Wait, stamp,
};
pub use retirement::Retirement;
pub use sources::{Subscription, WatchedSource};
pub use store::Store;
pub use table::{Check, Item, Key, Table, Write};
pub use tagged::Tagged;
pub use waits::{Holder, Lock};
