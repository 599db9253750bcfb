//! Dedicated Hosts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Instance, InstanceState, Tags, World};
use crate::api::Scope;

/// A Dedicated Host. It stays in the world after its release, since EC2 still describes it for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) zone: String,
    /// Family of the types that it takes, such as `m5`.
    pub(crate) family: String,
    /// The only type that it takes; `None` for every type of its family.
    pub(crate) instance_type: Option<String>,
    /// Whether it takes instances that name no host.
    pub(crate) auto_placement: bool,
    pub(crate) recovery: bool,
    pub(crate) maintenance: bool,
    pub(crate) client_token: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) allocated_at: Timestamp,
    pub(crate) released_at: Option<Timestamp>,
}

impl Host {
    /// vCPUs of every host. Those of AWS differ by family.
    pub(crate) const CPUS: u32 = 96;

    /// Returns EC2's name of its state.
    pub(crate) fn state(&self) -> &'static str {
        if self.released_at.is_some() { "released" } else { "available" }
    }

    /// Returns whether it takes instances of this type.
    pub(crate) fn takes(&self, instance_type: &str) -> bool {
        match &self.instance_type {
            Some(only) => only == instance_type,
            None => instance_type.split_once('.').is_some_and(|(family, _)| family == self.family),
        }
    }
}

impl World {
    /// Returns the instances that take room on a host: all that are neither stopped nor terminated.
    pub(crate) fn instances_on(&self, host: &str) -> impl Iterator<Item = &Instance> {
        let takes_room = |one: &&Instance| !matches!(one.state(), InstanceState::Stopped | InstanceState::Terminated);
        self.instances.values().filter(move |one| one.host_id.as_deref() == Some(host)).filter(takes_room)
    }
}
