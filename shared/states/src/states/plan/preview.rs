//! Finds out what a build of a pipeline would do now, before anybody starts it. It writes nothing.

pub(super) mod region;

use std::collections::BTreeMap;

use goldsmith_document::digest;
use goldsmith_model::{
    BootMode, CopyStart, ExecutionInput, ImageRecipe, ImageRef, Name, StartCondition, Status, TpmSupport, Version,
    VersionPattern,
};
use goldsmith_store::{CheckpointRecord, ImageRecord};
use serde::Serialize;

use super::estimate::estimate;
use super::finding::Finding;
use super::preflight::{Examined, examine};
use super::resolve::{Inputs, Viewer, resolve};
use super::{difference, refused};
use crate::{Context, Result};

pub use super::difference::Difference;
pub use super::estimate::{Estimate, InstanceTime, StateTime};
pub use region::PreviewedRegion;

/// What a build of a pipeline would do now.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The pipeline.
    pub pipeline: Name,
    /// The outcome if a person started the build.
    pub verdict: Verdict,
    /// The image that the build would make, unless another build of the same version begins first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageRef>,
    /// The recipe version to which the pipeline's pattern resolves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Chosen>,
    /// The image from which the build would start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PreviewedSource>,
    /// The components that the build would run, in this order.
    pub components: Vec<Chosen>,
    /// The recipe's checkpoint; absent if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PreviewedCheckpoint>,
    /// How the recipe wants instances of the image to boot; absent if it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<PreviewedFirmware>,
    /// Instance types for the build, in the order of the attempts.
    pub instance_types: Vec<String>,
    /// Instance types on which the image would be tested.
    pub test_types: Vec<String>,
    /// Why no test would run, in words for people; absent if tests would run. The audit may launch an instance anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untested: Option<&'static str>,
    /// Where the image would go; the home Region is the first.
    pub regions: Vec<PreviewedRegion>,
    /// Whether the copies to other Regions would begin with the tests.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copies_with_tests: bool,
    /// The channel whose promotion would approve the image. The field is absent if the build would publish the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Name>,
    /// ARN of the SNS topic that would be told how the build has ended; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Digest of everything that goes into the build; absent if something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_digest: Option<String>,
    /// The pipeline's newest image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Existing>,
    /// What has changed since the newest image.
    pub changes: Vec<Difference>,
    /// What the build takes; absent if there is nothing to build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// Why some starts would build nothing.
    pub skips: Vec<String>,
    /// Problems that would stop the build, and warnings.
    pub findings: Vec<Finding>,
}

/// The disk after the first components of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewedCheckpoint {
    /// The last component that it contains.
    pub after: Name,
    /// The checkpoint with which the build would begin; absent if the build would make one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<CheckpointRecord>,
}

impl PreviewedCheckpoint {
    fn of(examined: &Examined) -> Option<Self> {
        let planned = examined.checkpoint.as_ref()?;
        let after = examined.inputs.documents.get(planned.documents.checked_sub(1)?)?.name.clone();
        Some(Self { after, found: planned.found.clone() })
    }
}

/// How the recipe wants instances of the image to boot. What is absent is as in the source image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewedFirmware {
    /// The boot mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_mode: Option<BootMode>,
    /// The version of the TPM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm_support: Option<TpmSupport>,
    /// SHA-256 of the UEFI data, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uefi_data: Option<String>,
}

impl PreviewedFirmware {
    fn of(recipe: &ImageRecipe) -> Option<Self> {
        let uefi_data = recipe.uefi_data.as_deref().map(digest);
        let own = Self { boot_mode: recipe.boot_mode, tpm_support: recipe.tpm_support, uefi_data };
        (own.boot_mode.is_some() || own.tpm_support.is_some() || own.uefi_data.is_some()).then_some(own)
    }
}

/// The outcome of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It builds an image.
    Build,
    /// The newest image was made from the same inputs, so nothing is built.
    Unchanged,
    /// Plan rejects the start.
    Refused,
}

