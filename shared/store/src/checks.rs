//! Decides when the check of sources runs: at once, and then not again for a while. A request that arrives in the
//! meantime is kept.
//!
//! The item `CHECKS / SOURCES` has two attributes. `asked` names the last event that requested a check. It stays until
//! a check that began after that event has succeeded. `until` is the time before which no event begins a check. So a
//! request survives a check whose process ends, and it is kept if it arrives while a check runs or shortly after a
//! check ended. In each case the tick begins the check later.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{attributes, held};
use crate::{Check, Item, Key, Result, Store, Write, stamp};

/// How long a check may run. This is longer than its function can run (120 s), so a check whose function has ended does
/// not block others forever.
const RUNS: SignedDuration = SignedDuration::from_secs(150);
/// How long after the end of a check no event begins another one.
const RESTS: SignedDuration = SignedDuration::from_secs(30);

/// A check that is running. It may take several invocations, and each invocation hands it to the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceCheck {
    /// The last event that requested a check before this check began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
}

impl Store {
    /// Records that the event with this id has requested a check, and begins the check. Returns `None` if another check
    /// is running or has just ended. Safe to repeat.
    pub async fn ask_for_check(&self, event: &str, now: Timestamp) -> Result<Option<SourceCheck>> {
        let free = vec![Check::missing("until"), Check::before("until", stamp(now))];
        // Both are set in one write. If this function dies afterwards, `asked` makes the tick begin the check once
        // `until` has passed.
        let begun = attributes([("asked", json!(event)), ("until", json!(stamp(now + RUNS)))]);
        if held(self.write(vec![update(begun, vec![Check::Any(free)])]).await)? {
            return Ok(Some(SourceCheck { asked: Some(event.to_owned()) }));
        }
        // The check that runs now may have passed the source that this event is about. With the id of another event in
        // `asked`, its end leaves the request there.
        let asked = attributes([("asked", json!(event))]);
        self.write(vec![update(asked, vec![])]).await.map(|()| None)
    }

    /// Begins a check that must run now, whether or not another check is running.
    pub async fn begin_check(&self, now: Timestamp) -> Result<SourceCheck> {
        // This is read before the check begins: an event that comes in between is not served by this check.
        let check = SourceCheck { asked: self.asked().await?.0 };
        self.go_on_with_check(now).await.map(|()| check)
    }

    /// Keeps events from beginning another check while this check continues in another invocation.
    pub async fn go_on_with_check(&self, now: Timestamp) -> Result<()> {
        let runs = attributes([("until", json!(stamp(now + RUNS)))]);
        self.write(vec![update(runs, vec![])]).await
    }

    /// Ends a check. A successful check serves the event that requested it. Safe to repeat.
    pub async fn end_check(&self, check: &SourceCheck, is_good: bool, now: Timestamp) -> Result<()> {
        let rests = attributes([("until", json!(stamp(now + RESTS)))]);
        if let Some(asked) = check.asked.as_deref().filter(|_| is_good) {
            let served = Write::Update {
                key: key(),
                set: rests.clone(),
                remove: vec!["asked".to_owned()],
                checks: vec![Check::equals("asked", asked)],
            };
            if held(self.write(vec![served]).await)? {
                return Ok(());
            }
            // Another event has asked since then, and that request must stay; or an earlier call has removed `asked`.
        }
        self.write(vec![update(rests, vec![])]).await
    }

    /// Returns whether an event has requested a check that has not begun although it may begin now.
    pub async fn is_check_due(&self, now: Timestamp) -> Result<bool> {
        let (asked, until) = self.asked().await?;
        Ok(asked.is_some() && until.is_none_or(|until| until < stamp(now)))
    }

    /// Returns the event that requested a check last, and the time before which no event begins a check.
    async fn asked(&self) -> Result<(Option<String>, Option<String>)> {
        let item = self.table().get(&key()).await?.unwrap_or_default();
        let text = |name: &str| item.get(name)?.as_str().map(str::to_owned);
        Ok((text("asked"), text("until")))
    }
}

fn update(set: Item, checks: Vec<Check>) -> Write {
    Write::Update { key: key(), set, remove: vec![], checks }
}

fn key() -> Key {
    Key::new("CHECKS", "SOURCES")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::MemoryTable;

    fn store() -> (Store, Timestamp) {
        (Store::new(Arc::new(MemoryTable::new())), "2026-11-24T03:00:00Z".parse().unwrap())
    }

    #[tokio::test]
    async fn of_many_requests_for_a_check_one_begins_and_one_follows_later() {
        let (store, now) = store();
        let first = store.ask_for_check("1", now).await.unwrap().unwrap();
        for event in 2..100 {
            assert_eq!(store.ask_for_check(&event.to_string(), now).await.unwrap(), None);
        }
        assert!(!store.is_check_due(now).await.unwrap(), "one runs");
        store.end_check(&first, true, now).await.unwrap();
        assert!(!store.is_check_due(now + RESTS).await.unwrap());
        let later = now + RESTS + SignedDuration::from_secs(1);
        assert!(store.is_check_due(later).await.unwrap());
        let second = store.begin_check(later).await.unwrap();
        for _ in 0..2 {
            store.end_check(&second, true, later).await.unwrap();
        }
        assert!(!store.is_check_due(later + RUNS).await.unwrap(), "nobody has asked since");
        assert!(store.ask_for_check("100", later + RUNS).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_request_is_not_served_by_a_check_that_has_failed_or_died() {
        let (store, now) = store();
        let failed = store.ask_for_check("1", now).await.unwrap().unwrap();
        store.end_check(&failed, false, now).await.unwrap();
        let later = now + RESTS + SignedDuration::from_secs(1);
        assert!(store.is_check_due(later).await.unwrap());
        store.begin_check(later).await.unwrap();
        assert!(!store.is_check_due(later + RESTS).await.unwrap(), "it may still run");
        assert!(store.is_check_due(later + RUNS + RESTS).await.unwrap());
    }
}
