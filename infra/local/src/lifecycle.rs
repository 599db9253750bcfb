//! What happens by itself after a call: instances boot, stop and end; images become available.
//!
//! Each transition is a task. A task looks at the state again before it acts, since another call may have come meanwhile.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::guest::{GuestError, Wish};
use crate::world::{ImageState, InstanceState, Reason};

/// How often the inside of a running instance is asked for a reboot or shutdown.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

impl Endpoint {
    /// Moves an instance to a state and tells it. Nothing happens unless it is in `from`.
    fn advance(&self, id: &str, from: InstanceState, to: InstanceState) -> bool {
        let mut world = self.world();
        let Some(instance) = world.instances.get_mut(id).filter(|instance| instance.state() == from) else {
            return false;
        };
        instance.states.push(to);
        instance.online &= to == InstanceState::Running;
        self.emit(Event::of_instance(instance));
        true
    }

    /// Boots a new instance: `pending`, then `running`, then online.
    pub(crate) fn launch(self: Arc<Self>, id: &str) {
        let id = id.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(self.delays.state).await;
            if let Err(error) = self.bring_up(&id).await {
                tracing::error!(instance = id, error = %chain(&error), "does not boot");
                self.clone().end(&id, "Server.InternalError", &chain(&error));
                return;
            }
            if !self.advance(&id, InstanceState::Pending, InstanceState::Running) {
                // It was ended before there was anything to remove.
                return self.remove_inside(&id).await;
            }
            tokio::time::sleep(self.delays.online).await;
            if let Some(instance) = self.world().instances.get_mut(&id) {
                instance.online = instance.state() == InstanceState::Running;
            }
            self.watch(&id).await;
        });
    }

    async fn bring_up(&self, id: &str) -> Result<(), GuestError> {
        let layers = match self.world().instances.get(id) {
            Some(instance) => instance.layers.clone(),
            None => return Ok(()),
        };
        let guest = Arc::new(self.host.guest(id, &layers).await?);
        self.keep_guest(id, guest.clone());
        guest.boot().await
    }

    /// Does what the inside asks for, as long as the instance runs.
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
        if terminate {
            self.clone().end(
                id,
                "Client.InstanceInitiatedShutdown",
                "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
            );
        } else {
            self.clone().stop(id);
        }
    }

    /// Restarts the inside on the same disk. EC2 shows no state change for it.
    pub(crate) async fn reboot(&self, id: &str) {
        let Some(guest) = self.guest(id) else { return };
        guest.halt(true).await;
        if self.state_of(id) != Some(InstanceState::Running) {
            return;
        }
        if let Err(error) = guest.boot().await {
            tracing::error!(instance = id, error = %chain(&error), "does not come back from a reboot");
        }
    }

    pub(crate) fn state_of(&self, id: &str) -> Option<InstanceState> {
        self.world().instances.get(id).map(|instance| instance.state())
    }

    /// Stops an instance: `stopping`, then `stopped`; its disk stays.
    pub(crate) fn stop(self: Arc<Self>, id: &str) {
        if !self.advance(id, InstanceState::Running, InstanceState::Stopping) {
            return;
        }
        let id = id.to_owned();
        tokio::spawn(async move {
            if let Some(guest) = self.guest(&id) {
                guest.halt(true).await;
            }
            tokio::time::sleep(self.delays.state).await;
            self.advance(&id, InstanceState::Stopping, InstanceState::Stopped);
        });
    }

    /// Ends an instance: `shutting-down`, then `terminated`; nothing of it stays.
    pub(crate) fn end(self: Arc<Self>, id: &str, code: &str, message: &str) {
        let from = match self.state_of(id) {
            None | Some(InstanceState::ShuttingDown | InstanceState::Terminated) => return,
            Some(state) => state,
        };
        if let Some(instance) = self.world().instances.get_mut(id) {
            instance.reason = Some(Reason { code: code.to_owned(), message: message.to_owned() });
        }
        self.advance(id, from, InstanceState::ShuttingDown);
        let id = id.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(self.delays.state).await;
            self.remove_inside(&id).await;
            self.advance(&id, InstanceState::ShuttingDown, InstanceState::Terminated);
            self.sweep_layers();
        });
    }

    /// Ends an instance as EC2 does when its hardware fails.
    pub(crate) fn lose_instance(self: Arc<Self>, id: &str) {
        self.end(id, "Server.InternalError", "Server.InternalError: Internal error on the underlying host");
    }

    /// Ends the processes of an instance and removes its disk.
    pub(crate) async fn remove_inside(&self, id: &str) {
        let Some(guest) = self.drop_guest(id) else { return };
        if let Err(error) = guest.destroy().await {
            tracing::error!(instance = id, error = %chain(&error), "its disk stays behind");
        }
    }

    /// Removes the content that nothing needs any more.
    pub(crate) fn sweep_layers(&self) {
        let unused = self.world().take_unused_layers();
        for layer in unused {
            if let Err(error) = self.host.remove_layer(&layer) {
                tracing::warn!(layer, error = %chain(&error), "content stays behind");
            }
        }
    }

    /// Ends the wait for an image: it is available, or failed for a reason.
    pub(crate) fn settle_image(&self, id: &str, outcome: Result<(), String>) {
        let mut world = self.world();
        let Some(image) = world.images.get_mut(id).filter(|image| image.state() == ImageState::Pending) else {
            return;
        };
        image.failure = image.failure.take().or(outcome.err());
        image.states.push(if image.failure.is_none() { ImageState::Available } else { ImageState::Failed });
        self.emit(Event::of_image(image));
        let snapshots: Vec<String> = image.devices.iter().filter_map(|device| device.snapshot_id.clone()).collect();
        for snapshot in snapshots {
            if let Some(snapshot) = world.snapshots.get_mut(&snapshot) {
                snapshot.completed = true;
            }
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
