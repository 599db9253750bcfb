//! Causes: why a pipeline must be built. A cause is kept from its arrival until a build has served it.
//!
//! A cause is recorded before anything is started, so it survives a build that is running, a crash, and a closed
//! execution. A cause is marked as served once, so a redelivered event never builds twice, no matter how late it
//! arrives.

use goldsmith_model::{Cause, Name, execution_name, is_zero};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{attributes, encode, held, readable, remembered_from};
use crate::{Check, Item, Key, Result, Store, StoreError, Write, keys, stamp};

/// Partition of pending causes in the index `open`.
const OPEN_CAUSES: &str = "CAUSE";

/// Time after which the reaper checks a pending cause that was not started.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(60);

/// Pauses before a failed build of a cause is retried. A temporary failure, such as a mirror that is down, must not
/// keep a patched image from being built until the next release. A cause whose builds always fail must not be built
/// forever.
const PAUSES: [SignedDuration; 3] =
    [SignedDuration::from_hours(1), SignedDuration::from_hours(6), SignedDuration::from_hours(24)];

/// The longest pause between two attempts of a cause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// Returns how long a cause rests after this number of attempts: one minute, two, four, and so on.
fn pause_after(attempts: u32) -> SignedDuration {
    // The tenth attempt reaches the longest pause. The bound keeps the shift from overflowing an `i32` later on.
    let doubled = 1_i32.checked_shl(attempts.saturating_sub(1)).filter(|_| attempts < 20).unwrap_or(i32::MAX);
    NEXT_LOOK.checked_mul(doubled).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

/// Whether a cause still needs a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseStatus {
    /// The cause needs a build.
    Pending,
    /// A build has served the cause, or no build was needed.
    Served,
}

/// `PIPELINE#n / CAUSE#id`, and `PIPELINE#n / SERVED#id` after it was served
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CauseRecord {
    /// Id of the cause, which is the same for a repeated delivery of the same cause.
    pub id: String,
    /// The pipeline to build.
    pub pipeline: Name,
    /// The cause.
    pub cause: Cause,
    /// Whether the cause still needs a build.
    pub status: CauseStatus,
    /// Number of the execution to start for the cause, from 1.
    pub attempt: u32,
    /// When the cause first arrived.
    pub arrived_at: String,
    /// Number of failed builds for the cause.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// No build starts for the cause before this time (RFC 3339). Either a failed build is retried after a pause, or
    /// the pipeline has just had an automatic build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Whether the last attempt has failed too. If so, the cause counts as served although no image was built for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_up: bool,
}

impl CauseRecord {
    /// Returns the name of the execution that serves the cause, which is the build's id.
    #[must_use]
    pub fn execution_name(&self) -> String {
        execution_name(&self.pipeline, &self.cause, self.attempt)
    }

    fn new(pipeline: &Name, cause: &Cause, now: Timestamp) -> Self {
        let id = execution_name(pipeline, cause, 0);
        let cause = cause.clone();
        let arrived_at = stamp(now);
        Self {
            id,
            pipeline: pipeline.clone(),
            cause,
            status: CauseStatus::Pending,
            attempt: 1,
            arrived_at,
            failures: 0,
            not_before: None,
            given_up: false,
        }
    }

    /// Returns whether the cause is pending and its `not_before` is still in the future.
    #[must_use]
    pub fn rests(&self, now: Timestamp) -> bool {
        self.status == CauseStatus::Pending && self.not_before.as_ref().is_some_and(|time| *time > stamp(now))
    }

    fn key(&self) -> Key {
        keys::cause(&self.pipeline, &self.id)
    }
}

impl Store {
    /// Records a cause once, and returns it as stored.
    pub async fn keep_cause(&self, pipeline: &Name, cause: &Cause, now: Timestamp) -> Result<CauseRecord> {
        let record = CauseRecord::new(pipeline, cause, now);
        if let Some(known) = self.kept(pipeline, &record.id).await? {
            return Ok(known);
        }
        let mut item = encode(record.key(), &record)?;
        item.insert("open".to_owned(), json!(OPEN_CAUSES));
        // The caller starts the cause next. If it dies before that, or if another build runs, the reaper does so later.
        item.insert("nextLook".to_owned(), json!(stamp(now + NEXT_LOOK)));
        let writes = vec![
            Write::Put { item, checks: vec![Check::Absent] },
            // An event may arrive again after its cause was served: the cause must not become pending again.
            Write::Verify { key: keys::served(pipeline, &record.id), checks: vec![Check::Absent] },
        ];
        match self.write(writes).await {
            Ok(()) => Ok(record),
            // The same event was handled at the same time, or its cause was served since the read.
            Err(StoreError::Conflict { failed }) => {
                self.kept(pipeline, &record.id).await?.ok_or(StoreError::Conflict { failed })
            }
            Err(other) => Err(other),
        }
    }

    /// Returns the causes that still need a build of this pipeline, oldest first. Served causes are not read, except
    /// those that earlier releases left among the pending ones.
    pub async fn pending_causes(&self, pipeline: &Name) -> Result<Vec<CauseRecord>> {
        let mut pending: Vec<CauseRecord> =
            readable(self.table().query(&format!("PIPELINE#{pipeline}"), "CAUSE#").await?);
        pending.retain(|record| record.status == CauseStatus::Pending);
        pending.sort_by(|a, b| a.arrived_at.cmp(&b.arrived_at).then_with(|| a.id.cmp(&b.id)));
        Ok(pending)
    }

