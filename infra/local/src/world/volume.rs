//! Volumes that have outlived their instance. The volumes that an instance has are among the instance's devices.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BlockDevice, Instance, InstanceState, Tags, World};
use crate::api::Scope;

/// A volume without an instance. Its content is not kept: nothing here attaches it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) zone: String,
    /// The device as it was mapped.
    pub(crate) device: BlockDevice,
    pub(crate) tags: Tags,
    pub(crate) created_at: Timestamp,
}

impl World {
    /// Keeps those volumes of an instance that are not deleted with it.
    pub(crate) fn leave_volumes(&mut self, instance: &str) {
        let Some(instance) = self.instances.get(instance) else { return };
        for volume in outliving(instance) {
            self.volumes.insert(volume.id.clone(), volume);
        }
    }

    /// Returns the id of the instance that has this volume of a scope.
    pub(crate) fn user_of_volume(&self, scope: &Scope, id: &str) -> Option<String> {
        let has = |one: &&Instance| one.devices.iter().any(|device| device.volume_id.as_deref() == Some(id));
        let live = self.instances.values().filter(|one| one.scope == *scope);
        live.filter(|one| one.state() != InstanceState::Terminated).find(has).map(|one| one.id.clone())
    }
}

fn outliving(instance: &Instance) -> Vec<Volume> {
    let kept = instance.devices.iter().filter(|device| !device.delete_on_termination);
    kept.filter_map(|device| {
        Some(Volume {
            id: device.volume_id.clone()?,
            scope: instance.scope.clone(),
            zone: instance.zone.clone(),
            device: device.clone(),
            tags: instance.volume_tags.clone(),
            created_at: instance.launched_at,
        })
    })
    .collect()
}
