//! Resolves the source of a build to one AMI, and checks whether the build may start from it.

use goldsmith_cloud::{CloudError, Image, ImageState, Kind};
use goldsmith_model::{ExecutionInput, SourceImage};

use super::{Inputs, Source, Viewer, source_place};
use crate::parts::newest::newest_of;
use crate::parts::parameter_paths::{EXAMPLES, OF_AWS, own};
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;
use crate::{Context, Result};

/// Returns the AMI to which a source image resolves now.
pub(super) async fn source(
    context: &Context,
    wanted: &SourceImage,
    viewer: Viewer,
    place: &Place,
    findings: &mut Vec<Finding>,
) -> Result<Option<Source>> {
    let region = &context.config.region;
    let by_id = |id: String| Some(Source { id, image: None });
    let (found, reason) = match wanted {
        // An id needs no search. `source_image` looks it up with all others.
        SourceImage::Ami(id) => return Ok(by_id(id.to_string())),
        SourceImage::Newest { owners, name } => {
            let newest = context.cloud.images.newest(region, owners, name).await?;
            let found = newest.map(|image| Source { id: image.id.clone(), image: Some(image) });
            (found, format!("there is no such AMI in {region}"))
        }
        SourceImage::Parameter(name) => match context.cloud.parameters.get(region, name).await {
            Err(error) if error.kind == Kind::Denied => {
                findings.push(place.has(unreadable(context, wanted, viewer, &error)));
                refuse_unreadable_path(context, wanted, name, viewer, place, findings);
                return Ok(None);
            }
            answer => {
                refuse_unreadable_path(context, wanted, name, viewer, place, findings);
                // People write parameters with a line break at the end (`file://` of the AWS CLI).
                let found = answer?.and_then(|parameter| by_id(parameter.value.trim().to_owned()));
                (found, format!("there is no such parameter in {region}"))
            }
        },
        SourceImage::Pipeline(name) => {
            (newest_of(context, name).await?.and_then(by_id), "that pipeline has no available image".to_owned())
        }
    };
    if found.is_none() {
        findings.push(place.has(Problem::SourceMissing { source_image: wanted.to_string(), reason }));
    }
    Ok(found)
}

/// Returns the problem of a parameter that the caller may not read.
fn unreadable(context: &Context, wanted: &SourceImage, viewer: Viewer, error: &CloudError) -> Problem {
    match viewer {
        Viewer::Stack => {
            Problem::SourceParameterDenied { source_image: wanted.to_string(), below: readable(context).join(", ") }
        }
        Viewer::Person => Problem::Unchecked { error: error.to_string() },
    }
}

/// Returns the paths below which the role of the function `plan` may read parameters, as in the template.
fn readable(context: &Context) -> [String; 3] {
    [OF_AWS.to_owned(), EXAMPLES.to_owned(), own(&context.config.image_parameter_path)]
}

/// Warns a person about a parameter that the stack probably may not read.
fn refuse_unreadable_path(
    context: &Context,
    wanted: &SourceImage,
    name: &str,
    viewer: Viewer,
    place: &Place,
    findings: &mut Vec<Finding>,
) {
    let paths = readable(context);
    if viewer == Viewer::Person && !paths.iter().any(|path| name.starts_with(path)) {
        let (source_image, below) = (wanted.to_string(), paths.join(", "));
        findings.push(place.has(Problem::SourceParameterPath { source_image, below }));
    }
}

/// Returns the source image, if it can be used. Its id is always looked up with the caller's own credentials.
pub(in crate::states::plan) async fn source_image(
    context: &Context,
    input: &ExecutionInput,
    inputs: &Inputs,
    findings: &mut Vec<Finding>,
) -> Result<Option<Image>> {
    let Some(source) = &inputs.source else { return Ok(None) };
    let region = &context.config.region;
    let found = match &source.image {
        Some(image) => Some(image.clone()),
        None => context.cloud.images.image(region, &source.id).await?,
    };
    let (place, source_image) = (source_place(input, &inputs.recipe), inputs.wanted.to_string());
    let Some(image) = found else {
        let reason = format!("there is no such AMI in {region}");
        findings.push(place.has(Problem::SourceMissing { source_image, reason }));
        return Ok(None);
    };
    if image.state != ImageState::Available {
        findings.push(place.has(Problem::SourceUnavailable { source_image, id: image.id.clone() }));
        // EC2 still describes a disabled AMI in full, so that the other problems can be found. Of a deregistered one, it
        // knows no devices.
        if image.block_devices.is_empty() {
            return Ok(None);
        }
    }
    findings.extend(foreign(context, inputs, &image).map(|problem| place.has(problem)));
    Ok(Some(image))
}

/// Returns the problem of a parameter whose AMI does not belong to any owner that the recipe allows.
///
/// Without this check, anyone who may write a parameter could make any AMI the base of golden images. Parameters below
/// `/aws/service/` are AWS's own: nobody else can write there (Systems Manager user guide, "Parameter name
/// requirements"), and some of them hold AMIs of other owners, such as Canonical.
fn foreign(context: &Context, inputs: &Inputs, source: &Image) -> Option<Problem> {
    let SourceImage::Parameter(name) = &inputs.wanted else { return None };
    let owners = &inputs.recipe.parent_image_owners;
    if owners.is_empty() && name.starts_with(OF_AWS) {
        return None;
    }
    let by_default = SourceImage::DEFAULT_OWNERS.map(str::to_owned);
    let owners = if owners.is_empty() { &by_default[..] } else { owners };
    let is_one = |owner: &String| match owner.as_str() {
        "self" => source.owner == context.config.account(),
        owner => source.owner == owner || source.owner_alias.as_deref() == Some(owner),
    };
    if owners.iter().any(is_one) {
        return None;
    }
    let verb = if owners.len() == 1 { "is" } else { "are" };
    Some(Problem::SourceOwner {
        source_image: inputs.wanted.to_string(),
        id: source.id.clone(),
        owner: source.owner.clone(),
        allowed: format!("{} {verb}", owners.join(" and ")),
    })
}
