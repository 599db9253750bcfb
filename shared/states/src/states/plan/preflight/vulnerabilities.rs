//! Checks what a policy for vulnerabilities needs, and finds the contents of the parent.

use goldsmith_store::ContentsRecord;

use super::{Look, answer};
use crate::parts::advisories::PREFIX;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;
use crate::{Result, TAG_IMAGE};

/// The field that has the policy.
const FIELD: &str = "vulnerabilityPolicy";

/// Checks that the stack has advisories. Without any, the image would be rejected after its build.
pub(super) async fn check(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    let pipeline = &look.inputs.pipeline;
    if pipeline.vulnerability_policy.as_ref().is_none_or(|policy| policy.allow_uncovered) {
        return Ok(());
    }
    let place = || look.inputs.pipeline_place(FIELD);
    let listed = look.context.cloud.objects.list(PREFIX, 0).await;
    if answer(listed, place, findings)?.is_some_and(|listed| listed.is_empty()) {
        findings.push(place().has(Problem::AdvisoriesMissing { pipeline: pipeline.name.to_string() }));
    }
    Ok(())
}

/// Returns where the contents of the source image are, if it is an image of this stack, by whichever name the recipe calls
/// it. Returns `None` if the pipeline has no policy that needs them.
pub(super) async fn parent(look: &Look<'_>) -> Result<Option<ContentsRecord>> {
    let Look { context, inputs, source: Some(source), .. } = look else { return Ok(None) };
    if inputs.pipeline.vulnerability_policy.is_none() || inputs.is_verification {
        return Ok(None);
    }
    let name = source.tags.get(TAG_IMAGE).filter(|_| context.config.owns(&source.tags));
    let Some(image) = name.and_then(|name| name.parse().ok()) else { return Ok(None) };
    // Anyone who may tag an AMI could claim that it is an image of the stack. Only the record says which AMIs an image has.
    let record = context.store.image(&image).await?;
    let record = record.filter(|record| record.amis.get(&inputs.home_region) == Some(&source.id));
    Ok(record.and_then(|record| record.contents).filter(ContentsRecord::is_stored))
}
