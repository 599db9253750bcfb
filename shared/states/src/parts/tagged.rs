//! Finds the resources that carry this stack's tags.

use goldsmith_store::{LeftoverKind, Tagged};

use crate::{Context, TAG_STACK};

/// The resources in one Region.
pub(crate) struct Looked {
    /// The kinds that could be read.
    pub(crate) kinds: Vec<LeftoverKind>,
    /// Every resource of these kinds that was found.
    pub(crate) found: Vec<Tagged>,
}

impl Looked {
    /// Adds the resources of one kind. If one kind cannot be read, the sweep still reads the others: the failure is
    /// logged, and the next sweep tries again. Returns whether the kind could be read.
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
                tracing::warn!(%error, region, %kind, "resources of this kind are left to the next sweep");
                false
            }
        }
    }
}

/// Finds every resource in one Region that carries this stack's tags. Kinds that cannot be read are left out.
pub(crate) async fn of_stack(context: &Context, region: &str) -> Looked {
    let (stack, cloud) = (&context.config.stack, &context.cloud);
    let mut looked = Looked { kinds: Vec::new(), found: Vec::new() };
    let instances = cloud.machines.tagged(region, TAG_STACK, stack).await;
    looked.add(region, LeftoverKind::Instance, instances, Tagged::Instance);
    let volumes = cloud.machines.volumes_left(region, TAG_STACK, stack).await;
    looked.add(region, LeftoverKind::Volume, volumes, Tagged::Volume);
    let images = cloud.images.tagged(region, TAG_STACK, stack).await;
    // Without the images it is unknown which snapshots belong to an image.
    if looked.add(region, LeftoverKind::Image, images, |one| Tagged::Image(Box::new(one))) {
        let snapshots = cloud.images.snapshots_tagged(region, TAG_STACK, stack).await;
        looked.add(region, LeftoverKind::Snapshot, snapshots, Tagged::Snapshot);
    }
    // EC2 shows a terminated instance for about an hour. It costs nothing, and nobody has to remove it.
    let is_gone = |one: &Tagged| matches!(one, Tagged::Instance(instance) if instance.state.is_gone());
    looked.found.retain(|one| context.config.owns(one.tags()) && !is_gone(one));
    looked
}
