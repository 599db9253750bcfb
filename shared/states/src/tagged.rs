//! Looking for what carries this stack's tags.

use goldsmith_store::{LeftoverKind, Tagged};

use crate::{Context, TAG_STACK};

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
