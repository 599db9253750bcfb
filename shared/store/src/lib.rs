//! Goldsmith's state: one DynamoDB table, its keys, and the records in it.

mod ancestry;
mod apply;
mod approval;
#[cfg(test)]
mod around;
mod audit;
mod builds;
mod catalog;
mod causes;
mod channels;
mod checkpoint;
mod checks;
mod contents;
#[cfg(test)]
mod contract;
mod cursors;
mod definitions;
mod delete;
mod distribution;
#[cfg(feature = "dynamo")]
mod dynamo;
mod error;
mod failures;
mod image_life;
mod journal;
mod keys;
mod leftovers;
#[cfg(any(test, feature = "memory"))]
mod memory;
mod newest;
mod overlay;
mod plan;
mod pointed;
mod progress;
mod proof;
mod provenance;
mod reach;
mod records;
mod references;
mod regions;
mod retention;
mod retirement;
mod room;
#[cfg(test)]
mod samples;
mod sources;
mod store;
#[cfg(test)]
mod stored;
mod switch;
mod table;
mod tagged;
mod validation;
mod version;
mod waits;
mod watch;

pub use ancestry::{ancestors, descendants, made_stale};
pub use apply::{ApplyError, Change, ChangedField, Outcome, Taken};
pub use approval::Approved;
pub use audit::{AuditFinding, AuditKind, AuditRecord};
pub use builds::{Lease, OPEN_BUILDS, Opened};
pub use catalog::{Catalog, User};
pub use causes::{CauseRecord, CauseStatus};
pub use channels::{ChannelMove, earlier};
pub use checkpoint::CheckpointRecord;
pub use checks::SourceCheck;
pub use contents::ContentsRecord;
pub use cursors::Round;
pub use delete::DeleteError;
pub use distribution::Distributed;
#[cfg(feature = "dynamo")]
pub use dynamo::DynamoTable;
pub use error::{Result, StoreError};
pub use failures::Failures;
pub use image_life::{ImageLife, Revocation, Surplus};
pub use journal::Intent;
pub use leftovers::{Leftover, LeftoverKind, may_go};
#[cfg(any(test, feature = "memory"))]
pub use memory::{MemoryTable, Reads};
pub use plan::{
    DistributedImage, Plan, PlannedCheckpoint, PlannedDocument, PlannedLaunch, PlannedRegion, PlannedVulnerabilities,
    VerifiedImage,
};
pub use pointed::{ParameterPlace, Pointed, Pointing, Rollback};
pub use progress::{Effect, EffectKind, LogPlace, NoRoom, PreviousParameter, Scope, StateRecord, StateStatus, Wait};
pub use proof::{Origin, Proof};
pub use provenance::ProvenanceRecord;
pub use records::{
    Aftermath, BuildRecord, BuildStatus, Ending, ExportedObject, FailureCause, ImageRecord, ImageStatus, Keep,
    LaterDistribution, LeftBehind, OwnedCopy, stamp,
};
pub use retention::{RetentionRound, beyond};
pub use retirement::Retirement;
pub use room::Place;
pub use sources::{Subscription, WatchedSource};
pub use store::Store;
pub use table::{Check, Item, Key, Table, Write};
pub use tagged::Tagged;
pub use waits::{Holder, Lock};
