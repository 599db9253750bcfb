//! Launch templates and their versions.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    DeleteLaunchTemplateVersionsResponseErrorItem as Undeleted, LaunchTemplateBlockDeviceMapping as Mapping,
    LaunchTemplateBlockDeviceMappingRequest as NewMapping, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateErrorCode, RequestLaunchTemplateData,
};
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{
    CloudError, Image, Images as _, Kind, LaunchTemplate, LaunchTemplates, NewTemplateVersion, Result, TemplateVersion,
};

use crate::Ec2;
use crate::requests::{filter, from_sdk_tags};

#[async_trait]
impl LaunchTemplates for Ec2 {
    async fn launch_template(&self, region: &str, named: &str) -> Result<Option<LaunchTemplate>> {
        let request = self.0.client(region).describe_launch_templates();
        let request = match named.starts_with("lt-") {
            true => request.launch_template_ids(named),
            false => request.launch_template_names(named),
        };
        let answer = request.send().await.map_err(failure("DescribeLaunchTemplates", region));
        let found = known(answer)?.and_then(|answer| answer.launch_templates?.into_iter().next());
        Ok(found.and_then(|template| {
            Some(LaunchTemplate {
                id: template.launch_template_id?,
                name: template.launch_template_name?,
                default_version: template.default_version_number?.to_string(),
                tags: from_sdk_tags(template.tags.as_deref().unwrap_or_default()),
            })
        }))
    }

    async fn versions_with(&self, region: &str, template: &str, image: &str) -> Result<Vec<TemplateVersion>> {
        let request = self.0.client(region).describe_launch_template_versions().launch_template_id(template);
        let mut pages = request.filters(filter("image-id", &[image])).into_paginator().send();
        let mut versions = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeLaunchTemplateVersions", region));
            let Some(page) = known(page)? else { return Ok(Vec::new()) };
            versions.extend(page.launch_template_versions().iter().filter_map(|version| {
                Some(TemplateVersion {
                    number: version.version_number()?.to_string(),
                    description: version.version_description().unwrap_or_default().to_owned(),
                })
            }));
        }
        Ok(versions)
    }

    async fn create_version(&self, region: &str, version: &NewTemplateVersion) -> Result<String> {
        const OPERATION: &str = "CreateLaunchTemplateVersion";
        let data = RequestLaunchTemplateData::builder()
            .image_id(&version.image)
            .set_block_device_mappings(self.mappings_with_snapshots(region, version).await?);
        let request = self
            .0
            .client(region)
            .create_launch_template_version()
            .client_token(&version.token)
            .launch_template_id(&version.template)
            // Everything but the image is as in the default version: what people have changed there must reach new
            // instances.
            .source_version(&version.source)
            .version_description(&version.description)
            .launch_template_data(data.build());
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        let number = answer.launch_template_version.and_then(|version| version.version_number);
        Ok(number.ok_or_else(|| incomplete(OPERATION, region, "version number"))?.to_string())
    }

    async fn set_default_version(&self, region: &str, template: &str, version: &str) -> Result<()> {
        let request = self.0.client(region).modify_launch_template().launch_template_id(template);
        request.default_version(version).send().await.map_err(failure("ModifyLaunchTemplate", region))?;
        Ok(())
    }

    async fn delete_version(&self, region: &str, template: &str, version: &str) -> Result<()> {
        const OPERATION: &str = "DeleteLaunchTemplateVersions";
        let request = self.0.client(region).delete_launch_template_versions().launch_template_id(template);
        let answer = request.versions(version).send().await.map_err(failure(OPERATION, region));
        let Some(answer) = known(answer)? else { return Ok(()) };
        // EC2 reports a version that it has not deleted in a good answer.
        match answer.unsuccessfully_deleted_launch_template_versions().iter().find(|one| !is_missing(one)) {
            None => Ok(()),
            Some(left) => Err(undeleted(OPERATION, region, left)),
        }
    }
}

