//! Resources with a stack's tags, of every kind that a build makes.

use goldsmith_cloud::{Image, Instance, Snapshot, Tags, Volume};
use jiff::Timestamp;

use crate::{LeftoverKind, Origin, Proof};

/// A resource that has a stack's tags.
#[derive(Debug, Clone)]
pub enum Tagged {
    /// An EC2 instance.
    Instance(Instance),
    /// An EBS volume that is attached to no instance.
    Volume(Volume),
    /// An AMI.
    Image(Box<Image>),
    /// An EBS snapshot.
    Snapshot(Snapshot),
}

impl Tagged {
    /// Returns the kind of the resource.
    #[must_use]
    pub fn kind(&self) -> LeftoverKind {
        match self {
            Self::Instance(_) => LeftoverKind::Instance,
            Self::Volume(_) => LeftoverKind::Volume,
            Self::Image(_) => LeftoverKind::Image,
            Self::Snapshot(_) => LeftoverKind::Snapshot,
        }
    }

    /// Returns the id of the resource.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Instance(one) => &one.id,
            Self::Volume(one) => &one.id,
            Self::Image(one) => &one.id,
            Self::Snapshot(one) => &one.id,
        }
    }

    /// Returns the tags of the resource.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        match self {
            Self::Instance(one) => &one.tags,
            Self::Volume(one) => &one.tags,
            Self::Image(one) => &one.tags,
            Self::Snapshot(one) => &one.tags,
        }
    }

    /// Returns when the resource was made, if EC2 reports it.
    #[must_use]
    pub fn made(&self) -> Option<Timestamp> {
        match self {
            Self::Instance(one) => one.launched,
            Self::Volume(one) => one.created,
            Self::Image(one) => one.created.parse().ok(),
            Self::Snapshot(one) => one.started,
        }
    }

    /// Returns the snapshots that belong to the resource.
    #[must_use]
    pub fn snapshots(&self) -> &[String] {
        match self {
            Self::Image(image) => &image.snapshots,
            _ => &[],
        }
    }

    /// Returns whether something other than its tags proves that the resource belongs to the build.
    #[must_use]
    pub fn is_proven(&self, proof: &Proof, region: &str) -> bool {
        match self {
            Self::Instance(one) => proof.has_instance(region, &one.id, &one.token),
            Self::Volume(one) => proof.has_volume(region, &one.id),
            Self::Image(one) => proof.has_image(region, &one.id, Origin::of(one)),
            Self::Snapshot(one) => proof.has_snapshot(region, &one.id, &one.description, one.started),
        }
    }
}
