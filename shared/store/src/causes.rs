//! Causes: why a pipeline has to be built, kept from the moment they are heard of until a build has taken them in.
//!
//! A cause is written down before anything is started, so that it survives a build that runs meanwhile, a crash, and a
//! closed execution; it is marked served once, so that a redelivered event never builds twice, however late it comes.

use goldsmith_model::{Cause, Name, execution_name};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{encode, readable};
use crate::{Check, Item, Key, Result, Store, StoreError, Write, keys, stamp};

/// Partition of pending causes in the index `open`.
const OPEN_CAUSES: &str = "CAUSE";

/// When the reaper looks at a pending cause that nobody has started.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(60);

/// The longest pause between two attempts of a cause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// How long it is remembered that a cause was served: well over the 90 days after which Step Functions forgets a name.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// How long a cause is left alone after so many attempts: a minute, two, four, and so on.
fn pause_after(attempts: u32) -> SignedDuration {
    let doubled = 1_i32.checked_shl(attempts.saturating_sub(1)).filter(|_| attempts < 20).unwrap_or(i32::MAX);
    NEXT_LOOK.checked_mul(doubled).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
}

/// Whether a cause still asks for a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseStatus {
    /// It does.
    Pending,
    /// A build took it in, or there was nothing to build.
    Served,
}

/// `PIPELINE#n / CAUSE#id`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CauseRecord {
    /// The same for a repeated delivery of the same cause.
    pub id: String,
    /// Whose cause it is.
    pub pipeline: Name,
    /// The cause.
    pub cause: Cause,
    /// Whether it still asks for a build.
    pub status: CauseStatus,
    /// Number of the execution to start for it, from 1.
    pub attempt: u32,
    /// When it was first heard of.
    pub arrived_at: String,
    /// Until when an attempt that has failed is left alone; none in what an earlier version wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_look: Option<String>,
}

impl CauseRecord {
    /// Name of the execution that serves it: the build's id.
    #[must_use]
    pub fn execution_name(&self) -> String {
        execution_name(&self.pipeline, &self.cause, self.attempt)
    }

    /// Whether its last attempt has failed so lately that it is not started again.
    #[must_use]
    pub fn rests(&self, now: Timestamp) -> bool {
        self.attempt > 1 && self.next_look.as_ref().is_some_and(|until| *until > stamp(now))
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
            next_look: None,
        }
    }

    fn key(&self) -> Key {
        keys::cause(&self.pipeline, &self.id)
    }
}

impl Store {
    /// Writes a cause down, once; answers it as it stands.
    pub async fn keep_cause(&self, pipeline: &Name, cause: &Cause, now: Timestamp) -> Result<CauseRecord> {
        let record = CauseRecord::new(pipeline, cause, now);
        if let Some(known) = self.read(&record.key()).await? {
            return Ok(known);
        }
        let mut item = encode(record.key(), &record)?;
        item.insert("open".to_owned(), json!(OPEN_CAUSES));
        item.insert("nextLook".to_owned(), json!(stamp(now + NEXT_LOOK)));
        match self.write(vec![Write::Put { item, checks: vec![Check::Absent] }]).await {
            Ok(()) => Ok(record),
            Err(StoreError::Conflict { failed }) => {
                self.read(&record.key()).await?.ok_or(StoreError::Conflict { failed })
            }
            Err(other) => Err(other),
        }
    }

    /// What still asks for a build of this pipeline, oldest first.
    pub async fn pending_causes(&self, pipeline: &Name) -> Result<Vec<CauseRecord>> {
        let mut pending: Vec<CauseRecord> =
            readable(self.table().query(&format!("PIPELINE#{pipeline}"), "CAUSE#").await?);
        pending.retain(|record| record.status == CauseStatus::Pending);
        pending.sort_by(|a, b| a.arrived_at.cmp(&b.arrived_at).then_with(|| a.id.cmp(&b.id)));
        Ok(pending)
    }

    /// Pending causes that nobody has started for a while: what the reaper starts.
    pub async fn due_causes(&self, now: Timestamp) -> Result<Vec<CauseRecord>> {
        Ok(readable(self.table().due(OPEN_CAUSES, &stamp(now)).await?))
    }

    /// Marks a cause served. Safe to repeat; a cause that was never kept is noted as served too.
    pub async fn serve_cause(&self, pipeline: &Name, cause: &Cause, now: Timestamp) -> Result<()> {
        let served = CauseRecord {
            status: CauseStatus::Served,
            next_look: None,
            ..self.keep_cause_quietly(pipeline, cause, now).await?
        };
        // Without `open`: it leaves the index.
        let mut item = encode(served.key(), &served)?;
        item.insert("expiresAt".to_owned(), json!((now + KEPT).as_second()));
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }

    async fn keep_cause_quietly(&self, pipeline: &Name, cause: &Cause, now: Timestamp) -> Result<CauseRecord> {
        let record = CauseRecord::new(pipeline, cause, now);
        Ok(self.read(&record.key()).await?.unwrap_or(record))
    }

    /// The next attempt of a cause whose execution is closed without having served it. The reaper looks at it later and later:
    /// what has failed a dozen times will not work a minute after.
    pub async fn next_attempt(&self, record: &CauseRecord, now: Timestamp) -> Result<CauseRecord> {
        let next_look = now + pause_after(record.attempt);
        let write = Write::Update {
            key: record.key(),
            set: Item::from_iter([
                ("attempt".to_owned(), json!(record.attempt + 1)),
                ("nextLook".to_owned(), json!(stamp(next_look))),
            ]),
            remove: vec![],
            checks: vec![Check::equals("attempt", record.attempt), Check::equals("status", "pending")],
        };
        match self.write(vec![write]).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => {
                self.read(&record.key()).await?.ok_or(StoreError::Conflict { failed: vec![0] })
            }
            Err(other) => Err(other),
        }
    }

    /// The build that holds a pipeline's lease.
    pub async fn running_build(&self, pipeline: &Name) -> Result<Option<String>> {
        let lease = self.table().get(&keys::lease(pipeline)).await?;
        Ok(lease.and_then(|lease| Some(lease.get("build")?.as_str()?.to_owned())))
    }
}
