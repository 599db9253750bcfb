//! What is left in the local AWS, as its endpoint counts it, and the faults that it is told to inject.

use serde::Deserialize;
use serde_json::Value;

use crate::stack::{SHOWN, Stack};

/// A resource.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Resource {
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) account: String,
    /// Accounts with a launch permission.
    #[serde(default, rename = "sharedWith")]
    pub(crate) shared_with: Vec<String>,
    #[serde(default)]
    pub(crate) encrypted: bool,
    #[serde(default)]
    pub(crate) source: bool,
    #[serde(default)]
    pub(crate) state: String,
    pub(crate) tags: std::collections::BTreeMap<String, String>,
}

impl Resource {
    fn is_of(&self, build: &str) -> bool {
        self.tags.get("goldsmith:build").is_some_and(|tag| tag == build)
    }
}

/// Everything but the source images.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Inventory {
    pub(crate) instances: Vec<Resource>,
    pub(crate) images: Vec<Resource>,
    pub(crate) snapshots: Vec<Resource>,
    /// Exports that are in progress.
    pub(crate) exports: Vec<Resource>,
    /// Those that have outlived their instance.
    pub(crate) volumes: Vec<Resource>,
    /// Those that may still launch or start an instance.
    #[serde(rename = "spotRequests")]
    pub(crate) spot_requests: Vec<Resource>,
}

impl Inventory {
    /// Instances with the volumes that have outlived theirs and the spot requests, images, and snapshots.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.instances.len() + self.volumes.len() + self.spot_requests.len(), self.images.len(), self.snapshots.len())
    }
}

impl Stack {
    /// Everything that carries this build's tag. Instances on their way out do not count.
    pub(crate) fn left_of(&self, build: &str) -> Inventory {
        let mut all = self.inventory();
        all.instances.retain(|one| one.is_of(build) && one.state != "shutting-down");
        all.images.retain(|one| one.is_of(build));
        all.snapshots.retain(|one| one.is_of(build));
        all.exports.retain(|one| one.is_of(build));
        all.volumes.retain(|one| one.is_of(build));
        all.spot_requests.retain(|one| one.is_of(build));
        all
    }

    /// Everything but the source images.
    pub(crate) fn inventory(&self) -> Inventory {
        let text = ureq::get(self.admin("inventory"))
            .header(SHOWN, self.secret())
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let mut all: Inventory = serde_json::from_str(&text).unwrap();
        all.images.retain(|one| !one.source);
        all.snapshots.retain(|one| !one.source);
        all
    }

    /// Arms faults.
    pub(crate) fn arm(&self, faults: &Value) {
        ureq::post(self.admin("faults")).header(SHOWN, self.secret()).send(faults.to_string()).unwrap();
    }

    /// Changes settings of the endpoint.
    pub(crate) fn set(&self, settings: &Value) {
        ureq::post(self.admin("settings")).header(SHOWN, self.secret()).send(settings.to_string()).unwrap();
    }

    /// Flips the lowest bit of a block of a snapshot.
    pub(crate) fn flip_bit(&self, snapshot: &str, block: u32) {
        let flip = serde_json::json!({"snapshot": snapshot, "block": block, "bit": 0});
        ureq::post(self.admin("flip-bit")).header(SHOWN, self.secret()).send(flip.to_string()).unwrap();
    }

    /// Hands resources over, such as keys.
    pub(crate) fn hand(&self, resources: &Value) {
        ureq::post(self.admin("resources")).header(SHOWN, self.secret()).send(resources.to_string()).unwrap();
    }

    /// Disarms all faults and lets held answers go.
    pub(crate) fn disarm(&self) {
        ureq::delete(self.admin("faults")).header(SHOWN, self.secret()).call().unwrap();
    }
}
