//! Plans a run that only distributes an image that exists: to the Regions that it lacks, and to what the pipeline's
//! distribution configuration has gained since the image was distributed.
//!
//! A run only adds. It takes back no permission, and moves no name from a newer image to an older one.

pub(super) mod preview;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::{Image, ImageState};
use goldsmith_model::{ExecutionInput, ImagePipeline, ImageRef, LaunchPermission, S3Export, SourceImage, placeholder};
use goldsmith_store::{DistributedImage, ExportedObject, ImageLife, ImageRecord, ImageStatus, Plan, PlannedRegion};
use jiff::Timestamp;

use super::finding::Finding;
use super::freeze;
use super::preflight::{Look, regions, topics};
use super::resolve::{Inputs, Source, Viewer, stored};
use super::{refused, refused_for};
use crate::{Context, Result};

/// What a run would do for an image.
pub(super) struct Distribution {
    /// The image.
    pub(super) image: ImageRecord,
    /// The plan of the run; `None` if nothing is missing.
    pub(super) plan: Option<Plan>,
    /// Why parameters and launch templates stay as they are, if they do.
    pub(super) names_stay: Option<String>,
}

/// Returns what a run would do for an image. Adds everything that is wrong to `findings`.
///
/// # Errors
/// Fails with `Refused` if the image cannot be distributed, or if a call to the table or to AWS fails.
pub(super) async fn plan(
    context: &Context,
    input: &ExecutionInput,
    pipeline: &ImagePipeline,
    image: &ImageRef,
    viewer: Viewer,
    findings: &mut Vec<Finding>,
) -> Result<Distribution> {
    let image = published(context, input, image).await?;
    let first = context.store.build(&image.build).await?;
    let first = first.ok_or_else(|| refused(format!("the record of the build of {} has expired", image.image)))?;
    let (there, home) = there(context, &image, &first.plan.home_region).await?;
    let Some(mut inputs) = inputs(context, pipeline, &image, home, findings).await? else {
        return Err(refused_for(findings));
    };
    let names_stay = names_stay(context, &image).await?;
    if names_stay.is_some() {
        keep_names(&mut inputs);
    }
    // The names of the copies must be those of the original, so the placeholders have the values of its build.
    let began = image.created_at.parse().unwrap_or_else(|_| context.clock.now());
    let wanted = freeze::regions(&inputs, &image.image, began);
    let done = context.store.distributed(&image).await?;
    let missing = missing(&image, &there, &done, wanted, context.clock.now());
    if missing.is_empty() {
        return Ok(Distribution { image, plan: None, names_stay });
    }
    let source = inputs.source.as_ref().and_then(|source| source.image.as_ref());
    let look = Look { context, viewer, inputs: &inputs, source, types: None, regions: &missing, existing: &there };
    regions::check(&look, findings).await?;
    topics::check(&look, findings).await;
    let amis = there.into_iter().filter(|(region, _)| {
        *region == first.plan.home_region || missing.iter().any(|planned| planned.region == *region)
    });
    let plan = Plan {
        source: inputs.wanted.clone(),
        source_image: image.amis[&first.plan.home_region].clone(),
        some_regions_suffice: inputs.some_regions_suffice(),
        distributes: Some(DistributedImage { image: image.image.clone(), amis: amis.collect() }),
        regions: missing,
        checkpoint: None,
        copies_with_tests: false,
        tests: Vec::new(),
        audit_only: false,
        vulnerabilities: None,
        signing_key: None,
        // The image was approved, and its channel points to it or to another image on purpose.
        channel: None,
        approval: None,
        topic: inputs.infrastructure.sns_topic_arn.clone(),
        ..first.plan
    };
    Ok(Distribution { image, plan: Some(plan), names_stay })
}

