//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions.

use super::Call;
use super::filters::{Filters, page};
use super::launch_templates::find;
use super::params::Params;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{LaunchTemplate, iso};

/// Describes templates by id, by name or all.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &["launch-template-name"])?;
    let world = call.endpoint.world();
    let named = |name: &str, field: &str| -> Result<Vec<&LaunchTemplate>, ApiError> {
        let one = |value: &String| Params::kept(&[(field.to_owned(), value.clone())].into());
        call.params.list(name).iter().map(|value| find(&world, call.scope, &one(value))).collect()
    };
    let mut found =
        [named("LaunchTemplateId", "LaunchTemplateId")?, named("LaunchTemplateName", "LaunchTemplateName")?].concat();
    if found.is_empty() {
        found = world.launch_templates.values().filter(|template| template.scope == *call.scope).collect();
    }
    found.retain(|template| filters.pass(&template.tags, |_| vec![template.name.clone()]));
    let (found, next) = page(call, found)?;
    let mut xml = Xml::new();
    xml.items("launchTemplates", found, template_item);
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// Describes the versions of one template.
pub(super) fn describe_versions(call: &Call<'_>) -> Result<Xml, ApiError> {
    let world = call.endpoint.world();
    let template = find(&world, call.scope, call.params)?;
    let asked = call.params.list("LaunchTemplateVersion");
    let mut numbers: Vec<u64> = if asked.is_empty() {
        template.versions.keys().rev().copied().collect()
    } else {
        asked.iter().map(|asked| template.number(Some(asked))).collect::<Result<_, _>>()?
    };
    let least: u64 = call.params.number("MinVersion")?.unwrap_or(0);
    let most: u64 = call.params.number("MaxVersion")?.unwrap_or(u64::MAX);
    numbers.retain(|number| (least..=most).contains(number));
    let (numbers, next) = page(call, numbers)?;
    let mut xml = Xml::new();
    xml.items("launchTemplateVersionSet", numbers, |xml, number| version_item(xml, template, number));
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// The content of a template.
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

/// The content of one version.
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

/// Members that are plain text, as a request and as an answer writes them.
const TEXTS: [(&str, &str); 8] = [
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

/// A structure, when any of its fields is there. Answers write a field with a small first letter.
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
