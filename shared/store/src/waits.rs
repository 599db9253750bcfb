//! The states of a running build: their progress, their open wait, and the short lock under which they act.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::builds::{RACES, verify_open};
use crate::store::{attributes, encode, held, readable, remembered_from};
use crate::{
    AuditRecord, BuildRecord, Check, ContentsRecord, FailureCause, Item, LogPlace, ProvenanceRecord, Result, Scope,
    StateRecord, StateStatus, Store, StoreError, Wait, Write, keys, stamp,
};

/// Partition of parked waits in the index `open`.
const OPEN_WAITS: &str = "WAIT";

/// How long a lock is valid. This is longer than a function can run (120 s), so the holder has ended when its lock
/// expires.
const LOCK: SignedDuration = SignedDuration::from_secs(150);

/// Attribute of a locked state that tells its holder to look once more.
const KNOCKED: &str = "knocked";
/// Attributes of a lock.
const LOCKED: [&str; 2] = ["lockedUntil", "lockedBy"];

/// The caller that takes the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// The first invocation of the state, or a retry. If Step Functions gets no answer from an attempt, it starts the
    /// next one, even if the first attempt is still running. So a call of the first attempt may still be in progress.
    Start,
    /// An invocation for an event or for the tick.
    Wake,
}

/// A lock that is held now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    until: String,
    holder: Holder,
}

impl Holder {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Wake => "wake",
        }
    }
}

impl Wait {
    /// Returns the tokens of all attempts, the last attempt first.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.token).chain(&self.other_tokens).map(String::as_str)
    }

    /// Returns whether this is the wait of this state of this build.
    #[must_use]
    pub fn is_of(&self, build: &str, scope: &Scope) -> bool {
        self.build == build && (self.state, &self.item) == (scope.state, &scope.item)
    }
}

impl Store {
    /// Returns all states of a build that have begun.
    pub async fn states(&self, build: &str) -> Result<Vec<StateRecord>> {
        self.read_all(&format!("BUILD#{build}"), "STATE#").await
    }

    /// Returns one state.
    pub async fn state(&self, build: &str, scope: &Scope) -> Result<Option<StateRecord>> {
        self.read(&keys::state(build, &scope.to_string())).await
    }

    /// Returns the open wait of a state.
    pub async fn wait(&self, build: &str, scope: &Scope) -> Result<Option<Wait>> {
        // A wait moves only under the lock of its state. So for the holder of the lock, it cannot move between these
        // reads.
        let Some(resource) = self.state(build, scope).await?.and_then(|state| state.waits_for) else { return Ok(None) };
        self.read(&keys::wait(&resource, build, &scope.to_string())).await
    }

    /// Returns all waits on one resource, which an event about the resource wakes.
    pub async fn waits_on(&self, resource: &str) -> Result<Vec<Wait>> {
        Ok(readable(self.table().query(&format!("WAIT#{resource}"), "").await?))
    }

    /// Returns the waits whose next check is due, which the tick wakes.
    pub async fn due_waits(&self, now: Timestamp) -> Result<Vec<Wait>> {
        Ok(readable(self.table().due(OPEN_WAITS, &stamp(now)).await?))
    }

