//! Checks the license configurations that the AMIs are to be associated with.

use goldsmith_cloud::Kind;
use goldsmith_store::PlannedRegion;

use super::{Look, answer};
use crate::Result;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;
use crate::states::plan::resolve::Viewer;

/// Checks that the configurations of a Region exist, and that the stack may use them.
///
/// The role of the function `plan` may read exactly those that the role of `distribute` may use.
pub(super) async fn check(look: &Look<'_>, planned: &PlannedRegion, findings: &mut Vec<Finding>) -> Result<()> {
    let region = &planned.region;
    for (index, license) in planned.license_configurations.iter().enumerate() {
        let place = || look.inputs.region_place(region, &format!("licenseConfigurationArns[{index}]"));
        let problem = match look.context.cloud.licenses.has_license(region, license).await {
            Ok(true) => continue,
            Ok(false) => Problem::LicenseMissing { license: license.clone(), region: region.clone() },
            Err(error) if error.kind == Kind::Denied && look.viewer == Viewer::Stack => {
                Problem::LicenseDenied { license: license.clone() }
            }
            Err(error) => {
                answer(Err::<(), _>(error), place, findings)?;
                continue;
            }
        };
        findings.push(place().has(problem));
    }
    Ok(())
}
