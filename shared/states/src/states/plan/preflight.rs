//! Pre-flight: finds all problems that would later stop a planned build, before anything costs money.
//!
//! It only reads. If AWS denies a read, that becomes a warning, which never stops a build.

mod devices;
mod exports;
mod hosts;
mod keys;
mod licenses;
mod network;
mod others;
pub(super) mod regions;
mod sharing;
mod signing;
mod targets;
mod templates;
pub(super) mod topics;
mod vulnerabilities;

use std::collections::BTreeMap;

use goldsmith_cloud::{CloudError, Image};
use goldsmith_model::{ExecutionInput, ImageRef};
use goldsmith_store::{ContentsRecord, PlannedCheckpoint, PlannedRegion};
use jiff::Timestamp;

use super::checkpoint::checkpoint;
use super::finding::{Finding, Place};
use super::freeze::{self, Resolved};
use super::problem::Problem;
use super::resolve::{Inputs, Viewer, source_image};
use super::types::{Types, runnable};
use crate::{Context, Error, Result};

/// A planned build, without the parts that cannot be planned because of a problem.
pub(super) struct Examined {
    pub(super) inputs: Inputs,
    pub(super) source: Option<Image>,
    pub(super) types: Option<Types>,
    /// The image that the build would make, unless another build of the same version begins first.
    pub(super) image: ImageRef,
    pub(super) regions: Vec<PlannedRegion>,
    /// Where the contents of the source image are, if a policy for vulnerabilities asks what is new.
    pub(super) parent: Option<ContentsRecord>,
    /// ARN of the key that signs the image, if one does.
    pub(super) signing_key: Option<String>,
    /// The checkpoint of the recipe, if it has one.
    pub(super) checkpoint: Option<PlannedCheckpoint>,
}

impl Examined {
    /// Returns what goes into the build, or `None` if something is missing or no instance type fits.
    pub(super) fn resolved(self) -> Option<Resolved> {
        let digest = self.inputs.digest.clone()?;
        let types = self.types.filter(|types| !types.build.is_empty())?;
        let Self { source, inputs, parent, signing_key, checkpoint, .. } = self;
        Some(Resolved { source: source?, types, digest, inputs, parent, signing_key, checkpoint })
    }
}

/// What the checks look at.
pub(super) struct Look<'b> {
    pub(super) context: &'b Context,
    pub(super) viewer: Viewer,
    pub(super) inputs: &'b Inputs,
    pub(super) source: Option<&'b Image>,
    pub(super) types: Option<&'b Types>,
    pub(super) regions: &'b [PlannedRegion],
    /// The AMIs of the image that exist already, by Region; empty for a build.
    pub(super) existing: &'b BTreeMap<String, String>,
}

/// Reads everything that a build needs. Adds every problem to `findings`.
///
/// # Errors
/// Fails if a failed call may succeed later, so that the definition retries, and if the source cannot be read at all.
pub(super) async fn examine(
    context: &Context,
    input: &ExecutionInput,
    inputs: Inputs,
    viewer: Viewer,
    findings: &mut Vec<Finding>,
) -> Result<Examined> {
    let now = context.clock.now();
    let source = source_image(context, input, &inputs, findings).await?;
    let types = match &source {
        Some(source) => Some(runnable(context, &inputs, source, viewer, findings).await?),
        None => None,
    };
    let image = next_image(context, &inputs).await?;
    let regions = regions_of(&inputs, &image, now);
    let (source, types) = (source.as_ref(), types.as_ref());
    let look = Look { context, viewer, inputs: &inputs, source, types, regions: &regions, existing: &BTreeMap::new() };
    let subnets = network::check(&look, findings).await?;
    hosts::check(&look, &subnets, findings).await?;
    topics::check(&look, findings).await;
    vulnerabilities::check(&look, findings).await?;
    let parent = vulnerabilities::parent(&look).await?;
    let signing_key = signing::check(&look, findings).await?;
    // A verification maps no devices and makes no image.
    if !inputs.is_verification {
        devices::check(&look, findings);
        regions::check(&look, findings).await?;
    }
    let checkpoint = match source {
        Some(source) => checkpoint(context, input, &inputs, source).await?,
        None => None,
    };
    let (source, types) = (source.cloned(), types.cloned());
    Ok(Examined { source, types, inputs, image, regions, parent, signing_key, checkpoint })
}

/// Returns the image that the next build makes, unless another build of the same version begins first.
async fn next_image(context: &Context, inputs: &Inputs) -> Result<ImageRef> {
    let (name, version) = (&inputs.recipe.name, inputs.recipe.version);
    let build = context.store.next_number(name, version).await?;
    Ok(ImageRef { name: name.clone(), version, build })
}

/// Returns the plan for each Region. An image whose start has overridden something is neither shared nor named by a
/// parameter or a launch template.
fn regions_of(inputs: &Inputs, image: &ImageRef, now: Timestamp) -> Vec<PlannedRegion> {
    let mut regions = freeze::regions(inputs, image, now);
    for region in regions.iter_mut().filter(|_| inputs.overridden) {
        region.launch_permission = Default::default();
        region.parameters.clear();
        region.launch_templates.clear();
    }
    regions
}

/// Returns the answer of AWS. If AWS rejects the call, its subject stays unchecked, and the result is `None`.
///
/// # Errors
/// Fails if the call may succeed later.
fn answer<T>(
    answer: std::result::Result<T, CloudError>,
    place: impl FnOnce() -> Place,
    findings: &mut Vec<Finding>,
) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_transient() => Err(Error::from(error)),
        Err(error) => {
            findings.push(place().has(Problem::Unchecked { error: error.to_string() }));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