/// A version to which a pattern resolves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// Name of the recipe or component.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// The pattern in which the recipe names the component.
    pub pattern: VersionPattern,
    /// Values of the component's parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// The image from which a build starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewedSource {
    /// The source image as the recipe or the start names it.
    pub reference: String,
    /// The AMI to which the source image resolves now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// The AMI's name; absent if AWS was not asked, because nothing has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Account id of the AMI's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `x86_64` or `arm64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}

/// An existing image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Existing {
    /// The image.
    pub image: ImageRef,
    /// The image's AMIs by Region.
    pub amis: BTreeMap<String, String>,
    /// Digest of everything that went into the image.
    pub input_digest: String,
    /// Time at which the build of the image began.
    pub created_at: String,
}

/// Returns what a start with this input would do now. If nothing has changed since the newest image and the input has
/// no `force`, the source and the account are not read.
///
/// # Errors
/// Fails with `Refused` if the input is wrong or the pipeline does not exist, and also if a call to the table or to AWS
/// fails.
pub async fn preview(context: &Context, input: &ExecutionInput) -> Result<Preview> {
    let pipeline = context.store.pipeline(&input.pipeline).await?;
    let pipeline = pipeline.ok_or_else(|| refused(format!("there is no pipeline `{}`", input.pipeline)))?;
    input.check_overrides(&pipeline).map_err(refused)?;
    let mut findings = Vec::new();
    let Some(inputs) = resolve(context, input, &pipeline, Viewer::Person, &mut findings).await? else {
        return Ok(empty(&input.pipeline, Verdict::Refused, findings));
    };
    let newest = context.store.newest_image(&inputs.recipe.name, &pipeline.name).await?;
    let is_same = newest.as_ref().is_some_and(|newest| Some(&newest.input_digest) == inputs.digest.as_ref());
    let is_refused = findings.iter().any(Finding::is_refusal);
    let skips = skips(context, &inputs, is_same && !is_refused).await?;
    if is_same && !is_refused && !input.force {
        let known = resolved_parts(empty(&input.pipeline, Verdict::Unchanged, findings), &inputs, newest.as_ref());
        return Ok(Preview { skips, ..known });
    }
    let examined = examine(context, input, inputs, Viewer::Person, &mut findings).await?;
    let verdict = if findings.iter().any(Finding::is_refusal) { Verdict::Refused } else { Verdict::Build };
    let known = resolved_parts(empty(&input.pipeline, verdict, findings), &examined.inputs, newest.as_ref());
    let known = examined_parts(known, &examined);
    let estimate = match verdict {
        Verdict::Build => Some(estimate(context, &input.pipeline, &examined).await?),
        Verdict::Refused | Verdict::Unchanged => None,
    };
    let changes = match (&newest, examined.resolved()) {
        (Some(newest), Some(resolved)) if !is_same => difference::since(context, newest, &resolved).await?,
        _ => Vec::new(),
    };
    Ok(Preview { skips, changes, estimate, ..known })
}

fn empty(pipeline: &Name, verdict: Verdict, findings: Vec<Finding>) -> Preview {
    Preview {
        pipeline: pipeline.clone(),
        verdict,
        image: None,
        recipe: None,
        source: None,
        components: Vec::new(),
        checkpoint: None,
        firmware: None,
        instance_types: Vec::new(),
        test_types: Vec::new(),
        untested: None,
        regions: Vec::new(),
        copies_with_tests: false,
        approval: None,
        topic: None,
        input_digest: None,
        newest: None,
        changes: Vec::new(),
        estimate: None,
        skips: Vec::new(),
        findings,
    }
}

