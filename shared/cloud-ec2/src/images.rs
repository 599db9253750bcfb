//! Images and their snapshots.

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::operation::deregister_image::DeregisterImageOutput;
use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types::{
    AttributeValue, Image as SdkImage, ImageState as SdkState, LaunchPermission as SdkPermission,
    LaunchPermissionModifications, PermissionGroup, ResourceType,
};
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{
    CloudError, Image, ImageCopy, ImageState, ImageUse, Images, Kind, LaunchPermission, NewImage, Result, Snapshot,
    Tags,
};

use crate::Ec2;
use crate::requests::{
    block_device_mappings, filter, from_sdk_block_devices, from_sdk_tags, tag_filter, tag_specifications, to_sdk_tags,
    to_time,
};

/// Resources that get an image's tags.
const TAGGED: [ResourceType; 2] = [ResourceType::Image, ResourceType::Snapshot];
/// EC2's error code for an image that was deregistered shortly before.
const JUST_DEREGISTERED: &str = "InvalidAMIID.Unavailable";

#[async_trait]
impl Images for Ec2 {
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>> {
        let request = self.0.client(region).describe_images().image_ids(id);
        Ok(still_there(all(request, region).await)?.unwrap_or_default().into_iter().next())
    }

    async fn newest(&self, region: &str, owners: &[String], name: &str) -> Result<Option<Image>> {
        refuse_anyone(owners, region)?;
        let request = self.0.client(region).describe_images().set_owners(Some(owners.to_vec()));
        let request = request.filters(filter("name", &[name])).filters(filter("state", &["available"]));
        // RFC 3339 in UTC sorts as text. The id makes a tie reproducible.
        let age = |image: &Image| (image.created.clone(), image.id.clone());
        // A filter cannot express that a tag is missing or has one value.
        Ok(all(request, region).await?.into_iter().filter(Image::is_offered).max_by_key(age))
    }

    async fn named(&self, region: &str, name: &str) -> Result<Option<Image>> {
        let request = self.0.client(region).describe_images().owners("self").filters(filter("name", &[name]));
        Ok(all(request, region).await?.into_iter().find(|image| image.name == name))
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>> {
        all(self.0.client(region).describe_images().owners("self").filters(tag_filter(key, value)), region).await
    }

    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>> {
        self.uses_of(region, id).await
    }

    async fn create(&self, region: &str, image: &NewImage) -> Result<String> {
        const OPERATION: &str = "CreateImage";
        let request = self
            .0
            .client(region)
            .create_image()
            .instance_id(&image.instance)
            .name(&image.name)
            .description(&image.description)
            .no_reboot(true)
            .set_block_device_mappings(block_device_mappings(&image.block_devices))
            .set_tag_specifications(tag_specifications(&TAGGED, &image.tags));
        // CreateImage has no token: a second attempt after a lost answer would find the name of the first one taken.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await.map_err(failure(OPERATION, region))?;
        answer.image_id.ok_or_else(|| incomplete(OPERATION, region, "image id"))
    }

    async fn copy(&self, region: &str, copy: &ImageCopy) -> Result<String> {
        const OPERATION: &str = "CopyImage";
        let request = self
            .0
            .client(region)
            .copy_image()
            .client_token(&copy.token)
            .source_region(&copy.source_region)
            .source_image_id(&copy.source_image)
            .name(&copy.name)
            .description(&copy.description)
            .set_encrypted(copy.kms_key_id.as_ref().map(|_| true))
            .set_kms_key_id(copy.kms_key_id.clone())
            .set_tag_specifications(tag_specifications(&TAGGED, &copy.tags));
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        answer.image_id.ok_or_else(|| incomplete(OPERATION, region, "image id"))
    }

    async fn require_imdsv2(&self, region: &str, id: &str) -> Result<()> {
        let v2 = AttributeValue::builder().value("v2.0").build();
        let request = self.0.client(region).modify_image_attribute().image_id(id).imds_support(v2);
        request.send().await.map_err(failure("ModifyImageAttribute", region))?;
        Ok(())
    }

    async fn share(&self, region: &str, id: &str, with: &LaunchPermission) -> Result<()> {
        if with.is_empty() {
            return Ok(());
        }
        let added = LaunchPermissionModifications::builder().set_add(Some(to_sdk_permissions(with))).build();
        let request = self.0.client(region).modify_image_attribute().image_id(id).launch_permission(added);
        request.send().await.map_err(failure("ModifyImageAttribute", region))?;
        Ok(())
    }

    async fn tag(&self, region: &str, ids: &[String], tags: &Tags) -> Result<()> {
        if ids.is_empty() || tags.is_empty() {
            return Ok(());
        }
        let request = self.0.client(region).create_tags().set_resources(Some(ids.to_vec()));
        request.set_tags(Some(to_sdk_tags(tags))).send().await.map_err(failure("CreateTags", region))?;
        Ok(())
    }

    /// Deregisters the image. A snapshot that another image also uses stays.
    async fn deregister(&self, region: &str, id: &str) -> Result<()> {
        let snapshots = self.image(region, id).await?.map(|image| image.snapshots).unwrap_or_default();
        let request = self.0.client(region).deregister_image().image_id(id).delete_associated_snapshots(true);
        let answer = still_there(request.send().await.map_err(failure("DeregisterImage", region)))?;
        // EC2 deletes only the snapshots that it has associated by now, and not every endpoint knows the option. A
        // deleted snapshot has no tags any more, so a role whose permissions depend on them would be denied.
        let gone = |id: &String| {
            let outcomes = answer.iter().flat_map(DeregisterImageOutput::delete_snapshot_results);
            outcomes
                .filter(|one| one.snapshot_id() == Some(id))
                .any(|one| one.return_code().is_some_and(|code| code.as_str() == "success"))
        };
        for snapshot in snapshots.into_iter().filter(|id| !gone(id)) {
            match self.delete_snapshot(region, &snapshot).await {
                Err(error) if error.kind == Kind::WrongState => {}
                result => result?,
            }
        }
        Ok(())
    }

    async fn snapshots_tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Snapshot>> {
        let request = self.0.client(region).describe_snapshots().owner_ids("self").filters(tag_filter(key, value));
        let mut pages = request.into_paginator().send();
        let mut snapshots = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeSnapshots", region))?;
            snapshots.extend(page.snapshots().iter().filter_map(|snapshot| {
                Some(Snapshot {
                    id: snapshot.snapshot_id()?.to_owned(),
                    description: snapshot.description().unwrap_or_default().to_owned(),
                    started: snapshot.start_time().and_then(to_time),
                    tags: from_sdk_tags(snapshot.tags()),
                })
            }));
        }
        Ok(snapshots)
    }