    /// Begins a state, or begins it again with another token. The wait is recorded before anything else happens, so the
    /// tick wakes a function that ends at once. Returns false if the build is closed.
    pub async fn begin(&self, record: &BuildRecord, scope: &Scope, wait: &Wait, now: Timestamp) -> Result<bool> {
        for _ in 0..RACES {
            let [state, wait] = self.beginning(record, scope, wait.clone(), now).await?;
            match self.write(vec![verify_open(record), state, wait]).await {
                Ok(()) => return Ok(true),
                // Index 0 is `verify_open`.
                Err(StoreError::Conflict { failed }) if failed.contains(&0) => return Ok(false),
                // Another attempt has begun, or the wait was parked on another resource: the current records are read
                // again.
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Err(StoreError::Busy { code: "WaitContention".to_owned() })
    }

    /// Returns the writes that begin a state, given its current record. If a state begins again, it keeps its earlier
    /// tokens.
    async fn beginning(
        &self,
        record: &BuildRecord,
        scope: &Scope,
        mut wait: Wait,
        now: Timestamp,
    ) -> Result<[Write; 2]> {
        let key = keys::state(&record.build, &scope.to_string());
        let Some(state) = self.state(&record.build, scope).await? else {
            let checks = vec![Check::Absent];
            let begun = Write::Put { item: remembered_from(encode(key, &running(scope, &wait, now))?, now), checks };
            return Ok([begun, put_wait(&wait, scope)?]);
        };
        let same_resource = match &state.waits_for {
            Some(resource) => Check::equals("waitsFor", resource.as_str()),
            None => Check::missing("waitsFor"),
        };
        // The wait stays on the resource that it was parked on: an event about that resource must still find it.
        wait.resource = state.waits_for.unwrap_or(wait.resource);
        let waits_at = keys::wait(&wait.resource, &record.build, &scope.to_string());
        let same_token = match self.read::<Wait>(&waits_at).await? {
            Some(there) => {
                let checks = vec![Check::equals("token", there.token.as_str())];
                // The token is known if an invocation is repeated. It must not replace the token of a later attempt
                // then.
                if there.tokens().any(|token| token == wait.token) {
                    (wait.token, wait.other_tokens) = (there.token, there.other_tokens);
                } else {
                    wait.other_tokens = there.tokens().map(str::to_owned).collect();
                }
                checks
            }
            // The state has ended before, and its wait was dropped. The new wait lets the token of this attempt be
            // answered with the end that is recorded.
            None => vec![Check::Absent],
        };
        let set = attributes([("waitsFor", json!(wait.resource))]);
        let begun = Write::Update { key, set, remove: vec![], checks: vec![Check::Present, same_resource] };
        Ok([begun, Write::Put { item: wait_item(&wait, scope)?, checks: same_token }])
    }

    /// Records that a state which does not wait is running.
    pub async fn note_running(&self, build: &str, scope: &Scope, now: Timestamp) -> Result<()> {
        let state = StateRecord { waits_for: None, ..fresh(scope, now) };
        let item = remembered_from(encode(keys::state(build, &scope.to_string()), &state)?, now);
        // A retry finds the state there. It must not open again what has ended, nor move the time of its start.
        held(self.write(vec![Write::Put { item, checks: vec![Check::Absent] }]).await).map(drop)
    }

    /// Takes the state's lock. Returns `None` if another invocation holds the lock, even if that invocation no longer
    /// runs. In that case, the tick continues when the lock has expired.
    pub async fn lock(&self, build: &str, scope: &Scope, holder: Holder, now: Timestamp) -> Result<Option<Lock>> {
        let lock = Lock { until: stamp(now + LOCK), holder };
        // A holder whose process ended never unlocks, so its lock is free again after a while.
        let free = [Check::missing("lockedUntil"), Check::before("lockedUntil", stamp(now))];
        let write = Write::Update {
            key: keys::state(build, &scope.to_string()),
            set: attributes([("lockedUntil", json!(lock.until)), ("lockedBy", json!(holder.as_str()))]),
            // The look that follows is later than every earlier knock.
            remove: vec![KNOCKED.to_owned()],
            // `Present` keeps a call for a state that never began from creating its item.
            checks: vec![Check::Present, Check::Any(free.into())],
        };
        Ok(held(self.write(vec![write]).await)?.then_some(lock))
    }

    /// Asks the holder of the state's lock to look once more before it unlocks. If nobody holds the lock, the next holder
    /// forgets the knock, because it looks anyway.
    pub async fn knock(&self, build: &str, scope: &Scope) -> Result<()> {
        let write = Write::Update {
            key: keys::state(build, &scope.to_string()),
            set: attributes([(KNOCKED, json!(true))]),
            remove: vec![],
            // `Present` keeps a call for a state that never began from creating its item.
            checks: vec![Check::Present],
        };
        held(self.write(vec![write]).await).map(drop)
    }

    /// Releases the state's lock if this caller still holds it.
    pub async fn unlock(&self, build: &str, scope: &Scope, lock: &Lock) -> Result<()> {
        held(self.write(vec![unlocking(build, scope, lock, &LOCKED, None)]).await).map(drop)
    }

    /// Releases the state's lock, unless somebody has knocked. Returns whether this caller no longer holds the lock.
    /// Otherwise it must look again.
    pub async fn unlock_unless_knocked(&self, build: &str, scope: &Scope, lock: &Lock) -> Result<bool> {
        let unlocked = unlocking(build, scope, lock, &LOCKED, Some(Check::missing(KNOCKED)));
        if held(self.write(vec![unlocked]).await)? {
            return Ok(true);
        }
        // Either somebody has knocked, or the lock is lost.
        Ok(!held(self.write(vec![unlocking(build, scope, lock, &[KNOCKED], None)]).await)?)
    }

    /// Parks a wait: records its resource, the text that people read while it waits, and when the tick checks it next.
    /// Returns false if the wait has received a new token in the meantime. The caller must then read the wait again.
    pub async fn park(&self, wait: &Wait, scope: &Scope, parked: &Wait, detail: &str) -> Result<bool> {
        let same_token = vec![Check::equals("token", wait.token.as_str())];
        let mut writes = Vec::new();
        if wait.resource == parked.resource {
            writes.push(Write::Put { item: wait_item(parked, scope)?, checks: same_token });
        } else {
            // One transaction moves the wait and `waitsFor` together, so the state always names the key of its wait.
            let left = keys::wait(&wait.resource, &wait.build, &scope.to_string());
            writes.push(Write::Delete { key: left, checks: same_token });
            // The new key needs no check: only the holder of the lock parks, and a new attempt changes the token of the
            // old wait.
            writes.push(put_wait(parked, scope)?);
        }
        writes.push(Write::Update {
            key: keys::state(&wait.build, &scope.to_string()),
            set: attributes([("waitsFor", json!(parked.resource)), ("detail", json!(detail))]),
            remove: vec![],
            checks: vec![Check::Present],
        });
        held(self.write(writes).await)
    }

    /// Records since when AWS has not found what the build made, or `None` if AWS finds it now.
    pub async fn note_unsettled(&self, build: &str, scope: &Scope, since: Option<&str>) -> Result<()> {
        let (set, remove) = match since {
            Some(since) => (attributes([("unsettledSince", json!(since))]), vec![]),
            None => (attributes([]), vec!["unsettledSince".to_owned()]),
        };
        let key = keys::state(build, &scope.to_string());
        self.write(vec![Write::Update { key, set, remove, checks: vec![Check::Present] }]).await
    }

    /// Records for how many seconds a launch has waited for room.
    pub async fn note_waited_for_room(&self, record: &BuildRecord, scope: &Scope, seconds: u64) -> Result<()> {
        self.write(vec![progress(record, scope, [("waitedForRoom", json!(seconds))])]).await
    }

    /// Removes a wait that was answered or is no longer needed. Returns false if the wait has received a new token in
    /// the meantime. That token must still be answered.
    pub async fn drop_wait(&self, wait: &Wait, scope: &Scope) -> Result<bool> {
        let key = keys::wait(&wait.resource, &wait.build, &scope.to_string());
        // `missing` also holds for an absent item, so removing a wait twice is no conflict.
        let checks = vec![Check::Any(vec![Check::equals("token", wait.token.as_str()), Check::missing("token")])];
        held(self.write(vec![Write::Delete { key, checks }]).await)
    }

    /// Records where a state's output can be read.
    pub async fn note_log(&self, record: &BuildRecord, scope: &Scope, log: &LogPlace) -> Result<()> {
        self.write(vec![progress(record, scope, [("log", json!(log))])]).await
    }

    /// Records the result of the audit of a state's instance.
    pub async fn note_audit(&self, record: &BuildRecord, scope: &Scope, audit: &AuditRecord) -> Result<()> {
        self.write(vec![progress(record, scope, [("audit", json!(audit))])]).await
    }

    /// Records where the contents of the image are that a state's instance has collected.
    pub async fn note_contents(&self, record: &BuildRecord, scope: &Scope, contents: &ContentsRecord) -> Result<()> {
        self.write(vec![progress(record, scope, [("contents", json!(contents))])]).await
    }

    /// Records the signed provenance of the image.
    pub async fn note_provenance(&self, record: &BuildRecord, scope: &Scope, signed: &ProvenanceRecord) -> Result<()> {
        self.write(vec![progress(record, scope, [("provenance", json!(signed))])]).await
    }

    /// Records the digests of the stored readings of snapshots.
    pub async fn note_readings(
        &self,
        record: &BuildRecord,
        scope: &Scope,
        readings: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.write(vec![progress(record, scope, [("readings", json!(readings))])]).await
    }

    /// Ends a state. Only the first end counts.
    pub async fn end_state(
        &self,
        build: &str,
        scope: &Scope,
        status: StateStatus,
        detail: &str,
        cause: Option<&FailureCause>,
        now: Timestamp,
    ) -> Result<()> {
        let mut set =
            attributes([("status", json!(status)), ("endedAt", json!(stamp(now))), ("detail", json!(detail))]);
        if let Some(cause) = cause {
            set.insert("cause".to_owned(), json!(cause));
        }
        // The first end counts: an attempt that Step Functions has given up on may end after the one that replaced it.
        let checks = vec![Check::Present, Check::missing("endedAt")];
        let write = Write::Update { key: keys::state(build, &scope.to_string()), set, remove: vec![], checks };
        held(self.write(vec![write]).await).map(drop)
    }
}

fn progress<const N: usize>(record: &BuildRecord, scope: &Scope, set: [(&str, serde_json::Value); N]) -> Write {
    Write::Update {
        key: keys::state(&record.build, &scope.to_string()),
        set: attributes(set),
        remove: vec![],
        checks: vec![Check::Present],
    }
}

fn fresh(scope: &Scope, now: Timestamp) -> StateRecord {
    StateRecord {
        state: scope.state,
        item: scope.item.clone(),
        status: StateStatus::Running,
        started_at: stamp(now),
        ended_at: None,
        detail: String::new(),
        log: None,
        cause: None,
        audit: None,
        contents: None,
        provenance: None,
        readings: BTreeMap::new(),
        unsettled_since: None,
        waits_for: None,
        waited_for_room: None,
    }
}

fn running(scope: &Scope, wait: &Wait, now: Timestamp) -> StateRecord {
    StateRecord { waits_for: Some(wait.resource.clone()), ..fresh(scope, now) }
}

/// Returns the write that removes these attributes of a state, if this lock is still held: if it has expired, another
/// function may hold its own by now.
fn unlocking(build: &str, scope: &Scope, lock: &Lock, remove: &[&str], check: Option<Check>) -> Write {
    let mut checks =
        vec![Check::equals("lockedUntil", lock.until.as_str()), Check::equals("lockedBy", lock.holder.as_str())];
    checks.extend(check);
    let remove = remove.iter().map(|&name| name.to_owned()).collect();
    Write::Update { key: keys::state(build, &scope.to_string()), set: Item::new(), remove, checks }
}

pub(crate) fn put_wait(wait: &Wait, scope: &Scope) -> Result<Write> {
    Ok(Write::Put { item: wait_item(wait, scope)?, checks: vec![] })
}

fn wait_item(wait: &Wait, scope: &Scope) -> Result<Item> {
    let mut item = encode(keys::wait(&wait.resource, &wait.build, &scope.to_string()), wait)?;
    item.insert("open".to_owned(), json!(OPEN_WAITS));
    Ok(match wait.deadline.parse::<Timestamp>() {
        // A wait that nobody ever drops, such as one of a deleted stack, must not stay in the table forever.
        Ok(deadline) => remembered_from(item, deadline),
        Err(_) => item,
    })
}

#[cfg(test)]
mod tests;
