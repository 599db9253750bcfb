//! Launch templates and their versions as answers show them.

use super::params::Params;
use super::xml::Xml;
use crate::world::{LaunchTemplate, iso};

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
