//! The launches that wait for room: until the quota of the account, or EC2, has room for another instance.
//!
//! Launches that ask for the same wait in one line, in which only the first one asks. Its refusal holds for all others.
//! So the number of calls does not grow with the number of launches that wait, and neither does the number of items
//! that are read to find the first ones.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use serde_json::json;

use crate::keys::WAITS_FOR_ROOM;
use crate::store::{attributes, held, readable};
use crate::{Check, Item, Result, Scope, StateRecord, Store, Wait, Write, keys, stamp};

/// What precedes a place in the resource of a wait. No resource of AWS has such an id.
const ROOM: &str = "room#";

/// The place of a launch among those that wait for room. Places compare in the order in which launches have their turn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Launches with a lower rank come first, no matter how long the others have waited. The key has room for 999.
    pub rank: u32,
    /// Since when the launch waits.
    pub since: Timestamp,
    /// The line: a text without `#`. It is the same for launches that ask for the same.
    pub line: String,
}

impl Place {
    /// Returns the place that is the resource of a wait, or `None` if the wait is not one for room.
    #[must_use]
    pub fn of(resource: &str) -> Option<Self> {
        let mut parts = resource.strip_prefix(ROOM)?.splitn(3, '#');
        let (line, rank, since) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { rank: rank.parse().ok()?, since: since.parse().ok()?, line: line.to_owned() })
    }

    /// Returns the first part of the sort key of a wait with this place.
    pub(crate) fn sort_key(&self) -> String {
        format!("{}#{:03}#{}", self.line, self.rank, stamp(self.since))
    }
}

impl fmt::Display for Place {
    /// Writes the resource of a wait with this place.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ROOM}{}", self.sort_key())
    }
}

impl Wait {
    /// Returns the place of a launch that waits for room, or `None` if the wait is not one for room.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        Place::of(&self.resource)
    }
}

impl Store {
    /// Returns the first launch of each line that waits for room, in the order of their places. Costs one read of one
    /// item for each line, and one more.
    pub async fn first_for_room(&self) -> Result<Vec<(Place, Wait)>> {
        self.first_of_lines(|_| true).await
    }

    /// Returns the first launch of this line, or `None` if nobody waits in it or the first one cannot be read. Costs
    /// one read of one item.
    pub async fn first_of_line(&self, line: &str) -> Result<Option<Wait>> {
        let first = self.table().first_after(WAITS_FOR_ROOM, &format!("{line}#")).await?;
        let first = placed(first.into_iter().collect()).pop();
        Ok(first.filter(|(place, _)| place.line == line).map(|(_, wait)| wait))
    }

    /// Returns what [`Self::first_for_room`] would return without this launch.
    pub async fn others_for_room(&self, build: &str, scope: &Scope) -> Result<Vec<(Place, Wait)>> {
        self.first_of_lines(|wait| !wait.is_of(build, scope)).await
    }

    async fn first_of_lines(&self, counts: impl Fn(&Wait) -> bool) -> Result<Vec<(Place, Wait)>> {
        let (mut first, mut after) = (Vec::new(), String::new());
        while let Some(item) = self.table().first_after(WAITS_FOR_ROOM, &after).await? {
            after = item.get("sk").and_then(|value| value.as_str()).unwrap_or_default().to_owned();
            // A wait that cannot be read, or that an earlier version has written, must not hide those behind it.
            let Some((place, wait)) = placed(vec![item]).pop().filter(|(_, wait)| counts(wait)) else { continue };
            // `$` is the character after `#`, so this sorts after every place of the line.
            after = format!("{}$", place.line);
            first.push((place, wait));
        }
        first.sort_by(in_turn);
        Ok(first)
    }

    /// Returns all launches that wait for room, in the order of their places. Costs a read of each.
    pub async fn all_for_room(&self) -> Result<Vec<(Place, Wait)>> {
        let mut all = placed(self.table().query(WAITS_FOR_ROOM, "").await?);
        all.sort_by(in_turn);
        Ok(all)
    }