/// Returns the record of an image that can be distributed.
async fn published(context: &Context, input: &ExecutionInput, image: &ImageRef) -> Result<ImageRecord> {
    let found = context.store.image(image).await?;
    let found = found.ok_or_else(|| refused(format!("there is no image {image}")))?;
    if found.pipeline != input.pipeline {
        return Err(refused(format!(
            "{image} is an image of the pipeline `{}`, not of `{}`",
            found.pipeline, input.pipeline
        )));
    }
    let why_not = match (found.status, found.life) {
        _ if !found.is_image() => "is no image, but a run that has made none",
        (ImageStatus::Building, _) => "is being built, and is distributed by its build",
        (ImageStatus::Available, Some(ImageLife::Disabled)) => "is disabled: enable it first",
        (ImageStatus::Available, Some(ImageLife::Deleted)) => "is deleted",
        (ImageStatus::Available, None) if found.overridden => {
            "stays in its home Region, because its start has overridden something"
        }
        (ImageStatus::Available, None) if found.awaited().is_some() => "waits for its approval: promote it first",
        (ImageStatus::Available, None) => return Ok(found),
        _ => "was not published: build the pipeline again",
    };
    Err(refused(format!("{image} {why_not}")))
}

/// Returns those AMIs of an image that exist, by Region, and the one in the home Region.
///
/// # Errors
/// Fails with `Refused` if the AMI in the home Region is not available: everything is copied from it.
async fn there(context: &Context, image: &ImageRecord, home: &str) -> Result<(BTreeMap<String, String>, Image)> {
    let (mut there, mut original) = (BTreeMap::new(), None);
    for (region, ami) in &image.amis {
        let found = match context.cloud.images.image(region, ami).await {
            // A Region that cannot be looked at has what the record says.
            Err(error) if region != home && !error.is_transient() => {
                tracing::warn!(%error, region, ami, "the AMI counts as there");
                there.insert(region.clone(), ami.clone());
                continue;
            }
            found => found?,
        };
        let Some(found) = found else { continue };
        there.insert(region.clone(), ami.clone());
        if region == home && found.state == ImageState::Available {
            original = Some(found);
        }
    }
    let lost =
        || refused(format!("the AMI of {} in {home} is not available, and copies are made from it", image.image));
    Ok((there, original.ok_or_else(lost)?))
}

/// Returns what the definitions say now; `None` if one of them is missing.
async fn inputs(
    context: &Context,
    pipeline: &ImagePipeline,
    image: &ImageRecord,
    home: Image,
    findings: &mut Vec<Finding>,
) -> Result<Option<Inputs>> {
    let Some((recipe, infrastructure, distribution)) = stored(context, pipeline, findings).await? else {
        return Ok(None);
    };
    // Tags and description come from the image's own recipe, as long as it exists.
    let own = context.store.recipe(&image.image.name, image.image.version).await?;
    let mut recipe = own.unwrap_or(recipe);
    // The volumes of the image exist, so nothing that the recipe says about them matters any more.
    recipe.block_device_mappings.clear();
    Ok(Some(Inputs {
        home_region: context.config.region.clone(),
        recipe,
        infrastructure,
        distribution,
        pipeline: pipeline.clone(),
        wanted: SourceImage::Ami(home.id.clone()),
        source: Some(Source { id: home.id.clone(), image: Some(home) }),
        documents: Vec::new(),
        has_tests: false,
        overridden: false,
        is_verification: false,
        digest: None,
    }))
}

/// Returns why parameters and launch templates must not name the image: they name another one on purpose. `None` if they
/// name this image.
async fn names_stay(context: &Context, image: &ImageRecord) -> Result<Option<String>> {
    let newest = context.store.newest_published(&image.image.name, &image.pipeline).await?;
    if let Some(newest) = newest.filter(|newest| newest.image != image.image) {
        return Ok(Some(format!("{} is newer", newest.image)));
    }
    if context.store.rollback(&image.pipeline).await?.is_some() {
        return Ok(Some("a rollback of the pipeline has not ended".to_owned()));
    }
    let ended = image.ended_at.as_deref().unwrap_or(&image.created_at);
    let pointed = context.store.pointed(&image.pipeline).await?;
    let last = pointed.into_iter().max_by(|one, other| one.at.cmp(&other.at));
    let is_other = last.filter(|last| last.at.as_str() > ended && last.image != image.image);
    Ok(is_other.map(|last| format!("the pipeline was rolled back to {}", last.image)))
}

/// Leaves out the parameters and launch templates that name another image: all except this image's own parameters.
fn keep_names(inputs: &mut Inputs) {
    for to in inputs.distribution.iter_mut().flat_map(|distribution| &mut distribution.distributions) {
        to.ssm_parameter_configurations.retain(|one| placeholder::differs(&one.parameter_name));
        to.launch_template_configurations.clear();
    }
}

