//! Lets others launch an AMI, as the plan of its Region says.

use goldsmith_cloud::{CloudError, Images, LaunchPermission};
use goldsmith_store::PlannedRegion;

use crate::{Context, Result};

/// Grants what a Region's plan gives others. None of this is in the journal: it ends with the AMI and its snapshots, and it
/// is safe to repeat. Returns false if the snapshots that are to be shared are not visible yet.
pub(crate) async fn share(context: &Context, planned: &PlannedRegion, id: &str) -> Result<bool> {
    let images = &*context.cloud.images;
    let image = if planned.share_snapshots { images.image(&planned.region, id).await? } else { None };
    let snapshots = image.map(|image| image.snapshots).unwrap_or_default();
    grant(images, planned, id, &snapshots).await?;
    Ok(!planned.share_snapshots || !snapshots.is_empty())
}

/// Grants the launch permission of a Region's plan for an AMI, and the permission to use these snapshots of the AMI if it
/// is planned. Safe to repeat.
///
/// # Errors
/// Fails if AWS rejects a call.
pub async fn grant(
    images: &dyn Images,
    planned: &PlannedRegion,
    id: &str,
    snapshots: &[String],
) -> std::result::Result<(), CloudError> {
    let with = launch_permission(planned);
    if !with.is_empty() {
        images.share(&planned.region, id, &with).await?;
    }
    if planned.share_snapshots && !snapshots.is_empty() {
        images.share_snapshots(&planned.region, snapshots, &with).await?;
    }
    Ok(())
}

/// Returns who may launch the AMI of a Region according to a plan of that Region.
#[must_use]
pub fn launch_permission(planned: &PlannedRegion) -> LaunchPermission {
    let planned = planned.launch_permission.clone();
    LaunchPermission {
        users: planned.user_ids,
        groups: planned.user_groups,
        organizations: planned.organization_arns,
        organizational_units: planned.organizational_unit_arns,
    }
}
