//! The launches that wait for room: until the quota of the account, or EC2, has room for another instance.

use jiff::Timestamp;
use serde_json::json;

use crate::store::held;
use crate::{Check, Item, Result, Scope, Store, Wait, Write, keys, stamp};

/// Resource on which every launch waits for room. No resource of AWS has this id, so the wait is found only by this name
/// and by the tick.
pub const ROOM: &str = "room";

impl Store {
    /// Returns the launch of a Region that has waited for room the longest, among those that pause before their next
    /// attempt. A launch whose pause has ended tries anyway.
    pub async fn longest_wait_for_room(&self, region: &str, now: Timestamp) -> Result<Option<Wait>> {
        let now = stamp(now);
        let waits = self.waits_on(ROOM).await?.into_iter();
        let pausing = waits.filter(|wait| wait.region == region && wait.next_look > now);
        Ok(pausing.min_by(|a, b| (&a.no_room_since, &a.build).cmp(&(&b.no_room_since, &b.build))))
    }

    /// Ends the pause of a launch that waits for room. Does nothing if it no longer waits for room. Safe to repeat.
    pub async fn end_pause(&self, build: &str, scope: &Scope, now: Timestamp) -> Result<()> {
        let key = keys::wait(ROOM, build, &scope.to_string());
        let set = Item::from_iter([("nextLook".to_owned(), json!(stamp(now)))]);
        let update = Write::Update { key, set, remove: vec![], checks: vec![Check::Present] };
        held(self.write(vec![update]).await).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::State;
    use jiff::{SignedDuration, Timestamp};

    use super::ROOM;
    use crate::waits::put_wait;
    use crate::{MemoryTable, Scope, Store, Wait, samples, stamp};

    #[tokio::test]
    async fn the_longest_wait_is_the_first_whose_pause_ends() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let now: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
        let (before, after) = (now - SignedDuration::from_mins(9), now + SignedDuration::from_mins(1));
        let scope = Scope::from(State::Launch);
        for (build, region, since, next_look) in [
            ("web-1", "eu-west-1", now, after),
            ("web-2", "eu-west-1", before, after),
            ("web-3", "us-east-1", before - SignedDuration::from_mins(1), after),
            ("web-4", "eu-west-1", before - SignedDuration::from_mins(1), now),
        ] {
            let there = Wait { build: build.to_owned(), state: State::Launch, ..samples::wait(build, "token") };
            let parked = Wait {
                resource: ROOM.to_owned(),
                region: region.to_owned(),
                next_look: stamp(next_look),
                no_room_since: Some(stamp(since)),
                ..there
            };
            store.write(vec![put_wait(&parked, &scope).unwrap()]).await.unwrap();
        }
        let longest = async || store.longest_wait_for_room("eu-west-1", now).await.unwrap().map(|wait| wait.build);
        assert_eq!(longest().await.as_deref(), Some("web-2"));
        store.end_pause("web-2", &scope, now).await.unwrap();
        assert_eq!(longest().await.as_deref(), Some("web-1"));
        store.end_pause("web-1", &scope, now).await.unwrap();
        store.end_pause("web-9", &scope, now).await.unwrap();
        assert_eq!(longest().await, None);
        assert_eq!(store.due_waits(now).await.unwrap().len(), 3);
        assert_eq!(store.waits_on(ROOM).await.unwrap().len(), 4, "no wait was made for web-9");
    }
}
