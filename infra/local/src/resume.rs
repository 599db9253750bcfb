//! How an endpoint continues where an earlier one ended or was killed: instances that ran are booted again on their
//! disks, pending work continues, and everything that no longer belongs to anything is removed.
//!
//! To an instance, this is a crash and a reboot of its host: its processes are gone, and a command that had not ended
//! has failed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::guest::GuestError;
use crate::ssm;
use crate::world::{ImageState, InstanceState, Snapshot, World};

/// Removes from the host everything that the world does not know.
pub(crate) fn tidy(endpoint: &Endpoint) -> Result<(), GuestError> {
    let world = endpoint.world();
    // An instance that was not up yet starts from an empty folder.
    let has_disk = |one: &&crate::world::Instance| match one.state() {
        InstanceState::Terminated | InstanceState::ShuttingDown => false,
        InstanceState::Pending => one.initialized,
        InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped => true,
    };
    let disks: BTreeSet<String> = world.instances.values().filter(has_disk).map(|one| one.id.clone()).collect();
    let layers = world.used_layers();
    drop(world);
    endpoint.tidy_blocks();
    endpoint.host.keep_only(&disks, &layers)
}

/// Returns the images that are pending, and deregistered images whose snapshots are pending.
pub(crate) fn unsettled(world: &World) -> Vec<String> {
    let is_pending = |id: &String| world.snapshots.get(id).is_some_and(Snapshot::is_pending);
    let open = world.images.values().filter(|image| match image.state() {
        ImageState::Pending => true,
        ImageState::Deregistered => image.snapshots().iter().any(is_pending),
        ImageState::Available | ImageState::Failed | ImageState::Disabled => false,
    });
    open.map(|image| image.id.clone()).collect()
}

/// Restarts all work.
pub(crate) async fn resume(endpoint: &Arc<Endpoint>) {
    let states: Vec<(String, InstanceState)> =
        endpoint.world().instances.values().map(|one| (one.id.clone(), one.state())).collect();
    for (id, state) in states {
        if !matches!(state, InstanceState::Terminated | InstanceState::ShuttingDown)
            && let Err(error) = endpoint.attach(&id).await
        {
            tracing::error!(instance = id, error = %chain(&error), "cannot continue");
        }
        match state {
            // Each transition starts where it stopped. It may send an event again that an earlier endpoint has sent, as
            // AWS may.
            InstanceState::Pending => endpoint.clone().come_up(&id),
            InstanceState::Running => endpoint.clone().come_back(&id),
            InstanceState::Stopping => endpoint.clone().finish_stop(&id),
            InstanceState::ShuttingDown => endpoint.clone().finish_end(&id),
            InstanceState::Stopped | InstanceState::Terminated => {}
        }
    }
    let pending = unsettled(&endpoint.world());
    pending.iter().for_each(|id| endpoint.resume_image(id));
    endpoint.resume_blocks();
    endpoint.resume_exports();
    endpoint.resume_spot_requests();
    ssm::resume_commands(endpoint);
}
