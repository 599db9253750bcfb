//! The source image: a Debian that is there in every Region, public, in releases.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{BlockDevice, Image, ImageState, Snapshot, Tags, Timeline, World};
use crate::api::Scope;
use crate::ids;

/// Account that publishes the source image.
const PUBLISHER: &str = "136693071363";
/// GiB of its root volume.
const ROOT_SIZE: u32 = 8;
/// Its root device.
const ROOT_DEVICE: &str = "/dev/xvda";

impl World {
    /// Id of the newest release of the source image in a Region; makes it there when nobody asked before.
    pub(crate) fn newest_source(&mut self, region: &str) -> String {
        let release = self.release;
        (0..=release).map(|number| self.source_release(region, number)).last().unwrap_or_default()
    }

    fn source_release(&mut self, region: &str, release: u32) -> String {
        let id = ids::derived("ami", &format!("source {region} {release}"));
        if self.images.contains_key(&id) {
            return id;
        }
        let scope = Scope { account: PUBLISHER.to_owned(), region: region.to_owned() };
        let snapshot = ids::derived("snap", &id);
        self.snapshots.insert(snapshot.clone(), source_snapshot(&snapshot, &scope));
        self.images.insert(id.clone(), source_image(&id, scope, &snapshot, release));
        id
    }
}

fn source_snapshot(id: &str, scope: &Scope) -> Snapshot {
    Snapshot {
        id: id.to_owned(),
        scope: scope.clone(),
        description: "Debian 12".to_owned(),
        size: ROOT_SIZE,
        volume_id: "vol-ffffffff".to_owned(),
        encrypted: false,
        kms_key: None,
        tags: Tags::new(),
        started_at: Timestamp::now(),
        completed: true,
        made_by: "goldsmith".to_owned(),
    }
}

fn source_image(id: &str, scope: Scope, snapshot: &str, release: u32) -> Image {
    Image {
        id: id.to_owned(),
        scope,
        name: format!("debian-12-{}-local-{release:04}", architecture()),
        description: "Debian 12 (minimal)".to_owned(),
        states: Timeline::new(ImageState::Available),
        created_at: Timestamp::now(),
        tags: Tags::new(),
        layers: Vec::new(),
        devices: vec![BlockDevice {
            name: ROOT_DEVICE.to_owned(),
            size: ROOT_SIZE,
            volume_type: "gp3".to_owned(),
            encrypted: false,
            delete_on_termination: true,
            snapshot_id: Some(snapshot.to_owned()),
            volume_id: None,
        }],
        public: true,
        shared_with: BTreeSet::new(),
        source: true,
        architecture: architecture().to_owned(),
        root_device: ROOT_DEVICE.to_owned(),
        from_instance: None,
        copied_from: None,
        failure: None,
        made_by: "goldsmith".to_owned(),
    }
}

/// This machine's architecture in EC2's words: instances run on it directly.
pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}
