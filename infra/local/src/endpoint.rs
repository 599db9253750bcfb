//! The endpoint: the world, the insides of its instances, and what moves them.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::emulator::Emulator;
use crate::events::Event;
use crate::faults::Faults;
use crate::guest::{Guest, Host};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::world::{Journal, World};

/// One endpoint. Shared by all requests and by the tasks that move instances and images along.
#[derive(Debug)]
pub(crate) struct Endpoint {
    kept: Mutex<Kept>,
    guests: Mutex<BTreeMap<String, Arc<Guest>>>,
    /// What is on its way; none once the endpoint ends.
    tasks: Mutex<Option<JoinSet<()>>>,
    pub(crate) host: Host,
    /// Bytes of the base image.
    pub(crate) base_size: u64,
    settings: Mutex<Settings>,
    pub(crate) emulator: Option<Emulator>,
    /// What callers must know.
    pub(crate) secret: Secret,
    pub(crate) faults: Faults,
    /// Who puts a block of a snapshot in its place shares it; who counts blocks has it alone. One for all snapshots: counting
    /// takes moments, also of many blocks. Locked before the world.
    pub(crate) placing: RwLock<()>,
    events: UnboundedSender<Event>,
}

/// The world and the file that it is kept in.
#[derive(Debug)]
struct Kept {
    world: World,
    journal: Journal,
}

/// The world, locked. What changed is written down before the lock is released.
pub(crate) struct Locked<'a>(MutexGuard<'a, Kept>);

impl Deref for Locked<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0.world
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0.world
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Kept { world, journal } = &mut *self.0;
        journal.record(world);
    }
}

/// What an endpoint is made of.
pub(crate) struct Parts {
    pub(crate) host: Host,
    pub(crate) journal: Journal,
    pub(crate) world: World,
    pub(crate) base_size: u64,
    pub(crate) settings: Settings,
    pub(crate) emulator: Option<Emulator>,
    pub(crate) secret: Secret,
    pub(crate) events: UnboundedSender<Event>,
}

impl Endpoint {
    pub(crate) fn new(parts: Parts) -> Self {
        Endpoint {
            kept: Mutex::new(Kept { world: parts.world, journal: parts.journal }),
            guests: Mutex::default(),
            tasks: Mutex::new(Some(JoinSet::new())),
            host: parts.host,
            base_size: parts.base_size,
            settings: Mutex::new(parts.settings),
            emulator: parts.emulator,
            secret: parts.secret,
            faults: Faults::new(),
            placing: RwLock::default(),
            events: parts.events,
        }
    }

    /// The world, locked. Never held over an `await`.
    pub(crate) fn world(&self) -> Locked<'_> {
        Locked(lock(&self.kept))
    }

    /// Takes the world and leaves an empty one, also on disk.
    pub(crate) fn forget(&self) -> World {
        let Kept { world, journal } = &mut *lock(&self.kept);
        let old = std::mem::take(world);
        journal.start_over(world);
        old
    }

    /// Why the world cannot be written down, also now; none when all of it is.
    pub(crate) fn unwritten(&self) -> Option<String> {
        let Kept { world, journal } = &mut *lock(&self.kept);
        journal.record(world);
        journal.failure().map(|reason| format!("The state of the local EC2 cannot be written: {reason}"))
    }

    /// The settings at this moment.
    pub(crate) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// The settings, for a change.
    pub(crate) fn change_settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    /// The moment that describes show.
    pub(crate) fn seen_at(&self) -> Timestamp {
        SignedDuration::try_from(self.settings().lag)
            .ok()
            .and_then(|lag| Timestamp::now().checked_sub(lag).ok())
            .unwrap_or_default()
    }

    /// Queues an event.
    pub(crate) fn emit(&self, event: Event) {
        // The queue closes only when the endpoint ends.
        self.events.send(event).ok();
    }

    /// Lets something go on by itself, until it is done or the endpoint ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *lock(&self.tasks) {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends all that goes on by itself; when the endpoint goes on, new tasks may be spawned.
    pub(crate) async fn end_tasks(&self, goes_on: bool) {
        let tasks = std::mem::replace(&mut *lock(&self.tasks), goes_on.then(JoinSet::new));
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// The inside of an instance that was booted.
    pub(crate) fn guest(&self, id: &str) -> Option<Arc<Guest>> {
        lock(&self.guests).get(id).cloned()
    }

    pub(crate) fn keep_guest(&self, id: &str, guest: Arc<Guest>) {
        lock(&self.guests).insert(id.to_owned(), guest);
    }

    pub(crate) fn drop_guest(&self, id: &str) {
        lock(&self.guests).remove(id);
    }

    /// All insides.
    pub(crate) fn guests(&self) -> Vec<Arc<Guest>> {
        lock(&self.guests).values().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Endpoint {
    /// One for a test, whose instances do not boot.
    pub(crate) fn in_folder(folder: &std::path::Path) -> Self {
        let base_image = folder.join("missing.tar");
        let options = crate::Options {
            secret: Secret::random().expect("random bytes"),
            listen: ([127, 0, 0, 1], 0).into(),
            state_dir: folder.to_owned(),
            delays: crate::DelayProfile::Instant,
            base_image: base_image.clone(),
            isolation: None,
            network: Some(crate::Network::Machine),
            events_url: None,
            describe_lag: std::time::Duration::ZERO,
            registration_events: false,
        };
        let host = Host::open(folder, &base_image, None, options.network).expect("a folder");
        let (journal, world) = Journal::open(folder).expect("a folder");
        Endpoint::new(Parts {
            host,
            journal,
            world,
            base_size: 0,
            settings: Settings::from(&options),
            emulator: None,
            secret: options.secret,
            events: tokio::sync::mpsc::unbounded_channel().0,
        })
    }
}
