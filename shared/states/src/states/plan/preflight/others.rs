//! Returns who else gets an image.

use goldsmith_model::LaunchPermission;
use goldsmith_store::PlannedRegion;

/// Returns whether anybody else gets the image, or a copy of it.
pub(super) fn is_for_others(planned: &PlannedRegion) -> bool {
    !planned.launch_permission.is_empty() || !planned.target_accounts.is_empty()
}

/// Returns whether accounts, organizations or organizational units are named.
pub(super) fn names_others(planned: &PlannedRegion) -> bool {
    let named = LaunchPermission { user_groups: Vec::new(), ..planned.launch_permission.clone() };
    !named.is_empty() || !planned.target_accounts.is_empty()
}
