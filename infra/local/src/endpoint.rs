//! The endpoint: the world, the insides of its instances, and what moves them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;

use crate::emulator::Emulator;
use crate::events::Event;
use crate::faults::Faults;
use crate::guest::{Guest, Host};
use crate::options::Delays;
use crate::world::World;

/// One endpoint. Shared by all requests and by the tasks that move instances and images along.
#[derive(Debug)]
pub(crate) struct Endpoint {
    world: Mutex<World>,
    guests: Mutex<BTreeMap<String, Arc<Guest>>>,
    pub(crate) host: Host,
    pub(crate) delays: Delays,
    lag: Duration,
    pub(crate) emulator: Option<Emulator>,
    pub(crate) faults: Faults,
    events: UnboundedSender<Event>,
}

impl Endpoint {
    pub(crate) fn new(
        host: Host,
        delays: Delays,
        lag: Duration,
        emulator: Option<Emulator>,
        events: UnboundedSender<Event>,
    ) -> Self {
        Endpoint {
            world: Mutex::default(),
            guests: Mutex::default(),
            host,
            delays,
            lag,
            emulator,
            faults: Faults::new(),
            events,
        }
    }

    /// The world, locked. Never held over an `await`.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment that describes show.
    pub(crate) fn seen_at(&self) -> Timestamp {
        SignedDuration::try_from(self.lag)
            .ok()
            .and_then(|lag| Timestamp::now().checked_sub(lag).ok())
            .unwrap_or_default()
    }

    /// Queues an event.
    pub(crate) fn emit(&self, event: Event) {
        // The queue closes only when the endpoint ends.
        self.events.send(event).ok();
    }

    /// The inside of an instance that was booted.
    pub(crate) fn guest(&self, id: &str) -> Option<Arc<Guest>> {
        self.lock_guests().get(id).cloned()
    }

    pub(crate) fn keep_guest(&self, id: &str, guest: Arc<Guest>) {
        self.lock_guests().insert(id.to_owned(), guest);
    }

    pub(crate) fn drop_guest(&self, id: &str) -> Option<Arc<Guest>> {
        self.lock_guests().remove(id)
    }

    /// All insides.
    pub(crate) fn guests(&self) -> Vec<Arc<Guest>> {
        self.lock_guests().values().cloned().collect()
    }

    fn lock_guests(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Guest>>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