    /// Returns pending causes that were not started for a while, which the reaper starts.
    pub async fn due_causes(&self, now: Timestamp) -> Result<Vec<CauseRecord>> {
        Ok(readable(self.table().due(OPEN_CAUSES, &stamp(now)).await?))
    }

    /// Returns a cause as it is stored, or `None` if it is not stored.
    pub async fn cause(&self, pipeline: &Name, cause: &Cause) -> Result<Option<CauseRecord>> {
        self.kept(pipeline, &execution_name(pipeline, cause, 0)).await
    }

    /// Returns a cause by its id, whether it is pending or served.
    async fn kept(&self, pipeline: &Name, id: &str) -> Result<Option<CauseRecord>> {
        // In this order, a cause that is served between the two reads is found as served.
        match self.read(&keys::cause(pipeline, id)).await? {
            Some(pending) => Ok(Some(pending)),
            None => self.read(&keys::served(pipeline, id)).await,
        }
    }

    /// Marks a kept cause as served. Safe to repeat.
    pub async fn serve_cause(&self, pipeline: &Name, cause: &Cause, now: Timestamp) -> Result<()> {
        // A cause that was not kept is not marked: a caller that only names it must not keep it from ever being built.
        match self.cause(pipeline, cause).await? {
            Some(record) => self.serve(record, vec![Check::equals("status", "pending")], now).await,
            None => Ok(()),
        }
    }

    /// Records that this build of a cause has failed. The cause is retried after each of the pauses, and then no more.
    /// Safe to repeat: only the newest build of the cause changes the record.
    pub async fn fail_cause(&self, pipeline: &Name, cause: &Cause, build: &str, now: Timestamp) -> Result<()> {
        let Some(record) = self.cause(pipeline, cause).await? else { return Ok(()) };
        if record.status == CauseStatus::Served || record.execution_name() != build {
            return Ok(());
        }
        let failures = record.failures + 1;
        let Some(pause) = usize::try_from(record.failures).ok().and_then(|done| PAUSES.get(done)) else {
            let checks = as_read(&record);
            return self.serve(CauseRecord { failures, given_up: true, ..record }, checks, now).await;
        };
        let (time, next) = (json!(stamp(now + *pause)), json!(record.attempt + 1));
        let set = [("attempt", next), ("notBefore", time.clone()), ("nextLook", time), ("failures", json!(failures))];
        self.change_cause(&record.key(), attributes(set), as_read(&record)).await
    }

    /// Postpones a pending cause until this time. Safe to repeat.
    pub async fn defer_cause(&self, record: &CauseRecord, until: Timestamp) -> Result<()> {
        let time = json!(stamp(until));
        let set = attributes([("notBefore", time.clone()), ("nextLook", time)]);
        self.change_cause(&record.key(), set, as_read(record)).await
    }

    /// Moves a pending cause to the served causes, which are remembered, if the checks hold.
    async fn serve(&self, record: CauseRecord, checks: Vec<Check>, now: Timestamp) -> Result<()> {
        let served = CauseRecord { status: CauseStatus::Served, ..record };
        let item = encode(keys::served(&served.pipeline, &served.id), &served)?;
        let writes = vec![
            // In one transaction: between two writes the cause would be nowhere, and a redelivered event would build
            // again.
            Write::Delete { key: served.key(), checks },
            Write::Put { item: remembered_from(item, now), checks: vec![] },
        ];
        held(self.write(writes).await).map(drop)
    }

    /// Changes a pending cause's item if the checks hold.
    async fn change_cause(&self, key: &Key, set: Item, checks: Vec<Check>) -> Result<()> {
        held(self.write(vec![Write::Update { key: key.clone(), set, remove: vec![], checks }]).await).map(drop)
    }

    /// Returns the next attempt of a cause whose execution was closed without serving it. Each pause is longer than the
    /// one before: a call that has failed a dozen times will not succeed a minute later.
    pub async fn next_attempt(&self, record: &CauseRecord, now: Timestamp) -> Result<CauseRecord> {
        let time = json!(stamp(now + pause_after(record.attempt)));
        let next = json!(record.attempt + 1);
        let write = Write::Update {
            key: record.key(),
            set: attributes([("attempt", next), ("notBefore", time.clone()), ("nextLook", time)]),
            remove: vec![],
            checks: as_read(record),
        };
        // After a conflict, another caller has changed the cause. The record is then what that caller wrote.
        held(self.write(vec![write]).await)?;
        self.kept(&record.pipeline, &record.id).await?.ok_or(StoreError::Conflict { failed: vec![0] })
    }
}

/// Returns the checks that the cause is still pending and has the same attempt.
fn as_read(record: &CauseRecord) -> Vec<Check> {
    // A failure counts the attempts up, so of two callers that report the same failure only one counts it.
    vec![Check::equals("attempt", record.attempt), Check::equals("status", "pending")]
}

#[cfg(test)]
mod tests;
