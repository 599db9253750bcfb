//! Everything in this account that has not ended. A test compares inventories: after a failed build, the inventory must
//! be the same as before.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::FakeCloud;
use super::world::Region;
use crate::{CommandStatus, Tags};

/// The contents of each Region. A Region without contents is left out, so [`Inventory::default`] is an empty account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Contents by the Region's name.
    pub regions: BTreeMap<String, RegionInventory>,
}

/// The contents of one Region.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionInventory {
    /// Instances that are not ending, by id.
    pub instances: BTreeMap<String, Tags>,
    /// Persistent spot requests that may still launch or start an instance, by id.
    pub spot_requests: BTreeMap<String, Tags>,
    /// EBS volumes that still exist after their instances, by id.
    pub volumes: BTreeMap<String, Tags>,
    /// This account's images, including failed ones, by id.
    pub images: BTreeMap<String, Tags>,
    /// Snapshots, except those of other owners' images, by id.
    pub snapshots: BTreeMap<String, Tags>,
    /// Comments of the commands that are running on those instances, by command id.
    pub commands: BTreeMap<String, String>,
    /// AMIs that are being exported, by the id of the task.
    pub exports: BTreeMap<String, String>,
    /// Values by parameter name.
    pub parameters: BTreeMap<String, String>,
    /// Images that versions of launch templates name, by template and version. The first version of a template is not
    /// listed, because only people create templates.
    pub template_versions: BTreeMap<String, BTreeMap<u64, String>>,
    /// Default versions of the templates whose default version is not the first one.
    pub default_versions: BTreeMap<String, u64>,
}

impl Inventory {
    /// Returns whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Returns the contents of a Region, or empty contents if the Region is not known.
    #[must_use]
    pub fn region(&self, name: &str) -> RegionInventory {
        self.regions.get(name).cloned().unwrap_or_default()
    }
}

impl FakeCloud {
    /// Returns the current contents. This does not count as a check, so no resource changes its state.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        let world = self.world();
        let now = world.now();
        let regions = world.regions.iter().map(|(name, region)| (name.clone(), region.inventory(now)));
        Inventory { regions: regions.filter(|(_, region)| *region != RegionInventory::default()).collect() }
    }
}

impl Region {
    fn inventory(&self, now: Timestamp) -> RegionInventory {
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
            spot_requests: self
                .spot_requests
                .iter()
                .filter(|(_, request)| request.is_persistent() && request.is_live(now))
                .map(|(id, request)| (id.clone(), request.tags.clone()))
                .collect(),
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
            exports: self.active_exports(),
            parameters: self.parameters.iter().map(|(name, found)| (name.clone(), found.value.clone())).collect(),
            template_versions: self
                .launch_templates
                .iter()
                .filter(|(_, template)| template.versions.len() > 1)
                .map(|(id, template)| {
                    let added = template.versions.iter().filter(|(number, _)| **number > 1);
                    (id.clone(), added.map(|(number, version)| (*number, version.image.clone())).collect())
                })
                .collect(),
            default_versions: self
                .launch_templates
                .iter()
                .filter(|(_, template)| template.default > 1)
                .map(|(id, template)| (id.clone(), template.default))
                .collect(),
            instances,
            commands,
        }
    }
}
