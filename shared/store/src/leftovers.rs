//! Leftovers: resources that have the stack's tags although nothing ties them to a build. They are reported and shown,
//! but never removed without a request.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::store::{encode, readable};
use crate::{Result, Store, Write, keys, stamp};

/// How long a leftover stays even if its removal is requested: its owner has a day to notice the report.
const UNTOUCHED: SignedDuration = SignedDuration::from_hours(24);

/// Kind of a leftover, in the order in which leftovers are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeftoverKind {
    /// An EC2 instance.
    Instance,
    /// An EBS volume that is attached to no instance.
    Volume,
    /// An AMI.
    Image,
    /// An EBS snapshot.
    Snapshot,
}

impl fmt::Display for LeftoverKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Instance => "instance",
            Self::Volume => "volume",
            Self::Image => "image",
            Self::Snapshot => "snapshot",
        })
    }
}

/// `LEFTOVERS / region#id`
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// Its kind.
    pub kind: LeftoverKind,
    /// Its id.
    pub id: String,
    /// Its Region.
    pub region: String,
    /// The build that the tags name, if any.
    pub build: Option<String>,
    /// The image that the tags name, if any.
    pub image: Option<String>,
    /// When the leftover was found (RFC 3339).
    pub since: String,
    /// When the leftover was last reported, or `None` if it was not reported yet.
    pub told: Option<String>,
    /// How many times the leftover was reported.
    #[serde(default)]
    pub times: u32,
}

/// Returns whether a leftover that was found at `since` may be removed now, if a person requests it. If `since` is not
/// a time, the leftover must not be removed.
#[must_use]
pub fn may_go(since: &str, now: Timestamp) -> bool {
    since.parse::<Timestamp>().is_ok_and(|since| now >= since + UNTOUCHED)
}

impl Store {
    /// Returns all leftovers, ordered by Region, except those that cannot be read.
    pub async fn leftovers(&self) -> Result<Vec<Leftover>> {
        Ok(readable(self.table().query(keys::LEFTOVERS, "").await?))
    }

    /// Records a leftover. Safe to repeat.
    pub async fn note_leftover(&self, leftover: &Leftover) -> Result<()> {
        let item = encode(keys::leftover(&leftover.region, &leftover.id), leftover)?;
        // There is no condition: only the sweep writes these items, and either of two sweeps at once may win.
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }

    /// Records that a leftover was reported. Safe to repeat.
    pub async fn note_told(&self, leftover: &Leftover, now: Timestamp) -> Result<()> {
        let told = Leftover { told: Some(stamp(now)), times: leftover.times + 1, ..leftover.clone() };
        self.note_leftover(&told).await
    }

    /// Forgets a leftover that no longer exists. Safe to repeat.
    pub async fn forget_leftover(&self, region: &str, id: &str) -> Result<()> {
        self.write(vec![Write::Delete { key: keys::leftover(region, id), checks: vec![] }]).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use crate::{Leftover, LeftoverKind, MemoryTable, Store, may_go, stamp};

    #[tokio::test]
    async fn a_leftover_is_kept_until_forgotten_and_may_go_after_a_day() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let now: jiff::Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        let found = Leftover {
            kind: LeftoverKind::Image,
            id: "ami-1".to_owned(),
            region: "us-east-1".to_owned(),
            build: None,
            image: None,
            since: stamp(now),
            told: None,
            times: 0,
        };
        store.note_leftover(&found).await.unwrap();
        store.note_told(&found, now).await.unwrap();
        let told = store.leftovers().await.unwrap();
        assert_eq!(told, [Leftover { told: Some(stamp(now)), times: 1, ..found.clone() }]);
        assert!(!may_go(&found.since, now + SignedDuration::from_hours(23)));
        assert!(may_go(&found.since, now + SignedDuration::from_hours(24)));
        assert!(!may_go("once", now));
        for _ in 0..2 {
            store.forget_leftover("us-east-1", "ami-1").await.unwrap();
        }
        assert_eq!(store.leftovers().await.unwrap(), []);
    }
}
