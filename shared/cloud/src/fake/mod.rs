//! An AWS in memory that behaves like AWS, for tests of code that uses [`Cloud`].
//!
//! It follows AWS's rules. Its resources change each time they are looked at, and not with time ([`Pace`]). Every
//! mutating call is counted. Every call can be made to fail, to lose its answer, or to kill the caller ([`Faults`]). A
//! test specifies in advance how commands, images and instances end, and afterwards compares inventories
//! ([`Inventory`]). The fake does not check permissions.

mod account;
mod ami;
mod blocks;
mod call;
mod commands;
mod events;
mod executions;
mod exports;
mod faults;
mod functions;
mod image_switches;
mod images;
mod inventory;
mod keys;
mod launch_templates;
mod licenses;
mod logs;
mod machine_record;
mod machines;
mod objects;
mod outcome;
mod pace;
mod parameters;
mod registrations;
mod sample;
mod schedules;
mod spot;
mod target_accounts;
#[cfg(test)]
mod tests;
mod topics;
mod types;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use account::AccountSettings;
pub use call::{ACCOUNT, AMAZON, HOME, MARKETPLACE, not_known_yet};
pub use events::EmittedEvent;
pub use executions::TokenAnswer;
pub use faults::{Between, CallName, EffectRecord, Fault, Faults, OnItsWay};
pub use functions::Wakeup;
pub use inventory::{Inventory, RegionInventory};
pub use outcome::Outcome;
pub use pace::{NEVER, Pace};
pub use sample::launch;
pub use target_accounts::place;
pub use topics::PublishedMessage;
pub use world::Requests;

use crate::{Cloud, Result};
use call::Call;
use world::World;

/// A handle to one fake account. The clones of a handle share the account.
#[derive(Clone, Default)]
pub struct FakeCloud {
    world: Arc<Mutex<World>>,
    faults: Faults,
}

impl FakeCloud {
    /// Creates an empty account.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns this account as an implementation of all the traits.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        let fake = Arc::new(self.clone());
        Cloud {
            machines: fake.clone(),
            account: fake.clone(),
            blocks: fake.clone(),
            images: fake.clone(),
            exports: fake.clone(),
            export_places: fake.clone(),
            switches: fake.clone(),
            registrations: fake.clone(),
            target_accounts: fake.clone(),
            keys: fake.clone(),
            templates: fake.clone(),
            licenses: fake.clone(),
            commands: fake.clone(),
            parameters: fake.clone(),
            objects: fake.clone(),
            executions: fake.clone(),
            functions: fake.clone(),
            events: fake.clone(),
            topics: fake.clone(),
            logs: fake,
        }
    }

    /// Returns the same account for a caller whose calls pass through this [`Between`].
    #[must_use]
    pub fn behind(&self, between: Arc<dyn Between>) -> Self {
        Self { world: Arc::clone(&self.world), faults: self.faults.behind(between) }
    }

    /// Changes the pace of every resource that is made or changed from now on.
    pub fn pace(&self, change: impl FnOnce(&mut Pace)) {
        change(&mut self.world().pace);
    }

    /// From now on, takes the creation time of every resource from this clock.
    pub fn tell_time(&self, clock: impl Fn() -> jiff::Timestamp + Send + 'static) {
        self.world().clock = Some(Box::new(clock));
    }

    /// Finishes at once everything that can finish. After that, no resource is hidden, pending or stopping, and no
    /// command is running.
    pub fn settle(&self) {
        self.world().settle();
    }

    /// Returns the counter of effects, to wrap the calls of other clients of the same process.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// See [`Faults::fail_at`].
    pub fn fail_at(&self, n: usize, fault: Fault) {
        self.faults.fail_at(n, fault);
    }

    /// See [`Faults::fail_next`].
    pub fn fail_next(&self, name: &'static str, fault: Fault) {
        self.faults.fail_next(name, fault);
    }

    /// See [`Faults::fail_always`].
    pub fn fail_always(&self, name: &'static str, region: &str, fault: Fault) {
        self.faults.fail_always(name, region, fault);
    }

    /// See [`Faults::heal`].
    pub fn heal(&self) {
        self.faults.heal();
    }

    /// See [`Faults::killed`].
    pub async fn killed(&self) {
        self.faults.killed().await;
    }

    /// See [`Faults::effects`].
    #[must_use]
    pub fn effects(&self) -> Vec<EffectRecord> {
        self.faults.effects()
    }

    /// Returns the requests that created something so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.world().requests.clone()
    }

    /// Makes a change for a method of a trait. Every change calls this function.
    async fn effect<T>(
        &self,
        call: Call<'_>,
        detail: impl Into<String>,
        act: impl FnOnce(&mut World) -> Result<T>,
    ) -> Result<T> {
        let act = async { act(&mut self.world()) };
        self.faults.around(call.operation, call.region, detail, act, |kind| call.fault(kind)).await
    }

    /// Makes a read for a method of a trait. Every read calls this function.
    async fn read<T>(&self, call: Call<'_>, look: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        let look = async { look(&mut self.world()) };
        self.faults.read(call.operation, call.region, look, |kind| call.fault(kind)).await
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