impl Ec2 {
    /// Returns the block device mappings of the source version, for the request to repeat; `None` if none of them names a
    /// snapshot. EC2 takes everything over from the source version except snapshots, and the volumes of the new version
    /// would be empty (EC2 API reference, CreateLaunchTemplateVersion, `SourceVersion`).
    async fn mappings_with_snapshots(
        &self,
        region: &str,
        version: &NewTemplateVersion,
    ) -> Result<Option<Vec<NewMapping>>> {
        const OPERATION: &str = "DescribeLaunchTemplateVersions";
        let request = self.0.client(region).describe_launch_template_versions().launch_template_id(&version.template);
        let answer = request.versions(&version.source).send().await.map_err(failure(OPERATION, region))?;
        let source = answer.launch_template_versions.unwrap_or_default().into_iter().next();
        let data = source.and_then(|source| source.launch_template_data);
        let data = data.ok_or_else(|| incomplete(OPERATION, region, "data of the version"))?;
        let mappings = data.block_device_mappings();
        if !mappings.iter().any(has_snapshot) {
            return Ok(None);
        }
        let image = self.image(region, &version.image).await?;
        let image = image.ok_or_else(|| incomplete("DescribeImages", region, "image of the version"))?;
        Ok(Some(mappings.iter().map(|mapping| repeated(mapping, &image)).collect()))
    }
}

fn has_snapshot(mapping: &Mapping) -> bool {
    mapping.ebs().is_some_and(|ebs| ebs.snapshot_id().is_some())
}

/// Converts a mapping of a version to one of a request. The volumes that the image has itself come from its snapshots: a
/// template that was made from an instance names those of an older image, and EC2 rejects another snapshot for the root
/// device.
fn repeated(mapping: &Mapping, image: &Image) -> NewMapping {
    let has_image = image.block_devices.iter().any(|device| mapping.device_name() == Some(&*device.device_name));
    let ebs = mapping.ebs().map(|ebs| {
        LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_encrypted(ebs.encrypted())
            .set_delete_on_termination(ebs.delete_on_termination())
            .set_iops(ebs.iops())
            .set_kms_key_id(ebs.kms_key_id().map(str::to_owned))
            .set_snapshot_id(ebs.snapshot_id().filter(|_| !has_image).map(str::to_owned))
            .set_volume_size(ebs.volume_size())
            .set_volume_type(ebs.volume_type().cloned())
            .set_throughput(ebs.throughput())
            .set_volume_initialization_rate(ebs.volume_initialization_rate())
            .set_ebs_card_index(ebs.ebs_card_index())
            .build()
    });
    NewMapping::builder()
        .set_device_name(mapping.device_name().map(str::to_owned))
        .set_virtual_name(mapping.virtual_name().map(str::to_owned))
        .set_ebs(ebs)
        .set_no_device(mapping.no_device().map(str::to_owned))
        .build()
}

fn is_missing(item: &Undeleted) -> bool {
    let code = item.response_error().and_then(|error| error.code());
    matches!(
        code,
        Some(
            LaunchTemplateErrorCode::LaunchTemplateIdDoesNotExist
                | LaunchTemplateErrorCode::LaunchTemplateVersionDoesNotExist
        )
    )
}

