//! Makes the disks of snapshots of files when they are needed, and removes them with the last snapshot of their content.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::call::{Call, Request};
use super::disks::{DATA, FileDisk};
use super::refusal::Refusal;
use super::route::Route;
use crate::api::Scope;
use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::ids;
use crate::world::Snapshot;

/// Makes the disk that a request reads, if it reads one and the caller may.
pub(super) async fn prepare(endpoint: &Arc<Endpoint>, scope: &Scope, request: &Request) -> Result<(), Refusal> {
    let Some(Route::ListSnapshotBlocks { snapshot: id } | Route::GetSnapshotBlock { snapshot: id, .. }) =
        &request.route
    else {
        return Ok(());
    };
    let find = || Call { endpoint, scope, request }.readable(&endpoint.world(), id).cloned();
    match endpoint.ensure_disk(&find()?).await {
        Ok(()) => Ok(()),
        // The files are removed with the snapshot, and a disk cannot be made of them any more.
        Err(error) => find().and_then(|_| Err(error.into())),
    }
}

impl Endpoint {
    /// Makes the disk of a snapshot if the snapshot consists of files and no disk of the same content exists.
    pub(crate) async fn ensure_disk(self: &Arc<Self>, snapshot: &Snapshot) -> io::Result<()> {
        let of_blocks = self.world().block_snapshots.contains_key(&snapshot.id);
        let Some(name) = snapshot.disk_name().filter(|name| !of_blocks && !self.disks.has(name)) else { return Ok(()) };
        let (endpoint, layers, size) = (self.clone(), snapshot.layers.clone(), snapshot.size);
        let (tell, told) = oneshot::channel();
        // The work is a task of its own: if the caller hangs up, it continues, and the caller's next attempt finds the
        // disk.
        self.spawn(async move {
            let work = ids::resource("disk");
            let made = endpoint.disks.ensure(&name, async || endpoint.make_disk(&work, &layers, size).await).await;
            endpoint.host.remove_work(&work);
            // The last snapshot may have been deleted in the meantime.
            endpoint.sweep_disks();
            tell.send(made.map(drop)).ok();
        });
        told.await.unwrap_or_else(|_| Err(io::Error::other("the endpoint ends")))
    }

    /// Makes a disk in the folder of this work, and returns the disk's own folder.
    async fn make_disk(&self, work: &str, layers: &[String], size: u32) -> io::Result<PathBuf> {
        let told = |error: &dyn std::error::Error| io::Error::other(chain(error));
        let folder = self.host.make_work(work).map_err(|error| told(&error))?;
        let new = folder.join("new");
        std::fs::create_dir_all(&new)?;
        let made = self.host.make_file_system(layers, size, &folder, &new.join(DATA)).await;
        made.map_err(|error| told(&error))?;
        let finished = tokio::task::spawn_blocking(move || FileDisk::finish(&new).map(|()| new));
        finished.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    /// Removes the disks whose content no snapshot has any more.
    pub(crate) fn sweep_disks(&self) {
        let used = || -> BTreeSet<String> { self.world().snapshots.values().filter_map(Snapshot::disk_name).collect() };
        if let Err(error) = self.disks.keep_only(used) {
            tracing::warn!(%error, "a disk stays behind");
        }
    }
}
