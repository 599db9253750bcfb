//! The source images. They exist in every Region, are public, have releases, and come with and without the SSM agent
//! and with another root device.

use jiff::Timestamp;

use super::{BlockDevice, Grants, Image, ImageState, Launches, Protection, Snapshot, Tags, Timeline, World};
use crate::api::Scope;
use crate::ids;

/// Account that publishes the source image.
const PUBLISHER: &str = "136693071363";
/// What stands for the call that made the images and their snapshots.
pub(super) const MADE_BY: &str = "goldsmith";
/// When the first release was published: 1 January 2026.
const FIRST_RELEASE: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Size of its root volume in GiB.
const ROOT_SIZE: u32 = 8;
/// Its root device, as in Amazon's and Debian's images.
const ROOT_DEVICE: &str = "/dev/xvda";
/// The root device of the images of Ubuntu, Red Hat and SUSE.
const OTHER_ROOT_DEVICE: &str = "/dev/sda1";

/// The variants of the source image. They have the same content, but Systems Manager does not reach all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The agent is installed and running.
    Agent,
    /// There is no agent, as in Debian's own images.
    NoAgent,
    /// The agent is installed. The root device has another name, and the root volume outlives its instance.
    OtherRoot,
}

impl Variant {
    /// Returns the text that distinguishes ids and names.
    fn mark(self) -> &'static str {
        match self {
            Variant::Agent => "source",
            Variant::NoAgent => "no-agent",
            Variant::OtherRoot => "sda1",
        }
    }

    fn root_device(self) -> &'static str {
        if self == Variant::OtherRoot { OTHER_ROOT_DEVICE } else { ROOT_DEVICE }
    }
}

impl World {
    /// Returns the id of the newest release of the source image in a Region. Makes the releases there on the first
    /// call.
    pub(crate) fn newest_source(&mut self, region: &str) -> String {
        self.newest_variant(region, Variant::NoAgent);
        self.newest_variant(region, Variant::OtherRoot);
        self.newest_variant(region, Variant::Agent)
    }

    /// Does the same for one variant.
    pub(crate) fn newest_variant(&mut self, region: &str, variant: Variant) -> String {
        let newest = self.make_source(region, variant, 0, FIRST_RELEASE);
        let later: Vec<Timestamp> = self.releases.values().copied().collect();
        let made = later.iter().zip(1..).map(|(time, number)| self.make_source(region, variant, number, *time));
        made.last().unwrap_or(newest)
    }

    /// Returns the image of one release of a variant (0 is the first), if it is published.
    pub(crate) fn variant_release(&self, region: &str, variant: Variant, release: usize) -> Option<String> {
        let id = source_id(region, variant, release);
        self.images.contains_key(&id).then_some(id)
    }

    fn make_source(&mut self, region: &str, variant: Variant, release: usize, time: Timestamp) -> String {
        let id = source_id(region, variant, release);
        if self.images.contains_key(&id) {
            return id;
        }
        let scope = Scope { account: PUBLISHER.to_owned(), region: region.to_owned() };
        let snapshot = source_snapshot(&id, &scope, time);
        self.images.insert(id.clone(), source_image(&id, scope, &snapshot.id, variant, release, time));
        self.snapshots.insert(snapshot.id.clone(), snapshot);
        id
    }
}

fn source_id(region: &str, variant: Variant, release: usize) -> String {
    ids::derived("ami", &format!("{} {region} {release}", variant.mark()))
}

fn source_snapshot(image: &str, scope: &Scope, time: Timestamp) -> Snapshot {
    Snapshot {
        description: "Debian 12".to_owned(),
        size: ROOT_SIZE,
        started_at: time,
        completed: true,
        grants: Grants { public: true, ..Grants::default() },
        ..Snapshot::begun(&ids::derived("snap", image), scope, MADE_BY)
    }
}

fn source_image(id: &str, scope: Scope, snapshot: &str, variant: Variant, release: usize, time: Timestamp) -> Image {
    // A name filter for the one must not find the others.
    let (name, description) = match variant {
        Variant::Agent => ("debian-12", "Debian 12 (minimal)"),
        Variant::NoAgent => ("debian-no-agent-12", "Debian 12 (minimal) without the SSM agent"),
        Variant::OtherRoot => ("debian-sda1-12", "Debian 12 (minimal) whose root device is /dev/sda1"),
    };
    Image {
        id: id.to_owned(),
        scope,
        name: format!("{name}-{}-local-{release:04}", architecture()),
        description: description.to_owned(),
        states: Timeline::since(time, ImageState::Available),
        created_at: time,
        tags: Tags::new(),
        layers: Vec::new(),
        devices: vec![BlockDevice {
            name: variant.root_device().to_owned(),
            size: ROOT_SIZE,
            volume_type: "gp3".to_owned(),
            iops: None,
            throughput: None,
            encrypted: false,
            kms_key: None,
            delete_on_termination: variant != Variant::OtherRoot,
            snapshot_id: Some(snapshot.to_owned()),
            volume_id: None,
        }],
        grants: Grants { public: true, ..Grants::default() },
        source: true,
        has_agent: variant != Variant::NoAgent,
        content: 0,
        imds_v2: true,
        // As AWS's and Debian's own images.
        boot_mode: Some(if cfg!(target_arch = "aarch64") { "uefi" } else { "uefi-preferred" }.to_owned()),
        tpm_support: None,
        uefi_data: None,
        deprecated_at: None,
        protection: Protection::Off,
        architecture: architecture().to_owned(),
        root_device: variant.root_device().to_owned(),
        from_instance: None,
        launched_from: None,
        launches: Launches::default(),
        copied_from: None,
        failure: None,
        made_by: MADE_BY.to_owned(),
    }
}

/// Returns this machine's architecture in EC2's words: instances run directly on it.
pub(crate) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}
