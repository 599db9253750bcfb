//! The source image: a Debian that is there in every Region, public, in releases.

use jiff::Timestamp;

use super::{BlockDevice, Grants, Image, ImageState, Protection, Snapshot, Tags, Timeline, World};
use crate::api::Scope;
use crate::ids;

/// Account that publishes the source image.
const PUBLISHER: &str = "136693071363";
/// When the first release came out: 1 January 2026.
const FIRST_RELEASE: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// GiB of its root volume.
const ROOT_SIZE: u32 = 8;
/// Its root device.
const ROOT_DEVICE: &str = "/dev/xvda";

impl World {
    /// Id of the newest release of the source image in a Region; makes the releases there when nobody asked before.
    pub(crate) fn newest_source(&mut self, region: &str) -> String {
        let newest = self.make_source(region, 0, FIRST_RELEASE);
        let later: Vec<Timestamp> = self.releases.values().copied().collect();
        let made = later.iter().zip(1..).map(|(time, number)| self.make_source(region, number, *time));
        made.last().unwrap_or(newest)
    }

    fn make_source(&mut self, region: &str, release: usize, time: Timestamp) -> String {
        let id = ids::derived("ami", &format!("source {region} {release}"));
        if self.images.contains_key(&id) {
            return id;
        }
        let scope = Scope { account: PUBLISHER.to_owned(), region: region.to_owned() };
        let snapshot = source_snapshot(&id, &scope, time);
        self.images.insert(id.clone(), source_image(&id, scope, &snapshot.id, release, time));
        self.snapshots.insert(snapshot.id.clone(), snapshot);
        id
    }
}

fn source_snapshot(image: &str, scope: &Scope, time: Timestamp) -> Snapshot {
    Snapshot {
        id: ids::derived("snap", image),
        scope: scope.clone(),
        description: "Debian 12".to_owned(),
        size: ROOT_SIZE,
        volume_id: "vol-ffffffff".to_owned(),
        encrypted: false,
        kms_key: None,
        tags: Tags::new(),
        started_at: time,
        layers: Vec::new(),
        content: 0,
        completed: true,
        failure: None,
        grants: Grants { public: true, ..Grants::default() },
        made_by: "goldsmith".to_owned(),
    }
}

fn source_image(id: &str, scope: Scope, snapshot: &str, release: usize, time: Timestamp) -> Image {
    Image {
        id: id.to_owned(),
        scope,
        name: format!("debian-12-{}-local-{release:04}", architecture()),
        description: "Debian 12 (minimal)".to_owned(),
        states: Timeline::since(time, ImageState::Available),
        created_at: time,
        tags: Tags::new(),
        layers: Vec::new(),
        devices: vec![BlockDevice {
            name: ROOT_DEVICE.to_owned(),
            size: ROOT_SIZE,
            volume_type: "gp3".to_owned(),
            iops: None,
            throughput: None,
            encrypted: false,
            delete_on_termination: true,
            snapshot_id: Some(snapshot.to_owned()),
            volume_id: None,
        }],
        grants: Grants { public: true, ..Grants::default() },
        source: true,
        has_agent: true,
        content: 0,
        imds_v2: true,
        deprecated_at: None,
        protection: Protection::Off,
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
