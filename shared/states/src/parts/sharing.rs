//! Lets others launch an AMI, as the plan of its Region says.

use goldsmith_cloud::LaunchPermission;
use goldsmith_store::PlannedRegion;

use crate::{Context, Result};

/// Grants the launch permission of a Region's plan, and the permission to use the snapshots if it is planned. None of this
/// is in the journal: it ends with the AMI and its snapshots, and it is safe to repeat. Returns false if the snapshots
/// that are to be shared are not visible yet.
pub(crate) async fn share(context: &Context, planned: &PlannedRegion, id: &str) -> Result<bool> {
    let planned_permission = &planned.launch_permission;
    let with = LaunchPermission {
        users: planned_permission.user_ids.clone(),
        groups: planned_permission.user_groups.clone(),
        organizations: planned_permission.organization_arns.clone(),
        organizational_units: planned_permission.organizational_unit_arns.clone(),
    };
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
