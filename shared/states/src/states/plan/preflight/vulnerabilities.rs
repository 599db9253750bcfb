//! Checks what a policy for vulnerabilities needs, and finds the contents of the parent.

use goldsmith_store::ContentsRecord;

use super::{Look, answer};
use crate::parts::advisories;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;
use crate::{Error, Result, TAG_IMAGE};

/// The field that has the policy.
const FIELD: &str = "vulnerabilityPolicy";

/// Checks that the stack has advisories that its builds can read. Otherwise the image would be rejected after its tests.
pub(super) async fn check(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    let pipeline = &look.inputs.pipeline;
    let Some(policy) = &pipeline.vulnerability_policy else { return Ok(()) };
    let place = || look.inputs.pipeline_place(FIELD);
    let listed = match advisories::listed(look.context).await {
        Ok(listed) => listed,
        Err(Error::Cloud(error)) => {
            answer::<()>(Err(error), place, findings)?;
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let missing = || "there are none".to_owned();
    let why = advisories::too_much(&listed).or_else(|| (listed.is_empty() && !policy.allow_uncovered).then(missing));
    findings.extend(
        why.map(|reason| place().has(Problem::AdvisoriesUnusable { pipeline: pipeline.name.to_string(), reason })),
    );
    Ok(())
}

/// Returns where the contents of the parent are. The parent of a new image is its source, if that is an image of this stack,
/// by whichever name the recipe calls it. An AMI that is only tested has the parent that its own build had.
pub(super) async fn parent(look: &Look<'_>) -> Result<Option<ContentsRecord>> {
    let Look { context, inputs, source: Some(source), .. } = look else { return Ok(None) };
    if inputs.pipeline.vulnerability_policy.is_none() {
        return Ok(None);
    }
    let name = source.tags.get(TAG_IMAGE).filter(|_| context.config.owns(&source.tags));
    let Some(image) = name.and_then(|name| name.parse().ok()) else { return Ok(None) };
    // Anyone who may tag an AMI could claim that it is an image of the stack. Only the record says which AMIs an image has.
    let record = context.store.image(&image).await?;
    let Some(record) = record.filter(|record| record.amis.get(&inputs.home_region) == Some(&source.id)) else {
        return Ok(None);
    };
    if inputs.is_verification {
        let build = context.store.build(&record.build).await?;
        return Ok(build.and_then(|build| build.plan.vulnerabilities).and_then(|planned| planned.parent));
    }
    Ok(record.contents.filter(ContentsRecord::is_stored))
}
