//! Checks the Regions that the image goes to: whether they are enabled, whether the names and parameters are free
//! there, and whether the image may be shared there.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use goldsmith_cloud::TAG_STATUS;
use goldsmith_store::PlannedRegion;

use super::sharing::Encryption;
use super::{Look, answer, exports, keys, licenses, sharing, targets, templates};
use crate::parts::parameter_paths::own;
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;
use crate::{Error, Result, TAG_BUILD, TAG_HOME, TAG_IMAGE, TAG_STACK};

/// Tags that Goldsmith gives every image. The user's own tag `Name` replaces Goldsmith's tag.
const OWN_TAGS: [&str; 6] = [TAG_STACK, TAG_HOME, TAG_BUILD, TAG_IMAGE, TAG_STATUS, "Name"];
/// Largest number of tags of an AWS resource.
const MOST_TAGS: usize = 50;

pub(in crate::states::plan) async fn check(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    let enabled = enabled(look, findings).await?;
    let home = sharing::at_home(look, findings).await?;
    // In a Region that is not enabled, EC2 rejects every call.
    let there = look.regions.iter().filter(|planned| enabled.contains(planned.region.as_str()));
    // The Regions are independent of each other, and some are far away.
    for found in try_join_all(there.map(|planned| region(look, planned, home.as_ref()))).await? {
        findings.extend(found);
    }
    keys::of_volumes(look, findings).await
}

/// Returns the planned Regions that are enabled. If AWS denies this read, all Regions count as enabled.
async fn enabled<'l>(look: &Look<'l>, findings: &mut Vec<Finding>) -> Result<BTreeSet<&'l str>> {
    let mut enabled: BTreeSet<&str> = look.regions.iter().map(|planned| planned.region.as_str()).collect();
    let home = look.inputs.home_region.as_str();
    let away = || look.regions.iter().filter(|planned| planned.region != home);
    let Some(first) = away().next() else { return Ok(enabled) }; // an image that stays at home needs no call
    let known = look.context.cloud.account.known_regions(home).await;
    let Some(known) = answer(known, || look.inputs.region_place(&first.region, "region"), findings)? else {
        return Ok(enabled);
    };
    for PlannedRegion { region, .. } in away() {
        let problem = match known.get(region) {
            Some(true) => continue,
            Some(false) => Problem::RegionDisabled { region: region.clone() },
            None => Problem::RegionUnknown { region: region.clone() },
        };
        enabled.remove(region.as_str());
        findings.push(look.inputs.region_place(region, "region").has(problem));
    }
    Ok(enabled)
}

/// Returns the problems of one Region. If the build may succeed without the Region and the Region does not answer, that
/// is only a warning: the Region may answer by the time of the copy.
///
/// # Errors
/// Fails if a call to any other Region fails and may succeed later.
async fn region(look: &Look<'_>, planned: &PlannedRegion, home: Option<&Encryption>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let is_dispensable = look.inputs.some_regions_suffice() && planned.region != look.inputs.home_region;
    match examine(look, planned, home, &mut findings).await {
        Err(Error::Cloud(error)) if is_dispensable && error.is_transient() => {
            let place = look.inputs.region_place(&planned.region, "region");
            findings.push(place.has(Problem::Unchecked { error: error.to_string() }));
        }
        other => other?,
    }
    Ok(findings)
}

async fn examine(
    look: &Look<'_>,
    planned: &PlannedRegion,
    home: Option<&Encryption>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let place = |field: &str| look.inputs.region_place(&planned.region, field);
    let name_place = || place("amiDistributionConfiguration.name");
    let taken = look.context.cloud.images.named(&planned.region, &planned.name).await;
    let taken = answer(taken, name_place, findings)?.flatten();
    // The image itself may have its name.
    if let Some(taken) = taken.filter(|taken| look.existing.get(&planned.region) != Some(&taken.id)) {
        let (name, region) = (planned.name.clone(), planned.region.clone());
        findings.push(name_place().has(Problem::AmiNameTaken { name, region, id: taken.id }));
    }
    let tags = too_many_tags(look, planned);
    findings.extend(tags.map(|problem| place("amiDistributionConfiguration.amiTags").has(problem)));
    parameters(look, planned, place, findings).await?;
    templates::check(look, planned, findings).await?;
    licenses::check(look, planned, findings).await?;
    sharing::check(look, planned, home, findings).await?;
    targets::check(look, planned, findings).await?;
    exports::check(look, planned, home, findings).await?;
    keys::of_copy(look, planned, findings).await
}

fn too_many_tags(look: &Look<'_>, planned: &PlannedRegion) -> Option<Problem> {
    let theirs: BTreeSet<&str> =
        planned.tags.keys().chain(look.inputs.infrastructure.resource_tags.keys()).map(String::as_str).collect();
    let own = OWN_TAGS.iter().filter(|tag| !theirs.contains(**tag)).count();
    let count = theirs.len() + own;
    let what = format!("the AMI in {}", planned.region);
    (count > MOST_TAGS).then_some(Problem::TooManyTags { what, count, own })
}

/// Checks the parameters under which the image is to be published.
///
/// The stack's role may write only below one path. The data type of a parameter never changes (Systems Manager user
/// guide, "Using native parameter support for Amazon Machine Image IDs").
async fn parameters(
    look: &Look<'_>,
    planned: &PlannedRegion,
    place: impl Fn(&str) -> Place,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let below = own(&look.context.config.image_parameter_path);
    let region = &planned.region;
    for (index, parameter) in planned.parameters.iter().enumerate() {
        let (name, wanted) = (parameter.parameter_name.clone(), parameter.data_type.as_str());
        let at = |field: &str| place(&format!("ssmParameterConfigurations[{index}].{field}"));
        if !name.starts_with(&below) {
            let region = region.clone();
            findings.push(at("parameterName").has(Problem::ParameterPath { name, region, below: below.clone() }));
            continue;
        }
        let found = look.context.cloud.parameters.get(region, &name).await;
        let found = answer(found, || at("parameterName"), findings)?.flatten();
        if let Some(found) = found.filter(|found| found.data_type != wanted) {
            let (region, wanted) = (region.clone(), wanted.to_owned());
            let problem = Problem::ParameterDataType { name, region, is: found.data_type, wanted };
            findings.push(at("dataType").has(problem));
        }
    }
    Ok(())
}