    /// Lets a launch that waits for room ask for it at once. Does nothing if it no longer waits for room, or if EC2 has
    /// refused it the room of an instance since `rested`. Safe to repeat.
    pub async fn give_room(&self, build: &str, scope: &Scope, now: Timestamp, rested: Timestamp) -> Result<()> {
        let waits_for = self.state(build, scope).await?.and_then(|state| state.waits_for);
        let Some(resource) = waits_for.filter(|resource| Place::of(resource).is_some()) else { return Ok(()) };
        let key = keys::wait(&resource, build, &scope.to_string());
        let set = attributes([("nextLook", json!(stamp(now))), ("hasRoom", json!(true))]);
        let has_rested = Check::Any(vec![Check::missing("noRoomAt"), Check::before("noRoomAt", stamp(rested))]);
        let checks = vec![Check::Present, has_rested];
        let update = Write::Update { key, set, remove: vec!["behind".to_owned()], checks };
        held(self.write(vec![update]).await).map(drop)
    }

    /// Lets the next tick look at the state of a closed build, which then leaves the line in which it waits. Does nothing
    /// if it does not wait for room. Safe to repeat.
    pub async fn leave_line(&self, build: &str, state: &StateRecord, now: Timestamp) -> Result<()> {
        let Some(resource) = state.waits_for.as_deref().filter(|resource| Place::of(resource).is_some()) else {
            return Ok(());
        };
        let key = keys::wait(resource, build, &state.scope().to_string());
        let set = attributes([("nextLook", json!(stamp(now)))]);
        held(self.write(vec![Write::Update { key, set, remove: vec![], checks: vec![Check::Present] }]).await).map(drop)
    }
}

/// Returns the waits among these items that can be read and have a place.
fn placed(items: Vec<Item>) -> Vec<(Place, Wait)> {
    readable(items).into_iter().filter_map(|wait: Wait| Some((wait.place()?, wait))).collect()
}

