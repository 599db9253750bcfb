//! When the check of sources runs: at once, and not again for a while. Whoever asks meanwhile is not forgotten.
//!
//! `CHECKS / SOURCES` has two attributes: `asked` names the last event that has asked, and stays until a check that began
//! later has ended well; before `until` no event begins one. So a check may die, or the event may come while one runs or
//! has just ended: it is asked for still, and the tick sees to it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Check, Item, Key, Result, Store, StoreError, Write, stamp};

/// How long a check may run: longer than its function (120 s), so that one whose function has died keeps no other for ever.
const RUNS: SignedDuration = SignedDuration::from_secs(150);
/// How long after the end of a check events begin no other one.
const RESTS: SignedDuration = SignedDuration::from_secs(30);

/// A check that has begun. It may take several invocations, which hand it over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceCheck {
    /// Who had asked for one when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
}

impl Store {
    /// Notes that the event of this id asks for a check, and begins it; none where another runs or has just ended. Safe to
    /// repeat.
    pub async fn ask_for_check(&self, event: &str, now: Timestamp) -> Result<Option<SourceCheck>> {
        let free = vec![Check::missing("until"), Check::before("until", stamp(now))];
        let begun =
            Item::from_iter([("asked".to_owned(), json!(event)), ("until".to_owned(), json!(stamp(now + RUNS)))]);
        match self.write(vec![update(begun, vec![Check::Any(free)])]).await {
            Ok(()) => Ok(Some(SourceCheck { asked: Some(event.to_owned()) })),
            Err(StoreError::Conflict { .. }) => {
                let asked = Item::from_iter([("asked".to_owned(), json!(event))]);
                self.write(vec![update(asked, vec![])]).await.map(|()| None)
            }
            Err(other) => Err(other),
        }
    }

    /// Begins a check that is to run now, whatever else does.
    pub async fn begin_check(&self, now: Timestamp) -> Result<SourceCheck> {
        let check = SourceCheck { asked: self.asked().await?.0 };
        self.go_on_with_check(now).await.map(|()| check)
    }

    /// Keeps others from beginning a check while this one goes on in another invocation.
    pub async fn go_on_with_check(&self, now: Timestamp) -> Result<()> {
        let runs = Item::from_iter([("until".to_owned(), json!(stamp(now + RUNS)))]);
        self.write(vec![update(runs, vec![])]).await
    }

    /// Ends a check. Who had asked before it began is served by one that has ended well. Safe to repeat.
    pub async fn end_check(&self, check: &SourceCheck, is_good: bool, now: Timestamp) -> Result<()> {
        let rests = Item::from_iter([("until".to_owned(), json!(stamp(now + RESTS)))]);
        if let Some(asked) = check.asked.as_deref().filter(|_| is_good) {
            let served = Write::Update {
                key: key(),
                set: rests.clone(),
                remove: vec!["asked".to_owned()],
                checks: vec![Check::equals("asked", asked)],
            };
            match self.write(vec![served]).await {
                // Somebody has asked since, or an earlier call has written this.
                Err(StoreError::Conflict { .. }) => {}
                other => return other,
            }
        }
        self.write(vec![update(rests, vec![])]).await
    }

    /// Whether somebody has asked for a check that nobody has begun, though it may be.
    pub async fn is_check_due(&self, now: Timestamp) -> Result<bool> {
        let (asked, until) = self.asked().await?;
        Ok(asked.is_some() && until.is_none_or(|until| until < stamp(now)))
    }

    /// Who has asked, and until when no event begins a check.
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
    async fn one_of_many_begins_and_the_others_are_seen_to_once_after_a_rest() {
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
    async fn who_has_asked_is_not_served_by_a_check_that_has_failed_or_died() {
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
