//! Everything that exists: instances, images, snapshots, commands and networks of all accounts and Regions.
//!
//! This is plain data under one lock. Nothing here waits or touches a disk; `lifecycle` changes its state over time.

mod block_snapshot;
mod command;
mod export_task;
mod host;
mod image;
mod instance;
mod journal;
mod key_pair;
mod launch_template;
mod lines;
mod network;
pub(crate) mod source;
mod spot_request;
mod storage;
mod subnet;
mod table;
mod timeline;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use block_snapshot::BlockSnapshot;
pub(crate) use command::{Command, Invocation, InvocationStatus};
pub(crate) use export_task::{DiskFormat, ExportState, ExportTask};
pub(crate) use host::Host;
pub(crate) use image::{BlockDevice, Grants, Image, ImageState, Launches, Protection, Snapshot};
pub(crate) use instance::{Instance, InstanceState, MetadataOptions, Reason};
pub(crate) use journal::{Journal, JournalError};
pub(crate) use key_pair::KeyPair;
pub(crate) use launch_template::{LaunchTemplate, TemplateVersion};
pub(crate) use network::{
    Network, Peer, Rule, SecurityGroup, gateway_of, no_default_vpc, profile_arn, profile_id, profile_name,
};
pub(crate) use spot_request::{SpotAsk, SpotRequest, SpotState};
pub(crate) use storage::{KEY_FAILURE, KmsKey, SnapshotAccess, Storage, key_arn, split};
pub(crate) use subnet::{Block, Subnet};
use table::Rows;
pub(crate) use table::Table;
pub(crate) use timeline::Timeline;
pub(crate) use volume::Volume;

use crate::api::{ApiError, Scope};

/// Tags of a resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// All resources by id (ids are unique over accounts and Regions).
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) instances: Table<Instance>,
    pub(crate) images: Table<Image>,
    pub(crate) snapshots: Table<Snapshot>,
    /// The data of those snapshots that consist of blocks, by the same ids.
    pub(crate) block_snapshots: Table<BlockSnapshot>,
    /// Exports of images to S3, including those that have ended.
    pub(crate) exports: Table<ExportTask>,
    /// Volumes that no instance has any more.
    pub(crate) volumes: Table<Volume>,
    /// Size in bytes of each layer that was ever made and is not removed.
    pub(crate) layers: Table<u64>,
    pub(crate) commands: Table<Command>,
    pub(crate) key_pairs: Table<KeyPair>,
    /// Dedicated Hosts.
    pub(crate) hosts: Table<Host>,
    pub(crate) spot_requests: Table<SpotRequest>,
    pub(crate) launch_templates: Table<LaunchTemplate>,
    /// Resources that the deployment handed over, by account and Region (`account/region`).
    pub(crate) networks: Table<Network>,
    /// Keys, encryption by default and public access, by account and Region.
    pub(crate) storage: Table<Storage>,
    /// When each release of the source image after the first was published, by number (`00001`).
    pub(crate) releases: Table<Timestamp>,
    /// Client tokens, with their requests and the results.
    tokens: Table<Token>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Token {
    request: String,
    made: Vec<String>,
}

