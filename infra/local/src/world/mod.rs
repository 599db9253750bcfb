//! Everything that exists: instances, images, snapshots, commands and networks of all accounts and Regions.
//!
//! Plain data under one lock. Nothing here waits or touches a disk; `lifecycle` moves it along.

mod command;
mod image;
mod instance;
mod network;
pub(crate) mod source;
mod timeline;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub(crate) use command::{Command, Invocation, InvocationStatus};
pub(crate) use image::{BlockDevice, Grants, Image, ImageState, Snapshot};
pub(crate) use instance::{Instance, InstanceState, MetadataOptions, Reason};
pub(crate) use network::{Network, SecurityGroup, Subnet};
pub(crate) use timeline::Timeline;

use crate::api::{ApiError, Scope};

/// Tags of a resource.
pub(crate) type Tags = BTreeMap<String, String>;

/// All resources, keyed by id (ids are unique over accounts and Regions).
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) images: BTreeMap<String, Image>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) commands: BTreeMap<String, Command>,
    /// What deploy handed over, by account and Region (`account/region`).
    pub(crate) networks: BTreeMap<String, Network>,
    /// When the releases of the source image after the first came out.
    pub(crate) releases: Vec<Timestamp>,
    /// Client tokens: what they asked for and what they made.
    tokens: BTreeMap<String, Token>,
}

#[derive(Debug)]
struct Token {
    request: String,
    made: Vec<String>,
}

impl World {
    /// What an earlier call with this token made. A different request with the same token is
    /// `IdempotentParameterMismatch`.
    pub(crate) fn made_before(&self, key: &str, request: &str) -> Result<Option<Vec<String>>, ApiError> {
        match self.tokens.get(key) {
            None => Ok(None),
            Some(token) if token.request == request => Ok(Some(token.made.clone())),
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

    /// The network of an account in a Region: the default VPC and what was handed over.
    pub(crate) fn network(&self, scope: &Scope) -> Network {
        self.networks.get(&scope.to_string()).cloned().unwrap_or_else(|| Network::default_of(scope))
    }

    /// Instance of this scope by id.
    pub(crate) fn instance(&self, scope: &Scope, id: &str) -> Result<&Instance, ApiError> {
        check_id("i", id, "InvalidInstanceID.Malformed")?;
        self.instances.get(id).filter(|instance| instance.scope == *scope).ok_or_else(|| {
            ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
        })
    }

    /// Image by id that this account may see in this Region.
    pub(crate) fn image(&self, scope: &Scope, id: &str) -> Result<&Image, ApiError> {
        check_id("ami", id, "InvalidAMIID.Malformed")?;
        self.images.get(id).filter(|image| image.is_visible_to(scope)).ok_or_else(|| no_image(id))
    }

    /// Image by id that this account owns.
    pub(crate) fn own_image(&mut self, scope: &Scope, id: &str) -> Result<&mut Image, ApiError> {
        check_id("ami", id, "InvalidAMIID.Malformed")?;
        let image = self.images.get_mut(id).filter(|image| image.is_visible_to(scope)).ok_or_else(|| no_image(id))?;
        if image.scope == *scope {
            return Ok(image);
        }
        Err(ApiError::new("AuthFailure", format!("Not authorized for image:{id}")))
    }

    /// Images that exist (not deregistered) in a Region and carry this name in this account.
    pub(crate) fn image_named(&self, scope: &Scope, name: &str) -> Option<&Image> {
        self.images.values().find(|image| image.scope == *scope && image.name == name && image.exists())
    }

    /// Takes the layers of deregistered images that no image and no instance needs any more.
    pub(crate) fn take_unused_layers(&mut self) -> Vec<String> {
        let live = self.instances.values().filter(|one| one.state() != InstanceState::Terminated);
        let images = self.images.values().filter(|image| image.exists()).flat_map(|image| &image.layers);
        let used: BTreeSet<String> = images.chain(live.flat_map(|one| &one.layers)).cloned().collect();
        let mut unused = BTreeSet::new();
        for image in self.images.values_mut().filter(|image| !image.exists()) {
            unused.extend(image.layers.iter().filter(|layer| !used.contains(*layer)).cloned());
            image.layers.retain(|layer| used.contains(layer));
        }
        unused.into_iter().collect()
    }

    /// The tags of any resource of this scope.
    pub(crate) fn tags_mut(&mut self, scope: &Scope, id: &str) -> Option<&mut Tags> {
        let kind = id.split('-').next().unwrap_or_default();
        let (owner, tags) = match kind {
            "i" => self.instances.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "ami" => self.images.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            "snap" => self.snapshots.get_mut(id).map(|found| (&found.scope, &mut found.tags))?,
            _ => return None,
        };
        (owner == scope).then_some(tags)
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

/// A time in the form of the EC2 API: `2026-11-24T22:06:19.000Z`.
pub(crate) fn iso(time: Timestamp) -> String {
    format!("{}", time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
}
