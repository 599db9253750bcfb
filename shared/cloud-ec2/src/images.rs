//! Images and their snapshots.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::operation::deregister_image::DeregisterImageOutput;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat as Format};
use aws_sdk_ec2::types::{
    AttributeValue, BootModeOverrideValues, LaunchPermission as SdkPermission, LaunchPermissionModifications,
    OperationType, PermissionGroup, ResourceType, SnapshotAttributeName,
};
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{
    Image, ImageCopy, ImageUse, Images, Kind, LaunchPermission, ListedTemplate, NewImage, Result, Snapshot, Tags,
};

use crate::Ec2;
use crate::described_images::{all, refuse_anyone, still_there};
use crate::requests::{
    block_device_mappings, filter, from_sdk_tags, tag_filter, tag_specifications, to_sdk_tags, to_time,
};

/// Resources that get an image's tags.
const TAGGED: [ResourceType; 2] = [ResourceType::Image, ResourceType::Snapshot];
#[async_trait]
impl Images for Ec2 {
    async fn image(&self, region: &str, id: &str) -> Result<Option<Image>> {
        let request = self.0.client(region).describe_images().image_ids(id).include_disabled(true);
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
        // The name of a disabled image is taken, too.
        let request = self.0.client(region).describe_images().owners("self").include_disabled(true);
        let request = request.filters(filter("name", &[name]));
        Ok(all(request, region).await?.into_iter().find(|image| image.name == name))
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Image>> {
        let request = self.0.client(region).describe_images().owners("self").include_disabled(true);
        all(request.filters(tag_filter(key, value)), region).await
    }

    async fn uses(&self, region: &str, id: &str) -> Result<Vec<ImageUse>> {
        self.uses_of(region, id).await
    }

    async fn launch_templates(&self, region: &str) -> Result<Vec<ListedTemplate>> {
        self.all_launch_templates(region).await
    }

    async fn images_of_template(&self, region: &str, id: &str) -> Result<BTreeSet<String>> {
        self.images_of_versions(region, id).await
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
            .set_boot_mode_override(image.uefi_only.then_some(BootModeOverrideValues::Uefi))
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

    async fn share_snapshots(&self, region: &str, ids: &[String], with: &LaunchPermission) -> Result<()> {
        for id in ids {
            let request = self.0.client(region).modify_snapshot_attribute().snapshot_id(id);
            let request = request.attribute(SnapshotAttributeName::CreateVolumePermission);
            let request = request.operation_type(OperationType::Add).set_user_ids(Some(with.users.clone()));
            let request = request.set_group_names(Some(with.groups.clone()));
            request.send().await.map_err(failure("ModifySnapshotAttribute", region))?;
        }
        Ok(())
    }

    async fn unshare(&self, region: &str, id: &str, users: &[String]) -> Result<()> {
        let with = LaunchPermission { users: users.to_vec(), ..LaunchPermission::default() };
        if with.is_empty() {
            return Ok(());
        }
        let removed = LaunchPermissionModifications::builder().set_remove(Some(to_sdk_permissions(&with))).build();
        let request = self.0.client(region).modify_image_attribute().image_id(id).launch_permission(removed);
        request.send().await.map_err(failure("ModifyImageAttribute", region))?;
        Ok(())
    }

    async fn unshare_snapshots(&self, region: &str, ids: &[String], users: &[String]) -> Result<()> {
        for id in ids.iter().filter(|_| !users.is_empty()) {
            let request = self.0.client(region).modify_snapshot_attribute().snapshot_id(id);
            let request = request.attribute(SnapshotAttributeName::CreateVolumePermission);
            let request = request.operation_type(OperationType::Remove).set_user_ids(Some(users.to_vec()));
            request.send().await.map_err(failure("ModifySnapshotAttribute", region))?;
        }
        Ok(())
    }

    async fn deprecate(&self, region: &str, id: &str, at: &str) -> Result<()> {
        const OPERATION: &str = "EnableImageDeprecation";
        let time = DateTime::from_str(at, Format::DateTime).map_err(|_| incomplete(OPERATION, region, "time"))?;
        let request = self.0.client(region).enable_image_deprecation().image_id(id).deprecate_at(time);
        request.send().await.map_err(failure(OPERATION, region))?;
        Ok(())
    }

    async fn protect(&self, region: &str, id: &str, cooldown: bool) -> Result<()> {
        let request = self.0.client(region).enable_image_deregistration_protection().image_id(id);
        let answer = request.with_cooldown(cooldown).send().await;
        answer.map_err(failure("EnableImageDeregistrationProtection", region))?;
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

    /// Deregisters the image. A snapshot stays if another image also uses it.
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

fn to_sdk_permissions(with: &LaunchPermission) -> Vec<SdkPermission> {
    let new = SdkPermission::builder;
    let users = with.users.iter().map(|id| new().user_id(id).build());
    let groups = with.groups.iter().map(|group| new().group(PermissionGroup::from(group.as_str())).build());
    let organizations = with.organizations.iter().map(|arn| new().organization_arn(arn).build());
    let units = with.organizational_units.iter().map(|arn| new().organizational_unit_arn(arn).build());
    users.chain(groups).chain(organizations).chain(units).collect()
}

#[cfg(test)]
mod tests;