impl World {
    /// Returns all tables by the names that the journal uses.
    fn tables(&mut self) -> [(&'static str, &mut dyn Rows); 16] {
        [
            ("instances", &mut self.instances),
            ("images", &mut self.images),
            ("snapshots", &mut self.snapshots),
            ("blockSnapshots", &mut self.block_snapshots),
            ("exports", &mut self.exports),
            ("volumes", &mut self.volumes),
            ("layers", &mut self.layers),
            ("commands", &mut self.commands),
            ("keyPairs", &mut self.key_pairs),
            ("hosts", &mut self.hosts),
            ("spotRequests", &mut self.spot_requests),
            ("launchTemplates", &mut self.launch_templates),
            ("networks", &mut self.networks),
            ("storage", &mut self.storage),
            ("releases", &mut self.releases),
            ("tokens", &mut self.tokens),
        ]
    }

    /// Returns what an earlier call with this token made: its key and the digest of its request. A different request
    /// with the same token is `IdempotentParameterMismatch`.
    pub(crate) fn made_before(&self, token: Option<&(String, String)>) -> Result<Option<Vec<String>>, ApiError> {
        let Some((key, request)) = token else { return Ok(None) };
        match self.tokens.get(key) {
            None => Ok(None),
            // AWS compares all parameters, so a client that repeats a call must not change anything, not even a tag.
            Some(token) if token.request == *request => Ok(Some(token.made.clone())),
            Some(_) => Err(ApiError::new(
                "IdempotentParameterMismatch",
                "The client token was used before for a request with other parameters.",
            )),
        }
    }

    /// Remembers what a token made.
    pub(crate) fn remember(&mut self, key: String, request: String, made: Vec<String>) {
        self.tokens.insert(key, Token { request, made });
    }

    /// Returns the network of an account in a Region: the default VPC and the resources that were handed over.
    pub(crate) fn network(&self, scope: &Scope) -> Network {
        self.networks.get(&scope.to_string()).cloned().unwrap_or_else(|| Network::default_of(scope))
    }

    /// Returns an instance of this scope by id.
    pub(crate) fn instance(&self, scope: &Scope, id: &str) -> Result<&Instance, ApiError> {
        check_id("i", id, "InvalidInstanceID.Malformed")?;
        self.instances.get(id).filter(|instance| instance.scope == *scope).ok_or_else(|| {
            ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
        })
    }

    /// Returns an image by id that this account may see in this Region.
    pub(crate) fn image(&self, scope: &Scope, id: &str) -> Result<&Image, ApiError> {
        check_id("ami", id, "InvalidAMIID.Malformed")?;
        self.images.get(id).filter(|image| image.is_visible_to(scope)).ok_or_else(|| no_image(id))
    }

    /// Returns an image by id that this account owns.
    pub(crate) fn own_image(&mut self, scope: &Scope, id: &str) -> Result<&mut Image, ApiError> {
        check_id("ami", id, "InvalidAMIID.Malformed")?;
        let image = self.images.get_mut(id).filter(|image| image.is_visible_to(scope)).ok_or_else(|| no_image(id))?;
        // A visible image of another account is an error of authorization, while one that is not visible does not
        // exist. So a caller cannot find out ids.
        if image.scope == *scope {
            return Ok(image);
        }
        Err(ApiError::new("AuthFailure", format!("Not authorized for image:{id}")))
    }

    /// Returns the images that exist (not deregistered) in a Region and have this name in this account.
    pub(crate) fn image_named(&self, scope: &Scope, name: &str) -> Option<&Image> {
        self.images.values().find(|image| image.scope == *scope && image.name == name && image.exists())
    }

    /// Returns the layers that an image, a snapshot or a live instance needs.
    pub(crate) fn used_layers(&self) -> BTreeSet<String> {
        let live = self.instances.values().filter(|one| one.state() != InstanceState::Terminated);
        // A deregistered image needs its layers no longer, but its snapshots do, as the content of a snapshot outlives
        // the image.
        let images = self.images.values().filter(|image| image.exists()).flat_map(|image| &image.layers);
        let snapshots = self.snapshots.values().flat_map(|snapshot| &snapshot.layers);
        images.chain(snapshots).chain(live.flat_map(|one| &one.layers)).cloned().collect()
    }

    /// Removes and returns the layers that nothing needs any more.
    pub(crate) fn take_unused_layers(&mut self) -> Vec<String> {
        let used = self.used_layers();
        let unused: Vec<String> = self.layers.keys().filter(|layer| !used.contains(*layer)).cloned().collect();
        unused.into_iter().filter(|layer| self.layers.remove(layer).is_some()).collect()
    }

    /// Returns the tags of any resource of this scope.
    pub(crate) fn tags_mut(&mut self, scope: &Scope, id: &str) -> Option<&mut Tags> {
        let kind = id.split('-').next().unwrap_or_default();
        let (owner, tags) = match kind {
            "i" => self.instances.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "ami" => self.images.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "snap" => self.snapshots.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "export" => self.exports.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "h" => self.hosts.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "key" => self.key_pairs.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "sir" => self.spot_requests.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "lt" => self.launch_templates.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "vol" => return self.volume_tags_mut(scope, id),
            "sg" | "subnet" => return self.network_tags_mut(scope, id),
            _ => return None,
        };
        (owner == scope).then_some(tags)
    }
}

impl World {
    /// Returns the kind, the id and the tags of every resource of an account in a Region.
    pub(crate) fn tagged(&self, scope: &Scope) -> Vec<(&'static str, &str, &Tags)> {
        let own = |of: &Scope| of == scope;
        let mut all: Vec<(&'static str, &str, &Tags)> = Vec::new();
        for one in self.instances.values().filter(|one| own(&one.scope)) {
            all.push(("instance", &one.id, &one.tags));
            let has_volumes = one.state() != InstanceState::Terminated;
            let devices = one.devices.iter().filter(|_| has_volumes);
            let volumes = devices.filter_map(|device| device.volume_id.as_deref());
            all.extend(volumes.map(|id| ("volume", id, &one.volume_tags)));
        }
        let volumes = self.volumes.values().filter(|one| own(&one.scope));
        all.extend(volumes.map(|one| ("volume", one.id.as_str(), &one.tags)));
        let images = self.images.values().filter(|one| own(&one.scope) && one.exists());
        all.extend(images.map(|one| ("image", one.id.as_str(), &one.tags)));
        let snapshots = self.snapshots.values().filter(|one| own(&one.scope));
        all.extend(snapshots.map(|one| ("snapshot", one.id.as_str(), &one.tags)));
        let exports = self.exports.values().filter(|one| own(&one.scope) && one.state().is_open());
        all.extend(exports.map(|one| ("export-image-task", one.id.as_str(), &one.tags)));
        let pairs = self.key_pairs.values().filter(|one| own(&one.scope));
        all.extend(pairs.map(|one| ("key-pair", one.id.as_str(), &one.tags)));
        let hosts = self.hosts.values().filter(|one| own(&one.scope));
        all.extend(hosts.map(|one| ("dedicated-host", one.id.as_str(), &one.tags)));
        let requests = self.spot_requests.values().filter(|one| own(&one.scope));
        all.extend(requests.map(|one| ("spot-instances-request", one.id.as_str(), &one.tags)));
        let templates = self.launch_templates.values().filter(|one| own(&one.scope));
        all.extend(templates.map(|one| ("launch-template", one.id.as_str(), &one.tags)));
        if let Some(network) = self.networks.get(&scope.to_string()) {
            all.extend(network.subnets.iter().map(|one| ("subnet", one.id.as_str(), &one.tags)));
            all.extend(network.security_groups.iter().map(|one| ("security-group", one.id.as_str(), &one.tags)));
        }
        all
    }

    /// Returns the id of an image that uses a snapshot.
    pub(crate) fn user_of_snapshot(&self, id: &str) -> Option<String> {
        let uses = |image: &&Image| image.exists() && image.snapshots().iter().any(|one| one == id);
        self.images.values().find(uses).map(|image| image.id.clone())
    }

    fn volume_tags_mut(&mut self, scope: &Scope, id: &str) -> Option<&mut Tags> {
        match self.user_of_volume(scope, id) {
            Some(instance) => self.instances.get_mut(&instance).map(|one| &mut one.volume_tags),
            None => self.volumes.get_mut(id).filter(|one| one.scope == *scope).map(|one| &mut one.tags),
        }
    }

    fn network_tags_mut(&mut self, scope: &Scope, id: &str) -> Option<&mut Tags> {
        self.change_network(scope).tags_of(id)
    }

    /// Returns the network of an account in a Region, for a change.
    pub(crate) fn change_network(&mut self, scope: &Scope) -> &mut Network {
        self.networks.entry(scope.to_string(), || Network::default_of(scope))
    }
}

fn no_image(id: &str) -> ApiError {
    ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}

/// Checks the form `PREFIX-` and 8 or 17 hex digits.
pub(crate) fn check_id(prefix: &str, id: &str, code: &str) -> Result<(), ApiError> {
    let hex = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    if matches!(hex.len(), 8 | 17) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(ApiError::new(code, format!("Invalid id: \"{id}\" (expecting \"{prefix}-...\")")))
}

/// Returns a time in the form of the EC2 API: `2026-11-24T22:06:19.000Z`.
pub(crate) fn iso(time: Timestamp) -> String {
    format!("{}", time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
}
