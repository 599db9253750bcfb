//! Transitions that happen by themselves after a call: instances boot, stop and end; images become available.
//!
//! Each transition is a task. A task checks the state again before it acts, since another call may have come in the
//! meantime.

use std::sync::Arc;

use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::guest::{Guest, GuestError, Wish, inotify};
use crate::metadata;
use crate::world::{Instance, InstanceState, Reason, World};

/// How often the guest of a running instance is checked for a requested reboot or shutdown.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// How often a reboot is tried, and the time between two tries.
const BOOTS: usize = 3;
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

impl Endpoint {
    /// Moves an instance to a state and sends the event. Does nothing unless the instance is in `from`.
    fn advance(&self, id: &str, from: InstanceState, to: InstanceState) -> bool {
        let mut world = self.world();
        let Some(instance) = world.instances.get_mut(id).filter(|instance| instance.state() == from) else {
            return false;
        };
        instance.states.push(to);
        // An agent registers anew after each start, but not after a reboot.
        instance.online &= to == InstanceState::Running;
        self.emit(Event::of_instance(instance));
        true
    }

    /// Boots an instance that is `pending`: it becomes `running`, then online.
    pub(crate) fn come_up(self: Arc<Self>, id: &str) {
        let id = id.to_owned();
        self.clone().spawn(async move {
            // Between the call and the boot, another call may end the instance. So the state is checked after every
            // pause.
            tokio::time::sleep(self.settings().delays.boot).await;
            if !self.is_kept(&id) {
                return;
            }
            if self.is_brought_up(&id).await && self.advance(&id, InstanceState::Pending, InstanceState::Running) {
                self.stay_up(&id).await;
            }
        });
    }

    /// Boots an instance that was `running` when an earlier endpoint ended.
    pub(crate) fn come_back(self: Arc<Self>, id: &str) {
        let id = id.to_owned();
        self.clone().spawn(async move {
            if self.is_brought_up(&id).await {
                self.stay_up(&id).await;
            }
        });
    }

    /// Handles an instance that does not boot. A new instance ends, as on EC2. An instance that has run before is only
    /// stopped, since its disk may still be wanted.
    fn not_up(self: Arc<Self>, id: &str, error: &GuestError) {
        // A systemd that gets no inotify instance gives no reason. That there is none left now is the best explanation.
        let full = self.host.room(0, 1) == 0;
        let (code, message) = if full {
            let message = format!("{}. The boot ended with: {}", inotify::shortage(), chain(error));
            ("Server.InsufficientInstanceCapacity", message)
        } else {
            ("Server.InternalError", chain(error))
        };
        let has_run = self.world().instances.get(id).is_some_and(|instance| instance.initialized);
        if !has_run {
            return self.end(id, code, &message);
        }
        if let Some(instance) = self.world().instances.get_mut(id) {
            instance.reason = Some(Reason::now(code, &message));
        }
        if !self.advance(id, InstanceState::Pending, InstanceState::Stopped) {
            self.stop(id, code, &message);
        }
    }

    /// Returns how many more of `wanted` instances this machine has room for.
    pub(crate) fn room(&self, world: &World, wanted: usize) -> usize {
        let live = |one: &&Instance| matches!(one.state(), InstanceState::Pending | InstanceState::Running);
        self.host.room(world.instances.values().filter(live).count(), wanted)
    }

    /// Does what follows a boot, until the instance no longer runs.
    async fn stay_up(self: &Arc<Self>, id: &str) {
        self.set_up(id);
        tokio::time::sleep(self.settings().delays.online).await;
        self.tend_agent(id);
        self.watch(id).await;
    }

    /// Boots an instance. Returns whether it has booted and is still wanted; otherwise, this function has handled the
    /// instance.
    async fn is_brought_up(self: &Arc<Self>, id: &str) -> bool {
        let up = self.bring_up(id).await;
        if !self.is_kept(id) {
            // It was ended in the meantime, perhaps before there was anything to remove.
            self.remove_inside(id).await;
            return false;
        }
        let Err(error) = up else { return true };
        tracing::error!(instance = id, error = %chain(&error), "does not boot");
        self.clone().not_up(id, &error);
        false
    }

    async fn bring_up(self: &Arc<Self>, id: &str) -> Result<(), GuestError> {
        let Some(guest) = self.attach(id).await? else { return Ok(()) };
        guest.boot().await
    }

    /// Returns the guest of an instance, and registers it if it is not registered yet.
    pub(crate) async fn attach(self: &Arc<Self>, id: &str) -> Result<Option<Arc<Guest>>, GuestError> {
        if let Some(guest) = self.guest(id) {
            return Ok(Some(guest));
        }
        let known = |instance: &Instance| (instance.private_dns_name(), instance.layers.clone());
        let Some((name, layers)) = self.world().instances.get(id).map(known) else {
            return Ok(None);
        };
        // The listener is open before the first process runs: cloud-init reads the metadata at once.
        let metadata = metadata::open(self, id).await?;
        let guest = Arc::new(self.host.guest(id, &name, &layers, metadata).await?);
        self.keep_guest(id, guest.clone());
        Ok(Some(guest))
    }

