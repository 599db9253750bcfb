//! The endpoint: the world, the guests of its instances, and the tasks that change them.

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::ebs::disks::Disks;
use crate::emulator::Emulator;
use crate::events::Event;
use crate::faults::Faults;
use crate::guest::{Guest, Host};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::world::{Journal, World};

/// One endpoint. All requests share it with the tasks that move instances and images to their next states.
#[derive(Debug)]
pub(crate) struct Endpoint {
    kept: Mutex<Kept>,
    guests: Mutex<BTreeMap<String, Arc<Guest>>>,
    /// Running tasks; `None` once the endpoint ends.
    tasks: Mutex<Option<JoinSet<()>>>,
    pub(crate) host: Host,
    /// Disks of snapshots that consist of files.
    pub(crate) disks: Disks,
    /// Size of the base image, in bytes.
    pub(crate) base_size: u64,
    settings: Mutex<Settings>,
    pub(crate) emulator: Option<Emulator>,
    /// The secret that callers must know.
    pub(crate) secret: Secret,
    pub(crate) faults: Faults,
    /// A task that puts a block of a snapshot in its place has shared access; a task that counts blocks has exclusive
    /// access. One lock serves all snapshots: counting takes moments, even for many blocks. It is locked before the
    /// world.
    pub(crate) placing: RwLock<()>,
    events: UnboundedSender<Event>,
}

/// The world and the file that stores it.
#[derive(Debug)]
struct Kept {
    world: World,
    journal: Journal,
}

/// The locked world. Changes are written to the file before the lock is released.
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

/// The parts that an endpoint is made of.
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
            disks: parts.host.disks(),
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

    /// Returns the locked world. The lock is never held over an `await`.
    pub(crate) fn world(&self) -> Locked<'_> {
        Locked(lock(&self.kept))
    }

    /// Returns the world and leaves an empty one, also on disk.
    pub(crate) fn forget(&self) -> World {
        let Kept { world, journal } = &mut *lock(&self.kept);
        let old = std::mem::take(world);
        journal.start_over(world);
        old
    }

    /// Tries again to write the world to its file. Returns why this fails; `None` if everything is written.
    pub(crate) fn unwritten(&self) -> Option<String> {
        let Kept { world, journal } = &mut *lock(&self.kept);
        journal.record(world);
        journal.failure().map(|reason| format!("The state of the local EC2 cannot be written: {reason}"))
    }

    /// Returns the current settings.
    pub(crate) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// Returns the settings for a change.
    pub(crate) fn change_settings(&self) -> MutexGuard<'_, Settings> {
        lock(&self.settings)
    }

    /// Returns the moment whose state describe calls show.
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

    /// Starts a task that runs in the background until it is done or the endpoint ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = &mut *lock(&self.tasks) {
            // A JoinSet keeps the result of every task until somebody takes it, and an endpoint runs for weeks.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    /// Ends all background tasks. If the endpoint continues, new tasks may be spawned.
    pub(crate) async fn end_tasks(&self, goes_on: bool) {
        let tasks = std::mem::replace(&mut *lock(&self.tasks), goes_on.then(JoinSet::new));
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// Returns the guest of an instance that was booted.
    pub(crate) fn guest(&self, id: &str) -> Option<Arc<Guest>> {
        lock(&self.guests).get(id).cloned()
    }

    pub(crate) fn keep_guest(&self, id: &str, guest: Arc<Guest>) {
        lock(&self.guests).insert(id.to_owned(), guest);
    }

    pub(crate) fn drop_guest(&self, id: &str) {
        lock(&self.guests).remove(id);
    }

    /// Returns all guests.
    pub(crate) fn guests(&self) -> Vec<Arc<Guest>> {
        lock(&self.guests).values().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of one request must not end the endpoint for all others. Each change of the world is whole when its lock
    // is released.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl Endpoint {
    /// Creates an endpoint for a test, whose instances do not boot.
    pub(crate) fn in_folder(folder: &std::path::Path) -> Self {
        let base_image = folder.join("missing.tar");
        let options = crate::options::Options {
            secret: Secret::random().expect("random bytes"),
            listen: ([127, 0, 0, 1], 0).into(),
            state_dir: folder.to_owned(),
            delays: crate::options::DelayProfile::Instant,
            base_image: base_image.clone(),
            isolation: None,
            network: Some(crate::guest::isolation::Network::Machine),
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