/// Returns what is missing in each Region. `there` are the AMIs that exist, and `done` is what was done before.
fn missing(
    image: &ImageRecord,
    there: &BTreeMap<String, String>,
    done: &[PlannedRegion],
    wanted: Vec<PlannedRegion>,
    now: Timestamp,
) -> Vec<PlannedRegion> {
    let in_future = |at: &String| at.parse::<Timestamp>().is_ok_and(|at| at > now);
    let wanted = wanted.into_iter().filter_map(|mut planned| {
        // EC2 rejects a time in the past.
        planned.deprecate_at = planned.deprecate_at.filter(in_future);
        // The parameters of a channel name the image to which the channel points, and `goldsmith promote` writes them.
        planned.parameters.retain(|one| one.is_written_for(None));
        if !there.contains_key(&planned.region) {
            return Some(planned);
        }
        let before: Vec<&PlannedRegion> = done.iter().filter(|one| one.region == planned.region).collect();
        rest(image, planned, &before)
    });
    wanted.collect()
}

/// Returns what a Region that has the image lacks; `None` if it lacks nothing.
fn rest(image: &ImageRecord, mut planned: PlannedRegion, before: &[&PlannedRegion]) -> Option<PlannedRegion> {
    let parameters: BTreeSet<&str> =
        before.iter().flat_map(|one| &one.parameters).map(|one| one.parameter_name.as_str()).collect();
    planned.parameters.retain(|one| !parameters.contains(one.parameter_name.as_str()));
    let templates: BTreeSet<&str> =
        before.iter().flat_map(|one| &one.launch_templates).map(|one| one.template.as_str()).collect();
    planned.launch_templates.retain(|one| !templates.contains(one.template.as_str()));
    let has_copy =
        |account: &str| image.copies.iter().any(|copy| copy.account == account && copy.region == planned.region);
    planned.target_accounts.retain(|target| !has_copy(&target.account));
    // An account that copies the image gets a permission for a while. What it had before must stay after that.
    let had = |account: &str| before.iter().any(|one| one.launch_permission.user_ids.iter().any(|id| id == account));
    for target in planned.target_accounts.iter().filter(|target| had(&target.account)) {
        if !planned.launch_permission.user_ids.contains(&target.account) {
            planned.launch_permission.user_ids.push(target.account.clone());
        }
    }
    let could_read = |account: &&String| before.iter().any(|one| one.shares_snapshots_with(account));
    planned.keeps_snapshots =
        planned.target_accounts.iter().map(|target| &target.account).filter(could_read).cloned().collect();
    let is_exported = |to: &S3Export| {
        let is_it = |one: &ExportedObject| {
            one.region == planned.region && one.format == to.disk_image_format && to.may_have_written(&one.location)
        };
        image.exports.iter().any(is_it)
    };
    planned.export = planned.export.take().filter(|to| !is_exported(to));
    // A protection is switched on for a new AMI only: somebody may have switched it off since then.
    planned.protection = None;
    let licenses: BTreeSet<&String> = before.iter().flat_map(|one| &one.license_configurations).collect();
    let needs_license = planned.license_configurations.iter().any(|one| !licenses.contains(one));
    let is_shared = before.iter().any(|one| one.share_snapshots);
    let shares_snapshots = planned.share_snapshots && !is_shared && !planned.launch_permission.is_empty();
    let lacks = !planned.parameters.is_empty()
        || !planned.launch_templates.is_empty()
        || !planned.target_accounts.is_empty()
        || shares_snapshots
        || needs_license
        || planned.export.is_some()
        || grants_more(&planned.launch_permission, before);
    lacks.then_some(planned)
}

/// Returns whether a permission allows somebody whom none of the earlier ones allows.
fn grants_more(wanted: &LaunchPermission, before: &[&PlannedRegion]) -> bool {
    let all = |with: &LaunchPermission| {
        let LaunchPermission { user_ids, user_groups, organization_arns, organizational_unit_arns } = with.clone();
        [user_ids, user_groups, organization_arns, organizational_unit_arns].concat()
    };
    let had: BTreeSet<String> = before.iter().flat_map(|one| all(&one.launch_permission)).collect();
    all(wanted).iter().any(|one| !had.contains(one))
}
