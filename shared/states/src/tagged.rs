//! What carries this stack's tags, of every kind that a build makes.

use goldsmith_cloud::{Image, Instance, Snapshot, Tags, Volume};
use goldsmith_store::{BuildRecord, LeftoverKind, Origin, Proof};

use crate::{Context, Result, TAG_STACK};

/// Something that carries this stack's tags.
pub(crate) enum Tagged {
    Instance(Instance),
    Volume(Volume),
    Image(Image),
    Snapshot(Snapshot),
}

impl Tagged {
    pub(crate) fn kind(&self) -> LeftoverKind {
        match self {
            Self::Instance(_) => LeftoverKind::Instance,
            Self::Volume(_) => LeftoverKind::Volume,
            Self::Image(_) => LeftoverKind::Image,
            Self::Snapshot(_) => LeftoverKind::Snapshot,
        }
    }

    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Instance(one) => &one.id,
            Self::Volume(one) => &one.id,
            Self::Image(one) => &one.id,
            Self::Snapshot(one) => &one.id,
        }
    }

    pub(crate) fn tags(&self) -> &Tags {
        match self {
            Self::Instance(one) => &one.tags,
            Self::Volume(one) => &one.tags,
            Self::Image(one) => &one.tags,
            Self::Snapshot(one) => &one.tags,
        }
    }

    /// The snapshots that go with it.
    pub(crate) fn snapshots(&self) -> &[String] {
        match self {
            Self::Image(image) => &image.snapshots,
            _ => &[],
        }
    }

    /// Whether more than its tags ties it to the build.
    pub(crate) fn is_proven(&self, proof: &Proof, region: &str) -> bool {
        match self {
            Self::Instance(one) => proof.has_instance(region, &one.id, &one.token),
            Self::Volume(one) => proof.has_volume(region, &one.id),
            Self::Image(one) => has_image(proof, region, one),
            Self::Snapshot(one) => has_snapshot(proof, region, one),
        }
    }
}

pub(crate) fn has_image(proof: &Proof, region: &str, image: &Image) -> bool {
    let origin = Origin {
        name: &image.name,
        created: image.created.parse().ok(),
        instance: image.source_instance.as_deref(),
        image: image.source_image.as_deref(),
    };
    proof.has_image(region, &image.id, origin)
}

pub(crate) fn has_snapshot(proof: &Proof, region: &str, snapshot: &Snapshot) -> bool {
    proof.has_snapshot(region, &snapshot.id, &snapshot.description, snapshot.started)
}

/// What the records prove to be a build's.
pub(crate) async fn proof_of(context: &Context, record: &BuildRecord) -> Result<Proof> {
    let effects = context.store.all_effects(&record.build).await?;
    Ok(Proof::of(record, &effects, context.store.image(&record.image).await?.as_ref()))
}

/// Everything in one Region that carries this very stack's tags.
pub(crate) async fn of_stack(context: &Context, region: &str) -> Result<Vec<Tagged>> {
    let (stack, cloud) = (&context.config.stack, &context.cloud);
    let instances = cloud.machines.tagged(region, TAG_STACK, stack).await?.into_iter();
    let mut found: Vec<Tagged> = instances.filter(|one| !one.state.is_gone()).map(Tagged::Instance).collect();
    found.extend(cloud.machines.volumes_left(region, TAG_STACK, stack).await?.into_iter().map(Tagged::Volume));
    found.extend(cloud.images.tagged(region, TAG_STACK, stack).await?.into_iter().map(Tagged::Image));
    found.extend(cloud.images.snapshots_tagged(region, TAG_STACK, stack).await?.into_iter().map(Tagged::Snapshot));
    found.retain(|one| context.config.owns(one.tags()));
    Ok(found)
}
