//! What still uses an image.

#[cfg(test)]
mod tests;

use aws_sdk_ec2::types::{ImageAttributeName, LaunchPermission};
use goldsmith_cloud::aws::failure;
use goldsmith_cloud::{ImageUse, Result};

use crate::Ec2;
use crate::images::still_there;
use crate::machines::NOT_TERMINATED;
use crate::requests::filter;

impl Ec2 {
    /// Returns instances of this account, launch templates, and other principals that may launch the image.
    pub(crate) async fn uses_of(&self, region: &str, id: &str) -> Result<Vec<ImageUse>> {
        let mut uses = self.instances_of(region, id).await?;
        uses.extend(self.templates_of(region, id).await?);
        uses.extend(self.permissions_of(region, id).await?);
        Ok(uses)
    }

    async fn instances_of(&self, region: &str, image: &str) -> Result<Vec<ImageUse>> {
        let request = self.0.client(region).describe_instances().filters(filter("image-id", &[image]));
        let mut pages = request.filters(filter("instance-state-name", &NOT_TERMINATED)).into_paginator().send();
        let mut uses = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeInstances", region))?;
            let found = page.reservations().iter().flat_map(|reservation| reservation.instances());
            uses.extend(found.filter_map(|instance| Some(ImageUse::Instance(instance.instance_id()?.to_owned()))));
        }
        Ok(uses)
    }

    /// Returns templates whose latest or default version names the image. An Auto Scaling group or a person uses
    /// another version only by naming its number.
    async fn templates_of(&self, region: &str, image: &str) -> Result<Vec<ImageUse>> {
        let request = self.0.client(region).describe_launch_template_versions();
        let request = request.versions("$Latest").versions("$Default").filters(filter("image-id", &[image]));
        let mut pages = request.into_paginator().send();
        let mut uses = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeLaunchTemplateVersions", region))?;
            let ids = page.launch_template_versions().iter().filter_map(|version| version.launch_template_id());
            uses.extend(ids.map(|id| ImageUse::LaunchTemplate(id.to_owned())));
        }
        uses.sort();
        uses.dedup();
        Ok(uses)
    }

    async fn permissions_of(&self, region: &str, image: &str) -> Result<Vec<ImageUse>> {
        let request = self.0.client(region).describe_image_attribute().image_id(image);
        let answer = request.attribute(ImageAttributeName::LaunchPermission).send().await;
        let answer = still_there(answer.map_err(failure("DescribeImageAttribute", region)))?;
        let permissions = answer.map(|answer| answer.launch_permissions.unwrap_or_default()).unwrap_or_default();
        Ok(permissions.iter().filter_map(whose).map(ImageUse::Permission).collect())
    }
}

fn whose(permission: &LaunchPermission) -> Option<String> {
    let group = permission.group().map(|group| group.as_str());
    let names = [permission.user_id(), group, permission.organization_arn(), permission.organizational_unit_arn()];
    names.into_iter().flatten().next().map(str::to_owned)
}