/// Adds what the definitions contain.
fn resolved_parts(preview: Preview, inputs: &Inputs, newest: Option<&ImageRecord>) -> Preview {
    let recipe = &inputs.recipe;
    let pattern = |name: &Name| recipe.components.iter().find(|part| part.name == *name).map(|part| part.version);
    let components = inputs.documents.iter().filter_map(|document| {
        let (name, parameters) = (document.name.clone(), document.parameters.clone());
        Some(Chosen { pattern: pattern(&name)?, name, version: document.version, parameters })
    });
    Preview {
        recipe: Some(Chosen {
            name: recipe.name.clone(),
            version: recipe.version,
            pattern: inputs.pipeline.image_recipe.version,
            parameters: BTreeMap::new(),
        }),
        source: Some(PreviewedSource {
            reference: inputs.wanted.to_string(),
            image_id: inputs.source.as_ref().map(|source| source.id.clone()),
            ..PreviewedSource::default()
        }),
        components: components.collect(),
        firmware: PreviewedFirmware::of(recipe),
        input_digest: inputs.digest.clone(),
        newest: newest.map(|newest| Existing {
            image: newest.image.clone(),
            amis: newest.amis.clone(),
            input_digest: newest.input_digest.clone(),
            created_at: newest.created_at.clone(),
        }),
        ..preview
    }
}

/// Adds what AWS returns.
fn examined_parts(mut preview: Preview, examined: &Examined) -> Preview {
    if let (Some(source), Some(image)) = (&mut preview.source, &examined.source) {
        source.name = Some(image.name.clone());
        source.owner = Some(image.owner.clone());
        source.architecture = Some(image.architecture.clone());
    }
    let (build, test) = examined.types.as_ref().map_or((&[][..], &[][..]), |types| (&types.build, &types.test));
    let channel = examined.inputs.channel();
    Preview {
        image: Some(examined.image.clone()),
        checkpoint: PreviewedCheckpoint::of(examined),
        instance_types: build.to_vec(),
        test_types: test.to_vec(),
        untested: examined.inputs.untested(),
        regions: examined.regions.iter().map(|planned| region::previewed(planned, channel)).collect(),
        copies_with_tests: examined.inputs.distribution.as_ref().is_some_and(|to| to.start == CopyStart::WithTests)
            && !test.is_empty()
            && examined.regions.len() > 1,
        approval: examined.inputs.approval().cloned(),
        topic: examined.inputs.infrastructure.sns_topic_arn.clone(),
        ..preview
    }
}

/// Returns why some starts would build nothing now.
async fn skips(context: &Context, inputs: &Inputs, is_same: bool) -> Result<Vec<String>> {
    let pipeline = &inputs.pipeline;
    let mut skips = Vec::new();
    if context.store.is_retired().await? {
        skips.push("the stack is being retired: no start builds anything".to_owned());
    }
    let lease = context.store.lease(&pipeline.name).await?;
    if let Some(build) = &lease.build {
        skips.push(format!(
            "the build {build} of this pipeline is running: no other start builds anything before its end"
        ));
    }
    if let Some(until) = lease.rests_until(context.clock.now()) {
        skips.push(format!("the last automatic build is less than an hour ago: automatic starts wait until {until}"));
    }
    if pipeline.status == Status::Disabled {
        skips.push("the pipeline is disabled: it does not start by itself".to_owned());
    }
    if pipeline.auto_disable_policy.is_some()
        && let Some(failures) = context.store.failures(&pipeline.name).await?
        && failures.stopped_at.is_some()
    {
        skips.push(format!(
            "the pipeline does not start by itself, because {} builds in a row have failed: `goldsmith enable {}` lets it \
             start again",
            failures.count, pipeline.name
        ));
    }
    if let Some(until) = pipeline.frozen_until(context.clock.now()) {
        skips.push(format!("the pipeline is frozen until {until}: automatic starts wait until then"));
    }
    if is_same {
        skips.push("nothing has changed: a start by an update of the source is skipped".to_owned());
    }
    let condition = pipeline.schedule.as_ref().map(|schedule| schedule.pipeline_execution_start_condition);
    if is_same && condition == Some(StartCondition::ExpressionMatchAndDependencyUpdatesAvailable) {
        skips.push("nothing has changed: a start by the schedule is skipped".to_owned());
    }
    Ok(skips)
}

#[cfg(test)]
mod tests;
