//! Checks the launch templates that get a version with the image.

use goldsmith_model::PublishedTemplate;
use goldsmith_store::PlannedRegion;

use super::{Look, answer};
use crate::Result;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;

/// Checks that the templates of a Region exist, and that the stack may add a version to them.
pub(super) async fn check(look: &Look<'_>, planned: &PlannedRegion, findings: &mut Vec<Finding>) -> Result<()> {
    let (context, region) = (look.context, &planned.region);
    for (index, PublishedTemplate { template, .. }) in planned.launch_templates.iter().enumerate() {
        let place = || look.inputs.region_place(region, &format!("launchTemplateConfigurations[{index}]"));
        let found = context.cloud.templates.launch_template(region, template).await;
        let Some(found) = answer(found, place, findings)? else { continue };
        let (template, region) = (template.clone(), region.clone());
        let problem = match found {
            None => Problem::LaunchTemplateMissing { template, region },
            // The same tags as in the condition of the role's policy.
            Some(found) if !context.config.owns(&found.tags) => {
                let (stack, home) = (context.config.stack.clone(), context.config.region.clone());
                Problem::LaunchTemplateTags { template, region, stack, home }
            }
            Some(_) => continue,
        };
        findings.push(place().has(problem));
    }
    Ok(())
}