    async fn delete_snapshot(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).delete_snapshot().snapshot_id(id).send().await;
        known(answer.map_err(failure("DeleteSnapshot", region)))?;
        Ok(())
    }
}

async fn all(request: DescribeImagesFluentBuilder, region: &str) -> Result<Vec<Image>> {
    let mut pages = request.into_paginator().send();
    let mut images = Vec::new();
    while let Some(page) = pages.next().await {
        images.extend(page.map_err(failure("DescribeImages", region))?.images().iter().filter_map(to_image));
    }
    Ok(images)
}

/// Returns `None` if the image is unknown or was deregistered shortly before.
pub(crate) fn still_there<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.code == JUST_DEREGISTERED => Ok(None),
        other => known(other),
    }
}

/// Rejects a search without owners. EC2 would search all public images then, and anyone can publish an image under any
/// name.
fn refuse_anyone(owners: &[String], region: &str) -> Result<()> {
    if !owners.is_empty() && owners.iter().all(|owner| !owner.is_empty() && owner != "*") {
        return Ok(());
    }
    Err(CloudError {
        operation: "DescribeImages",
        region: region.to_owned(),
        code: "MissingOwners".to_owned(),
        message: "an image is searched for by name only among named owners".to_owned(),
        kind: Kind::Invalid,
        source: None,
    })
}

fn to_sdk_permissions(with: &LaunchPermission) -> Vec<SdkPermission> {
    let new = SdkPermission::builder;
    let users = with.users.iter().map(|id| new().user_id(id).build());
    let groups = with.groups.iter().map(|group| new().group(PermissionGroup::from(group.as_str())).build());
    let organizations = with.organizations.iter().map(|arn| new().organization_arn(arn).build());
    let units = with.organizational_units.iter().map(|arn| new().organizational_unit_arn(arn).build());
    users.chain(groups).chain(organizations).chain(units).collect()
}

/// Converts an image. Returns `None` if EC2 leaves out the id, which it never does.
fn to_image(image: &SdkImage) -> Option<Image> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let ebs = image.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
    Some(Image {
        id: image.image_id()?.to_owned(),
        name: text(image.name()),
        state: to_state(image.state()),
        state_reason: text(image.state_reason().and_then(|reason| reason.message())),
        owner: text(image.owner_id()),
        owner_alias: image.image_owner_alias().map(str::to_owned),
        created: text(image.creation_date()),
        architecture: text(image.architecture().map(|architecture| architecture.as_str())),
        root_device: text(image.root_device_name()),
        block_devices: from_sdk_block_devices(image.block_device_mappings()),
        snapshots: ebs.filter_map(|ebs| ebs.snapshot_id().map(str::to_owned)).collect(),
        source_instance: image.source_instance_id().map(str::to_owned),
        source_image: image.source_image_id().map(str::to_owned),
        tags: from_sdk_tags(image.tags()),
    })
}

fn to_state(state: Option<&SdkState>) -> ImageState {
    match state {
        Some(SdkState::Available) => ImageState::Available,
        Some(SdkState::Failed | SdkState::Error | SdkState::Invalid | SdkState::Deregistered | SdkState::Disabled) => {
            ImageState::Failed
        }
        // This is `transient`, or a state newer than this SDK: not decided yet.
        _ => ImageState::Pending,
    }
}
