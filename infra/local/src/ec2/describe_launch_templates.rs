//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions.

use super::Call;
use super::filters::{self, Filters};
use super::known_filters;
use super::launch_templates::{by_name, find, one_of};
use super::params::Params;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{LaunchTemplate, World, iso};

/// EC2's message if a call without a template requests more than the newest or default version of each template.
const NO_TEMPLATE: &str = "To describe the launch template data for all your launch templates, for ‘--versions’ specify \
    ‘$Latest’, ‘$Default’, or both, and omit ‘--launch-template-id’, ‘--launch-template-name’, and version numbers. To \
    describe the launch template data for a specific launch template, specify ‘--launch-template-id’ or \
    ‘--launch-template-name’, and for ‘--versions’ specify one or more of the following values: ‘$Latest’, ‘$Default’, or \
    one or more version numbers.";

/// Describes templates by id or by name, or all templates.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
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
pub(super) fn describe_versions(call: &Call<'_>) -> Result<Xml, ApiError> {
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

/// Writes the content of a template.
pub(super) fn template_item(xml: &mut Xml, template: &LaunchTemplate) {
    xml.text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("createTime", iso(template.created_at))
        .text("createdBy", creator(template))
        .text("defaultVersionNumber", template.default_version)
        .text("latestVersionNumber", template.latest_version)
        .tags(&template.tags);
}

fn creator(template: &LaunchTemplate) -> String {
    format!("arn:aws:iam::{}:root", template.scope.account)
}

/// Writes the content of one version.
pub(super) fn version_item(xml: &mut Xml, template: &LaunchTemplate, number: u64) {
    let Some(version) = template.versions.get(&number) else { return };
    xml.text("launchTemplateId", &template.id)
        .text("launchTemplateName", &template.name)
        .text("versionNumber", number)
        .maybe("versionDescription", version.description.as_ref())
        .text("createTime", iso(version.created_at))
        .text("createdBy", creator(template))
        .text("defaultVersion", number == template.default_version);
    let data = Params::kept(&version.data);
    xml.node("launchTemplateData", |xml| content(xml, &data));
}

/// Members that are plain text, with their names in a request and in an answer.
const TEXTS: [(&str, &str); 10] = [
    ("KernelId", "kernelId"),
    ("RamDiskId", "ramDiskId"),
    ("ImageId", "imageId"),
    ("InstanceType", "instanceType"),
    ("KeyName", "keyName"),
    ("UserData", "userData"),
    ("EbsOptimized", "ebsOptimized"),
    ("DisableApiTermination", "disableApiTermination"),
    ("DisableApiStop", "disableApiStop"),
    ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior"),
];

fn content(xml: &mut Xml, data: &Params) {
    for (asked, shown) in TEXTS {
        xml.maybe(shown, data.get(asked));
    }
    for (asked, shown) in [("SecurityGroupId", "securityGroupIdSet"), ("SecurityGroup", "securityGroupSet")] {
        let groups = data.list(asked);
        if !groups.is_empty() {
            xml.items(shown, groups, |xml, group| xml.push_text(group));
        }
    }
    node(xml, "iamInstanceProfile", data, "IamInstanceProfile", &["Arn", "Name"]);
    let options = ["HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "InstanceMetadataTags"];
    node(xml, "metadataOptions", data, "MetadataOptions", &options);
    node(xml, "placement", data, "Placement", &["AvailabilityZone"]);
    let devices = data.structures("BlockDeviceMapping");
    if !devices.is_empty() {
        xml.items("blockDeviceMappingSet", devices, |xml, device| {
            xml.maybe("deviceName", device.get("DeviceName"));
            let fields = [
                "SnapshotId",
                "VolumeSize",
                "VolumeType",
                "Encrypted",
                "KmsKeyId",
                "DeleteOnTermination",
                "Iops",
                "Throughput",
            ];
            node(xml, "ebs", &device, "Ebs", &fields);
        });
    }
    let specifications = data.structures("TagSpecification");
    if !specifications.is_empty() {
        xml.items("tagSpecificationSet", specifications, |xml, one| {
            xml.maybe("resourceType", one.get("ResourceType")).tags(&one.tags().unwrap_or_default());
        });
    }
}

/// Writes a structure if it has any of its fields. Answers begin the name of a field with a small letter.
fn node(xml: &mut Xml, name: &str, data: &Params, prefix: &str, fields: &[&str]) {
    let value = |field: &str| data.get(&format!("{prefix}.{field}"));
    let have: Vec<_> = fields.iter().filter_map(|field| Some((*field, value(field)?))).collect();
    if !have.is_empty() {
        xml.node(name, |xml| {
            for (field, value) in have {
                xml.text(&format!("{}{}", field[..1].to_lowercase(), &field[1..]), value);
            }
        });
    }
}
