//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions.

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters;
use super::launch_template_item::{template_item, version_item};
use super::launch_templates::{by_name, find, one_of};
use super::params::Params;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{LaunchTemplate, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("DescribeLaunchTemplates", describe), ("DescribeLaunchTemplateVersions", describe_versions)];

/// EC2's message if a call without a template requests more than the newest or default version of each template.
const NO_TEMPLATE: &str = "To describe the launch template data for all your launch templates, for ‘--versions’ specify \
    ‘$Latest’, ‘$Default’, or both, and omit ‘--launch-template-id’, ‘--launch-template-name’, and version numbers. To \
    describe the launch template data for a specific launch template, specify ‘--launch-template-id’ or \
    ‘--launch-template-name’, and for ‘--versions’ specify one or more of the following values: ‘$Latest’, ‘$Default’, or \
    one or more version numbers.";

/// Describes templates by id or by name, or all templates.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &known_filters::TEMPLATES)?;
    let world = call.endpoint.world();
    let (ids, names) = (call.params.list("LaunchTemplateId"), call.params.list("LaunchTemplateName"));
    let mut found: Vec<&LaunchTemplate> = Vec::new();
    for id in &ids {
        let named = Params::kept(&[("LaunchTemplateId".to_owned(), id.clone())].into());
        found.push(find(&world, call.scope, &named)?);
    }
    for name in &names {
        // This message differs from the one for a call about a single template.
        let missing = || {
            let message = "At least one of the launch templates specified in the request does not exist.";
            ApiError::new("InvalidLaunchTemplateName.NotFoundException", message)
        };
        found.push(by_name(&world, call.scope, name).ok_or_else(missing)?);
    }
    if ids.is_empty() && names.is_empty() {
        found = world.launch_templates.values().filter(|template| template.scope == *call.scope).collect();
    }
    filters::answer(call, "launchTemplates", filters.keep(found, template_item))
}

/// Describes the versions of one template.
fn describe_versions(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &known_filters::VERSIONS)?;
    let world = call.endpoint.world();
    let asked = call.params.list("LaunchTemplateVersion");
    if one_of(call.params)?.is_none() {
        return across(call, &filters, &world, &asked);
    }
    let template = find(&world, call.scope, call.params)?;
    let mut numbers: Vec<u64> = if asked.is_empty() {
        template.versions.keys().rev().copied().collect()
    } else {
        asked.iter().map(|asked| number(template, asked)).collect::<Result<_, _>>()?
    };
    let least: u64 = call.params.number("MinVersion")?.unwrap_or(0);
    let most: u64 = call.params.number("MaxVersion")?.unwrap_or(u64::MAX);
    numbers.retain(|number| (least..=most).contains(number));
    let kept = filters.keep(numbers, |xml, number| version_item(xml, template, number));
    filters::answer(call, "launchTemplateVersionSet", kept)
}

/// Describes the default or newest version of every template: a call without a template may request only these.
fn across(call: &Call<'_>, filters: &Filters, world: &World, asked: &[String]) -> Result<Xml, ApiError> {
    if asked.is_empty() || !asked.iter().all(|version| ["$Latest", "$Default"].contains(&version.as_str())) {
        let code = if asked.is_empty() { "MissingParameter" } else { "InvalidParameterValue" };
        return Err(ApiError::new(code, NO_TEMPLATE));
    }
    let own = world.launch_templates.values().filter(|template| template.scope == *call.scope);
    let mut shown: Vec<(&LaunchTemplate, u64)> = Vec::new();
    for template in own {
        for version in asked {
            shown.push((template, template.number(Some(version))?));
        }
    }
    shown.dedup_by_key(|(template, number)| (template.id.clone(), *number));
    let kept = filters.keep(shown, |xml, (template, number)| version_item(xml, template, number));
    filters::answer(call, "launchTemplateVersionSet", kept)
}

fn number(template: &LaunchTemplate, asked: &str) -> Result<u64, ApiError> {
    template.number(Some(asked)).map_err(|error| {
        let message =
            format!("Could not find the specified version {asked} for the launch template with ID {}.", template.id);
        ApiError { message, ..error }
    })
}
