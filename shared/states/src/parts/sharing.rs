//! Lets others launch an AMI, as the plan of its Region says.

use goldsmith_cloud::LaunchPermission;
use goldsmith_store::PlannedRegion;

use crate::{Context, Result};

/// Grants the launch permission of a Region's plan, and the permission to use the snapshots if it is planned. None of this
/// is in the journal: it ends with the AMI and its snapshots, and it is safe to repeat. Returns false if the snapshots
/// that are to be shared are not visible yet.
pub(crate) async fn share(context: &Context, planned: &PlannedRegion, id: &str) -> Result<bool> {
    let with = launch_permission(planned);
    let images = &context.cloud.images;
    if !with.is_empty() {
        images.share(&planned.region, id, &with).await?;
    }
    if planned.share_snapshots {
        let snapshots = images.image(&planned.region, id).await?.map(|image| image.snapshots).unwrap_or_default();
        if snapshots.is_empty() {
            return Ok(false);
        }
        images.share_snapshots(&planned.region, &snapshots, &with).await?;
    }
    Ok(true)
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
