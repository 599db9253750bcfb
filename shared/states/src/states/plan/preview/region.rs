//! The Regions of a preview.

use goldsmith_model::{Name, S3Export};
use goldsmith_store::PlannedRegion;
use serde::Serialize;

/// A Region to which the image goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewedRegion {
    /// The Region.
    pub region: String,
    /// The AMI's name.
    pub name: String,
    /// Parameters that get the AMI's id.
    pub parameters: Vec<String>,
    /// Launch templates that get a version with the AMI, by id or by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub launch_templates: Vec<String>,
    /// ARNs of the license configurations of the AMI.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub license_configurations: Vec<String>,
    /// Where the AMI is exported to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<S3Export>,
    /// Accounts, organizations and groups that may launch the AMI.
    pub shared_with: Vec<String>,
}

/// Returns what a build whose pipeline has this channel would do in a Region.
pub(super) fn previewed(planned: &PlannedRegion, channel: Option<&Name>) -> PreviewedRegion {
    let written = planned.parameters.iter().filter(|one| one.is_written_for(channel));
    PreviewedRegion {
        region: planned.region.clone(),
        name: planned.name.clone(),
        parameters: written.map(|one| one.parameter_name.clone()).collect(),
        launch_templates: planned.launch_templates.iter().map(|one| one.template.clone()).collect(),
        license_configurations: planned.license_configurations.clone(),
        export: planned.export.clone(),
        shared_with: shared_with(planned),
    }
}

/// Returns the accounts, organizations and groups that may launch the AMI of a Region.
pub(in crate::states::plan) fn shared_with(planned: &PlannedRegion) -> Vec<String> {
    let may = &planned.launch_permission;
    let others = [&may.user_ids, &may.user_groups, &may.organization_arns, &may.organizational_unit_arns];
    others.into_iter().flatten().cloned().collect()
}
