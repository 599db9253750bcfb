//! The tags of an AMI that a build makes, and of its snapshots.

use goldsmith_cloud::Tags;
use goldsmith_store::PlannedRegion;

use super::status;
use crate::engine::drive::Scene;

/// Returns the tags of a new AMI in a Region.
pub(crate) fn image_tags(scene: &Scene<'_>, planned: &PlannedRegion) -> Tags {
    let mut tags = planned.tags.clone();
    // These tags replace the user's tags of the same keys: Finish and the sweep find the AMI only by them.
    tags.extend(scene.context.tags(&scene.record));
    tags.extend(status::of_new(&scene.record));
    tags.entry("Name".to_owned()).or_insert_with(|| planned.name.clone());
    tags
}
