//! Everything that is ours and not gone, to compare: after a failed build it must be what it was before.

use std::collections::BTreeMap;

use super::FakeCloud;
use super::world::Region;
use crate::{CommandStatus, Tags};

/// Region by Region; one without anything is not in it, so that [`Inventory::default`] is an empty account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// By the Region's name.
    pub regions: BTreeMap<String, RegionInventory>,
}

/// What one Region holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionInventory {
    /// Instances that are not ending, by id.
    pub instances: BTreeMap<String, Tags>,
    /// EBS volumes that their instances have left behind, by id.
    pub volumes: BTreeMap<String, Tags>,
    /// Our own images, failed ones too, by id.
    pub images: BTreeMap<String, Tags>,
    /// Snapshots, but for those of other owners' images, by id.
    pub snapshots: BTreeMap<String, Tags>,
    /// Comments of the commands that run on those instances, by command id.
    pub commands: BTreeMap<String, String>,
    /// Values by parameter name.
    pub parameters: BTreeMap<String, String>,
}

impl Inventory {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// What a Region holds; nothing where it is not known.
    #[must_use]
    pub fn region(&self, name: &str) -> RegionInventory {
        self.regions.get(name).cloned().unwrap_or_default()
    }
}

impl FakeCloud {
    /// What there is now. Looking does not move the world on.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let world = self.world();
        let regions = world.regions.iter().map(|(name, region)| (name.clone(), region.inventory()));
        Inventory { regions: regions.filter(|(_, region)| *region != RegionInventory::default()).collect() }
    }
}

impl Region {
    fn inventory(&self) -> RegionInventory {
        let instances: BTreeMap<String, Tags> = self
            .machines
            .values()
            .filter(|machine| !machine.instance.state.is_gone())
            .map(|machine| (machine.instance.id.clone(), machine.instance.tags.clone()))
            .collect();
        let commands = self
            .commands
            .iter()
            .filter(|(_, sent)| sent.status == CommandStatus::Running && instances.contains_key(&sent.command.instance))
            .map(|(id, sent)| (id.clone(), sent.command.comment.clone()))
            .collect();
        let theirs = |snapshot: &str| self.user_of(snapshot).is_some_and(|image| !self.images[image].is_ours());
        RegionInventory {
            volumes: self
                .volumes
                .iter()
                .filter(|(_, volume)| self.has_left(volume))
                .map(|(id, volume)| (id.clone(), volume.tags.clone()))
                .collect(),
            images: self
                .images
                .iter()
                .filter(|(_, record)| record.is_ours())
                .map(|(id, record)| (id.clone(), record.image.tags.clone()))
                .collect(),
            snapshots: self
                .snapshots
                .iter()
                .filter(|(id, _)| !theirs(id))
                .map(|(id, record)| (id.clone(), record.snapshot.tags.clone()))
                .collect(),
            parameters: self.parameters.iter().map(|(name, found)| (name.clone(), found.value.clone())).collect(),
            instances,
            commands,
        }
    }
}