    /// Does what the guest requests, as long as the instance runs.
    async fn watch(self: &Arc<Self>, id: &str) {
        while let Some(guest) = self.guest(id).filter(|_| self.state_of(id) == Some(InstanceState::Running)) {
            match guest.wish().await {
                Some(Wish::Reboot) => self.reboot(id).await,
                Some(Wish::PowerOff) => return self.power_off(id),
                None => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn power_off(self: &Arc<Self>, id: &str) {
        let terminate = self.world().instances.get(id).is_some_and(|instance| instance.terminate_on_shutdown);
        let (code, message) =
            ("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown");
        if terminate {
            self.clone().end(id, code, message);
        } else {
            self.clone().stop(id, code, message);
        }
    }

    /// Restarts the guest on the same disk. EC2 shows no change of state for a reboot.
    pub(crate) async fn reboot(self: &Arc<Self>, id: &str) {
        let Some(guest) = self.guest(id) else { return };
        guest.halt(true).await;
        self.boot_again(id, &guest).await;
    }

    /// Boots a running instance whose guest was halted. The obstacle to a boot may pass; if it does not, the instance
    /// is stopped.
    pub(crate) async fn boot_again(self: &Arc<Self>, id: &str, guest: &Arc<Guest>) {
        for left in (0..BOOTS).rev() {
            if self.state_of(id) != Some(InstanceState::Running) {
                return;
            }
            let Err(error) = guest.boot().await else { return };
            tracing::error!(instance = id, error = %chain(&error), "does not come back from a reboot");
            if left == 0 {
                return self.clone().not_up(id, &error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns whether an instance exists and is not about to end for good.
    fn is_kept(&self, id: &str) -> bool {
        self.state_of(id).is_some_and(|state| !is_over(state))
    }

    pub(crate) fn state_of(&self, id: &str) -> Option<InstanceState> {
        self.world().instances.get(id).map(|instance| instance.state())
    }

    /// Starts a stopped instance.
    pub(crate) fn start(self: Arc<Self>, id: &str) {
        if self.advance(id, InstanceState::Stopped, InstanceState::Pending) {
            if let Some(instance) = self.world().instances.get_mut(id) {
                instance.reason = None;
            }
            self.spot_started(id);
            self.come_up(id);
        }
    }

    /// Stops an instance: it becomes `stopping`, then `stopped`. Its disk stays.
    pub(crate) fn stop(self: Arc<Self>, id: &str, code: &str, message: &str) {
        if self.advance(id, InstanceState::Running, InstanceState::Stopping) {
            if let Some(instance) = self.world().instances.get_mut(id) {
                instance.reason = Some(Reason::now(code, message));
            }
            self.spot_stops(id);
            self.finish_stop(id);
        }
    }

    pub(crate) fn finish_stop(self: Arc<Self>, id: &str) {
        let id = id.to_owned();
        self.clone().spawn(async move {
            if let Some(guest) = self.guest(&id) {
                guest.halt(true).await;
            }
            tokio::time::sleep(self.settings().delays.stop).await;
            if self.advance(&id, InstanceState::Stopping, InstanceState::Stopped) {
                self.spot_stopped(&id);
            }
        });
    }

    /// Ends an instance: it becomes `shutting-down`, then `terminated`. Only volumes that must outlive it stay.
    pub(crate) fn end(self: Arc<Self>, id: &str, code: &str, message: &str) {
        let mut world = self.world();
        // The check and the move happen under one lock: a stop or a boot may end at this moment.
        let Some(instance) = world.instances.get_mut(id).filter(|instance| !is_over(instance.state())) else { return };
        instance.reason = Some(Reason::now(code, message));
        instance.states.push(InstanceState::ShuttingDown);
        instance.online = false;
        self.emit(Event::of_instance(instance));
        drop(world);
        self.finish_end(id);
    }

    pub(crate) fn finish_end(self: Arc<Self>, id: &str) {
        let id = id.to_owned();
        self.clone().spawn(async move {
            tokio::time::sleep(self.settings().delays.terminate).await;
            self.remove_inside(&id).await;
            self.world().leave_volumes(&id);
            if self.advance(&id, InstanceState::ShuttingDown, InstanceState::Terminated) {
                self.spot_ended(&id);
            }
            self.sweep_layers();
        });
    }

    /// Ends an instance as EC2 does when its hardware fails.
    pub(crate) fn lose_instance(self: Arc<Self>, id: &str) {
        self.end(id, "Server.InternalError", "Server.InternalError: Internal error on the underlying host");
    }

    /// Ends everything that runs, and keeps the disks, because the endpoint ends.
    pub(crate) async fn rest(&self) {
        self.end_tasks(false).await;
        let mut halts: tokio::task::JoinSet<()> = tokio::task::JoinSet::new();
        for guest in self.guests() {
            halts.spawn(async move { guest.retire(true).await });
        }
        while halts.join_next().await.is_some() {}
    }

    /// Ends the processes of an instance and removes its disk.
    pub(crate) async fn remove_inside(&self, id: &str) {
        let Some(guest) = self.guest(id) else { return };
        if let Err(error) = guest.destroy().await {
            tracing::error!(instance = id, error = %chain(&error), "its disk cannot be removed");
        }
        // The guest stays registered until it is gone: the endpoint may end, or be reset, in the meantime.
        self.drop_guest(id);
    }

    /// Removes the content that nothing needs any more.
    pub(crate) fn sweep_layers(&self) {
        self.sweep_blocks();
        let unused = self.world().take_unused_layers();
        for layer in unused {
            if let Err(error) = self.host.remove_layer(&layer) {
                tracing::warn!(layer, error = %chain(&error), "content stays behind");
            }
        }
    }
}

/// Returns whether an instance has ended for good, or is about to.
fn is_over(state: InstanceState) -> bool {
    matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated)
}
