//! What still uses an image.

use aws_sdk_ec2::types::{ImageAttributeName, LaunchPermission};
use goldsmith_cloud::aws::failure;
use goldsmith_cloud::{ImageUse, Result};

use crate::Ec2;
use crate::described_images::still_there;
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
        // EC2 searches all templates of a Region only in these two versions.
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

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;
    use goldsmith_cloud::{ImageUse, Images as _};

    use crate::testing::{ec2, form};

    #[tokio::test]
    async fn instances_launch_templates_and_permissions_use_an_image() {
        let instances = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId></item>\
             </instancesSet></item></reservationSet></DescribeInstancesResponse>";
        let version = "<item><launchTemplateId>lt-1</launchTemplateId></item>";
        let templates = format!(
            "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet>{version}{version}</launchTemplateVersionSet>\
             </DescribeLaunchTemplateVersionsResponse>"
        );
        let permissions = "<DescribeImageAttributeResponse><launchPermission><item><userId>111122223333</userId></item>\
             <item><group>all</group></item></launchPermission></DescribeImageAttributeResponse>";
        let (ec2, replay) = ec2([Canned::ok(instances), Canned::ok(&templates), Canned::ok(permissions)]);
        let uses = ec2.uses("us-east-1", "ami-1").await.unwrap();
        let expected = [
            ImageUse::Instance("i-1".to_owned()),
            ImageUse::LaunchTemplate("lt-1".to_owned()),
            ImageUse::Permission("111122223333".to_owned()),
            ImageUse::Permission("all".to_owned()),
        ];
        assert_eq!(uses, expected);
        let sent = form(&replay, 1);
        for (name, value) in [
            ("Action", "DescribeLaunchTemplateVersions"),
            ("LaunchTemplateVersion.1", "$Latest"),
            ("LaunchTemplateVersion.2", "$Default"),
            ("Filter.1.Name", "image-id"),
            ("Filter.1.Value.1", "ami-1"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(form(&replay, 2)["Attribute"], "launchPermission");
    }

    #[tokio::test]
    async fn an_image_that_is_gone_is_used_by_nobody_else() {
        let none = "<DescribeInstancesResponse/>";
        let templates = "<DescribeLaunchTemplateVersionsResponse/>";
        let gone = Canned::ec2_error(400, "InvalidAMIID.NotFound");
        let (ec2, _) = ec2([Canned::ok(none), Canned::ok(templates), gone]);
        assert_eq!(ec2.uses("us-east-1", "ami-1").await.unwrap(), []);
    }
}
