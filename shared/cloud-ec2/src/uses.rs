//! What still uses an image.

use aws_sdk_ec2::types::{ImageAttributeName, LaunchPermission};
use goldsmith_cloud::aws::{failure, known};
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

    /// Returns templates of which any version names the image. An Auto Scaling group may name a version by its number,
    /// so that it is neither the latest nor the default one.
    async fn templates_of(&self, region: &str, image: &str) -> Result<Vec<ImageUse>> {
        let mut pages = self.0.client(region).describe_launch_templates().into_paginator().send();
        let mut uses = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeLaunchTemplates", region))?;
            for id in page.launch_templates().iter().filter_map(|template| template.launch_template_id()) {
                // EC2 searches all templates of a Region at once only in their latest and default versions.
                if self.names(region, id, image).await? {
                    uses.push(ImageUse::LaunchTemplate(id.to_owned()));
                }
            }
        }
        Ok(uses)
    }

    /// Returns whether any version of a launch template names the image.
    async fn names(&self, region: &str, template: &str, image: &str) -> Result<bool> {
        let request = self.0.client(region).describe_launch_template_versions().launch_template_id(template);
        let mut pages = request.filters(filter("image-id", &[image])).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeLaunchTemplateVersions", region));
            // The template may have been deleted since it was listed.
            let Some(page) = known(page)? else { return Ok(false) };
            if !page.launch_template_versions().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
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
        let template = |id: &str| format!("<item><launchTemplateId>{id}</launchTemplateId></item>");
        let templates = format!(
            "<DescribeLaunchTemplatesResponse><launchTemplates>{}{}</launchTemplates></DescribeLaunchTemplatesResponse>",
            template("lt-1"),
            template("lt-2")
        );
        let versions = format!(
            "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet>{}</launchTemplateVersionSet>\
             </DescribeLaunchTemplateVersionsResponse>",
            template("lt-1")
        );
        let none = "<DescribeLaunchTemplateVersionsResponse/>";
        let permissions = "<DescribeImageAttributeResponse><launchPermission><item><userId>111122223333</userId></item>\
             <item><group>all</group></item></launchPermission></DescribeImageAttributeResponse>";
        let answers = [instances, &templates, &versions, none, permissions];
        let (ec2, replay) = ec2(answers.map(Canned::ok));
        let uses = ec2.uses("us-east-1", "ami-1").await.unwrap();
        let expected = [
            ImageUse::Instance("i-1".to_owned()),
            ImageUse::LaunchTemplate("lt-1".to_owned()),
            ImageUse::Permission("111122223333".to_owned()),
            ImageUse::Permission("all".to_owned()),
        ];
        assert_eq!(uses, expected);
        let sent = form(&replay, 2);
        assert!(!sent.contains_key("LaunchTemplateVersion.1"), "every version counts: {sent:?}");
        for (name, value) in [
            ("Action", "DescribeLaunchTemplateVersions"),
            ("LaunchTemplateId", "lt-1"),
            ("Filter.1.Name", "image-id"),
            ("Filter.1.Value.1", "ami-1"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(form(&replay, 4)["Attribute"], "launchPermission");
    }

    #[tokio::test]
    async fn an_image_that_is_gone_is_used_by_nobody_else() {
        let none = "<DescribeInstancesResponse/>";
        let templates = "<DescribeLaunchTemplatesResponse/>";
        let gone = Canned::ec2_error(400, "InvalidAMIID.NotFound");
        let (ec2, _) = ec2([Canned::ok(none), Canned::ok(templates), gone]);
        assert_eq!(ec2.uses("us-east-1", "ami-1").await.unwrap(), []);
    }
}
