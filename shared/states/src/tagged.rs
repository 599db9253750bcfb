//! What carries this stack's tags, of every kind that a build makes.

use goldsmith_cloud::{Image, Instance, Snapshot, Tags, Volume};
use goldsmith_store::{LeftoverKind, Origin, Proof};

use crate::{Context, TAG_STACK};

/// Something that carries this stack's tags.
#[derive(Clone)]
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

/// What there is in one Region.
pub(crate) struct Looked {
    /// Kinds that could be looked at.
    pub(crate) kinds: Vec<LeftoverKind>,
    /// All of them that was found.
    pub(crate) found: Vec<Tagged>,
}

impl Looked {
    /// What cannot be looked at must not keep the other kinds from being looked at: it is noted, and the next sweep comes
    /// back to it.
    fn add<T>(
        &mut self,
        region: &str,
        kind: LeftoverKind,
        listed: goldsmith_cloud::Result<Vec<T>>,
        wrap: fn(T) -> Tagged,
    ) -> bool {
        match listed {
            Ok(all) => {
                self.kinds.push(kind);
                self.found.extend(all.into_iter().map(wrap));
                true
            }
            Err(error) => {
                tracing::warn!(%error, region, %kind, "what there is of this kind is left to the next sweep");
                false
            }
        }
    }
}

/// Everything in one Region that carries this very stack's tags, of each kind that can be looked at.
pub(crate) async fn of_stack(context: &Context, region: &str) -> Looked {
    let (stack, cloud) = (&context.config.stack, &context.cloud);
    let mut looked = Looked { kinds: Vec::new(), found: Vec::new() };
    let instances = cloud.machines.tagged(region, TAG_STACK, stack).await;
    looked.add(region, LeftoverKind::Instance, instances, Tagged::Instance);
    let volumes = cloud.machines.volumes_left(region, TAG_STACK, stack).await;
    looked.add(region, LeftoverKind::Volume, volumes, Tagged::Volume);
    let images = cloud.images.tagged(region, TAG_STACK, stack).await;
    // Without the images it is unknown which snapshots are one's.
    if looked.add(region, LeftoverKind::Image, images, Tagged::Image) {
        let snapshots = cloud.images.snapshots_tagged(region, TAG_STACK, stack).await;
        looked.add(region, LeftoverKind::Snapshot, snapshots, Tagged::Snapshot);
    }
    let is_gone = |one: &Tagged| matches!(one, Tagged::Instance(instance) if instance.state.is_gone());
    looked.found.retain(|one| context.config.owns(one.tags()) && !is_gone(one));
    looked
}