/// Compares by place. The builds decide between equal ones, as they do in the sort key.
fn in_turn((a, one): &(Place, Wait), (b, other): &(Place, Wait)) -> Ordering {
    a.cmp(b).then_with(|| one.build.cmp(&other.build))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::State;
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    use super::Place;
    use crate::waits::put_wait;
    use crate::{MemoryTable, Scope, StateRecord, Store, Table as _, Wait, Write, keys, samples, stamp};

    fn now() -> Timestamp {
        "2026-11-24T03:00:00Z".parse().unwrap()
    }

    fn place(line: &str, rank: u32, minutes: i64) -> Place {
        Place { line: line.to_owned(), rank, since: now() + SignedDuration::from_mins(minutes) }
    }

    /// Begins Launch of a build, and lets it wait at this place.
    async fn park(store: &Store, build: &str, place: &Place) {
        let scope = Scope::from(State::Launch);
        let until = stamp(now() + SignedDuration::from_hours(6));
        let there = Wait { build: build.to_owned(), state: State::Launch, ..samples::wait(build, "token") };
        store.note_running(build, &scope, now()).await.unwrap();
        store.write(vec![put_wait(&there, &scope).unwrap()]).await.unwrap();
        let parked = Wait { resource: place.to_string(), next_look: until, behind: true, ..there.clone() };
        assert!(store.park(&there, &scope, &parked, "waits").await.unwrap());
    }

    fn builds(waits: &[(Place, Wait)]) -> Vec<&str> {
        waits.iter().map(|(_, wait)| wait.build.as_str()).collect()
    }

    #[test]
    fn a_place_is_the_resource_of_its_wait() {
        let place = place("t3", 71, 9);
        assert_eq!(place.to_string(), "room#t3#071#2026-11-24T03:09:00.000Z");
        assert_eq!(Place::of(&place.to_string()), Some(place));
        for other in ["room", "i-0123456789abcdef0", "web-1", "room#t3", "room#t3#x#2026-11-24T03:09:00.000Z"] {
            assert_eq!(Place::of(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn the_first_of_each_line_have_their_turns_by_rank_and_time() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        assert_eq!(store.first_for_room().await.unwrap(), []);
        for n in 0..50 {
            park(&store, &format!("nightly-{n:02}"), &place("t3", 500, n)).await;
        }
        park(&store, "gpu", &place("p5", 500, -1)).await;
        park(&store, "urgent", &place("x", 400, 60)).await;
        let before = table.reads();
        let first = store.first_for_room().await.unwrap();
        assert_eq!(builds(&first), ["urgent", "gpu", "nightly-00"]);
        let after = table.reads();
        assert_eq!((after.calls - before.calls, after.items - before.items), (4, 3), "one for each line, and one more");
        let others = store.others_for_room("nightly-00", &State::Launch.into()).await.unwrap();
        assert_eq!(builds(&others), ["urgent", "gpu", "nightly-01"]);
        let first = async |line: &str| store.first_of_line(line).await.unwrap().map(|wait| wait.build);
        assert_eq!((first("p5").await.as_deref(), first("t").await, first("u").await), (Some("gpu"), None, None));
        let others = store.others_for_room("gpu", &State::LaunchAgain.into()).await.unwrap();
        assert_eq!(builds(&others), ["urgent", "gpu", "nightly-00"]);
        assert_eq!(builds(&store.all_for_room().await.unwrap())[..4], ["urgent", "gpu", "nightly-00", "nightly-01"]);
        park(&store, "production", &place("t3", 100, 90)).await;
        assert_eq!(builds(&store.first_for_room().await.unwrap()), ["production", "urgent", "gpu"]);
    }

    #[tokio::test]
    async fn an_item_that_cannot_be_read_hides_no_other() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        park(&store, "web", &place("t3", 500, 0)).await;
        let earlier = json!({"pk": "WAIT#room", "sk": "a-build#Launch", "resource": "room", "region": "eu-west-1",
            "build": "a-build", "state": "Launch", "token": "t", "owner": "launch", "open": "WAIT",
            "deadline": "2026-11-24T04:00:00.000Z", "nextLook": "2026-11-24T03:01:00.000Z"});
        let broken = json!({"pk": "WAIT#room", "sk": "t3#001#0", "open": "WAIT"});
        for item in [earlier, broken] {
            let item = item.as_object().unwrap().clone();
            table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        }
        assert_eq!(builds(&store.first_for_room().await.unwrap()), ["web"]);
    }

    #[tokio::test]
    async fn room_is_given_only_to_a_launch_that_waits_for_it() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        let scope = Scope::from(State::Launch);
        park(&store, "web", &place("t3", 500, 0)).await;
        assert_eq!(store.due_waits(now()).await.unwrap(), []);
        for _ in 0..2 {
            store.give_room("web", &scope, now(), now()).await.unwrap();
            let due = store.due_waits(now()).await.unwrap();
            assert_eq!((due.len(), due[0].has_room, due[0].behind), (1, true, false));
        }
        store.note_running("api", &scope, now()).await.unwrap();
        for elsewhere in ["api", "none"] {
            store.give_room(elsewhere, &scope, now(), now()).await.unwrap();
        }
        assert_eq!(table.query("WAIT#room", "").await.unwrap().len(), 1);
        let state: StateRecord = store.state("api", &scope).await.unwrap().unwrap();
        assert_eq!(state.waits_for, None);
        let there = store.wait("web", &scope).await.unwrap().unwrap();
        assert!(store.drop_wait(&there, &scope).await.unwrap());
        store.give_room("web", &scope, now(), now()).await.unwrap();
        assert_eq!(table.get(&keys::wait(&there.resource, "web", "Launch")).await.unwrap(), None);
    }
}