fn undeleted(operation: &'static str, region: &str, left: &Undeleted) -> CloudError {
    let error = left.response_error();
    let code = error.and_then(|error| error.code()).map(LaunchTemplateErrorCode::as_str);
    CloudError {
        operation,
        region: region.to_owned(),
        code: code.unwrap_or("unexpectedError").to_owned(),
        message: error.and_then(|error| error.message()).unwrap_or("the version was not deleted").to_owned(),
        kind: Kind::WrongState,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;

    use super::*;
    use crate::testing::{described, ec2, form, page};

    const TEMPLATE: &str = "<DescribeLaunchTemplatesResponse><launchTemplates><item><launchTemplateId>lt-1</launchTemplateId>\
        <launchTemplateName>web</launchTemplateName><defaultVersionNumber>3</defaultVersionNumber><latestVersionNumber>4\
        </latestVersionNumber><tagSet><item><key>a</key><value>b</value></item></tagSet></item></launchTemplates>\
        </DescribeLaunchTemplatesResponse>";

    #[tokio::test]
    async fn a_template_is_found_by_id_or_name_or_is_missing() {
        let gone = |code: &str| Canned::ec2_error(400, code);
        let (ec2, replay) = ec2([
            Canned::ok(TEMPLATE),
            Canned::ok(TEMPLATE),
            gone("InvalidLaunchTemplateId.NotFound"),
            gone("InvalidLaunchTemplateName.NotFoundException"),
        ]);
        for named in ["lt-1", "web"] {
            let found = ec2.launch_template("us-east-1", named).await.unwrap().unwrap();
            assert_eq!((found.id.as_str(), found.name.as_str()), ("lt-1", "web"));
            assert_eq!((found.default_version.as_str(), found.tags["a"].as_str()), ("3", "b"));
        }
        for named in ["lt-2", "api"] {
            assert_eq!(ec2.launch_template("us-east-1", named).await.unwrap(), None);
        }
        assert_eq!(form(&replay, 0)["LaunchTemplateId.1"], "lt-1");
        assert_eq!(form(&replay, 1)["LaunchTemplateName.1"], "web");
    }

    const MADE: &str = "<CreateLaunchTemplateVersionResponse><launchTemplateVersion><versionNumber>5</versionNumber>\
        </launchTemplateVersion></CreateLaunchTemplateVersionResponse>";

    fn new_version() -> NewTemplateVersion {
        NewTemplateVersion {
            token: "token-1".to_owned(),
            template: "lt-1".to_owned(),
            source: "3".to_owned(),
            image: "ami-1".to_owned(),
            description: "web/1.0.0/1".to_owned(),
        }
    }

    /// The source version with these block device mappings.
    fn source(mappings: &str) -> Canned {
        Canned::ok(format!(
            "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><versionNumber>3</versionNumber>\
             <launchTemplateData><imageId>ami-0</imageId><blockDeviceMappingSet>{mappings}</blockDeviceMappingSet>\
             </launchTemplateData></item></launchTemplateVersionSet></DescribeLaunchTemplateVersionsResponse>"
        ))
    }

    #[tokio::test]
    async fn a_version_repeats_the_mappings_if_one_has_a_snapshot_except_the_snapshots_of_the_images_own_devices() {
        let mapping = |device: &str, ebs: &str| format!("<item><deviceName>{device}</deviceName>{ebs}</item>");
        let root = mapping("/dev/xvda", "<ebs><snapshotId>snap-old</snapshotId><volumeSize>30</volumeSize></ebs>");
        let data = mapping(
            "/dev/sdf",
            "<ebs><snapshotId>snap-data</snapshotId><volumeType>gp3</volumeType><iops>4000</iops><throughput>200\
             </throughput><encrypted>true</encrypted><kmsKeyId>alias/own</kmsKeyId><deleteOnTermination>false\
             </deleteOnTermination></ebs>",
        );
        let none = mapping("/dev/sdg", "<noDevice></noDevice>");
        let image = || page(&described("ami-1", "2026-01-01T00:00:00.000Z"), "");
        let (ec2, replay) = ec2([source(&[root, data, none].concat()), image(), Canned::ok(MADE)]);
        assert_eq!(ec2.create_version("us-east-1", &new_version()).await.unwrap(), "5");
        assert_eq!(form(&replay, 0)["LaunchTemplateVersion.1"], "3");
        let sent = form(&replay, 2);
        let mut sent: Vec<(&str, &str)> = sent
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix("LaunchTemplateData.BlockDeviceMapping.")?, value.as_str()))
            })
            .collect();
        sent.sort_unstable();
        let expected = [
            ("1.DeviceName", "/dev/xvda"),
            ("1.Ebs.VolumeSize", "30"),
            ("2.DeviceName", "/dev/sdf"),
            ("2.Ebs.DeleteOnTermination", "false"),
            ("2.Ebs.Encrypted", "true"),
            ("2.Ebs.Iops", "4000"),
            ("2.Ebs.KmsKeyId", "alias/own"),
            ("2.Ebs.SnapshotId", "snap-data"),
            ("2.Ebs.Throughput", "200"),
            ("2.Ebs.VolumeType", "gp3"),
            ("3.DeviceName", "/dev/sdg"),
            ("3.NoDevice", ""),
        ];
        assert_eq!(sent, expected);
    }

    #[tokio::test]
    async fn a_version_is_made_with_a_token_becomes_the_default_and_is_deleted() {
        let refused = |code: &str| {
            Canned::ok(format!(
                "<DeleteLaunchTemplateVersionsResponse><unsuccessfullyDeletedLaunchTemplateVersionSet><item>\
                 <responseError><code>{code}</code><message>no</message></responseError></item>\
                 </unsuccessfullyDeletedLaunchTemplateVersionSet></DeleteLaunchTemplateVersionsResponse>"
            ))
        };
        let (ec2, replay) = ec2([
            source("<item><deviceName>/dev/xvda</deviceName><ebs><volumeSize>30</volumeSize></ebs></item>"),
            Canned::ok(MADE),
            Canned::ok("<ModifyLaunchTemplateResponse/>"),
            Canned::ok("<DeleteLaunchTemplateVersionsResponse/>"),
            refused("launchTemplateVersionDoesNotExist"),
            refused("unexpectedError"),
        ]);
        assert_eq!(ec2.create_version("us-east-1", &new_version()).await.unwrap(), "5");
        ec2.set_default_version("us-east-1", "lt-1", "5").await.unwrap();
        ec2.delete_version("us-east-1", "lt-1", "5").await.unwrap();
        ec2.delete_version("us-east-1", "lt-1", "5").await.unwrap();
        assert_eq!(ec2.delete_version("us-east-1", "lt-1", "5").await.unwrap_err().kind, Kind::WrongState);
        let sent = form(&replay, 1);
        for (name, value) in [
            ("ClientToken", "token-1"),
            ("LaunchTemplateId", "lt-1"),
            ("SourceVersion", "3"),
            ("VersionDescription", "web/1.0.0/1"),
            ("LaunchTemplateData.ImageId", "ami-1"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!sent.keys().any(|key| key.contains("BlockDeviceMapping")), "EC2 takes them over: {sent:?}");
        assert_eq!(form(&replay, 2)["SetDefaultVersion"], "5");
        assert_eq!(form(&replay, 3)["LaunchTemplateVersion.1"], "5");
    }

    #[tokio::test]
    async fn the_versions_that_name_an_image_are_found_on_every_page() {
        let page = |number: u32, more: &str| {
            Canned::ok(format!(
                "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet><item><versionNumber>{number}\
                 </versionNumber><versionDescription>one</versionDescription></item></launchTemplateVersionSet>{more}\
                 </DescribeLaunchTemplateVersionsResponse>"
            ))
        };
        let gone = Canned::ec2_error(400, "InvalidLaunchTemplateId.NotFound");
        let (ec2, replay) = ec2([page(5, "<nextToken>more</nextToken>"), page(4, ""), gone]);
        let found = ec2.versions_with("us-east-1", "lt-1", "ami-1").await.unwrap();
        assert_eq!(found.iter().map(|one| one.number.as_str()).collect::<Vec<_>>(), ["5", "4"]);
        assert_eq!(found[0].description, "one");
        assert_eq!(form(&replay, 0)["Filter.1.Value.1"], "ami-1");
        assert!(ec2.versions_with("us-east-1", "lt-1", "ami-1").await.unwrap().is_empty());
    }
}
