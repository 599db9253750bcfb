//! Finds out what still uses an image.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{ImageAttributeName, LaunchPermission};
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{ImageUse, ListedTemplate, Result};

use crate::Ec2;
use crate::described_images::still_there;
use crate::machines::NOT_TERMINATED;
use crate::requests::filter;

impl Ec2 {
    /// Returns instances of this account, and other principals that may launch the image.
    pub(crate) async fn uses_of(&self, region: &str, id: &str) -> Result<Vec<ImageUse>> {
        let mut uses = self.instances_of(region, id).await?;
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

    /// Returns all launch templates of this account.
    pub(crate) async fn all_launch_templates(&self, region: &str) -> Result<Vec<ListedTemplate>> {
        const OPERATION: &str = "DescribeLaunchTemplates";
        let mut pages = self.0.client(region).describe_launch_templates().into_paginator().send();
        let mut templates = Vec::new();
        while let Some(page) = pages.next().await {
            for template in page.map_err(failure(OPERATION, region))?.launch_templates() {
                let id = template.launch_template_id().ok_or_else(|| incomplete(OPERATION, region, "template id"))?;
                let latest_version = template.latest_version_number();
                let latest_version = latest_version.ok_or_else(|| incomplete(OPERATION, region, "version number"))?;
                templates.push(ListedTemplate { id: id.to_owned(), latest_version });
            }
        }
        Ok(templates)
    }

    /// Returns the images that all versions of a launch template name. In a search through all templates of a Region,
    /// EC2 only looks at their latest and default versions.
    pub(crate) async fn images_of_versions(&self, region: &str, template: &str) -> Result<BTreeSet<String>> {
        let request = self.0.client(region).describe_launch_template_versions().launch_template_id(template);
        let mut pages = request.into_paginator().send();
        let mut images = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeLaunchTemplateVersions", region));
            // The template may have been deleted since it was listed.
            let Some(page) = known(page)? else { return Ok(BTreeSet::new()) };
            let versions = page.launch_template_versions().iter().filter_map(|one| one.launch_template_data());
            images.extend(versions.filter_map(|data| data.image_id()).map(str::to_owned));
        }
        Ok(images)
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
    use goldsmith_cloud::{ImageUse, Images as _, ListedTemplate};

    use crate::testing::{ec2, form};

    #[tokio::test]
    async fn instances_and_permissions_use_an_image() {
        let instances = "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId></item>\
             </instancesSet></item></reservationSet></DescribeInstancesResponse>";
        let permissions = "<DescribeImageAttributeResponse><launchPermission><item><userId>111122223333</userId></item>\
             <item><group>all</group></item></launchPermission></DescribeImageAttributeResponse>";
        let (ec2, replay) = ec2([instances, permissions].map(Canned::ok));
        let uses = ec2.uses("us-east-1", "ami-1").await.unwrap();
        let expected = [
            ImageUse::Instance("i-1".to_owned()),
            ImageUse::Permission("111122223333".to_owned()),
            ImageUse::Permission("all".to_owned()),
        ];
        assert_eq!(uses, expected);
        assert_eq!(form(&replay, 1)["Attribute"], "launchPermission");
    }

    #[tokio::test]
    async fn every_version_of_a_launch_template_counts() {
        let templates = "<DescribeLaunchTemplatesResponse><launchTemplates><item><launchTemplateId>lt-1</launchTemplateId>\
             <latestVersionNumber>3</latestVersionNumber></item></launchTemplates></DescribeLaunchTemplatesResponse>";
        let version = |data: &str| format!("<item><launchTemplateData>{data}</launchTemplateData></item>");
        let versions = format!(
            "<DescribeLaunchTemplateVersionsResponse><launchTemplateVersionSet>{}{}{}</launchTemplateVersionSet>\
             </DescribeLaunchTemplateVersionsResponse>",
            version("<imageId>ami-1</imageId>"),
            version(""),
            version("<imageId>resolve:ssm:/images/web:2</imageId>")
        );
        let gone = Canned::ec2_error(400, "InvalidLaunchTemplateId.NotFound");
        let (ec2, replay) = ec2([Canned::ok(templates), Canned::ok(versions), gone]);
        let found = ec2.launch_templates("us-east-1").await.unwrap();
        assert_eq!(found, [ListedTemplate { id: "lt-1".to_owned(), latest_version: 3 }]);
        let images = ec2.images_of_template("us-east-1", "lt-1").await.unwrap();
        assert_eq!(images.into_iter().collect::<Vec<_>>(), ["ami-1", "resolve:ssm:/images/web:2"]);
        let sent = form(&replay, 1);
        assert_eq!(sent["LaunchTemplateId"], "lt-1");
        assert!(!sent.contains_key("LaunchTemplateVersion.1"), "every version counts: {sent:?}");
        assert!(ec2.images_of_template("us-east-1", "lt-1").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_image_that_is_gone_is_used_by_nobody_else() {
        let gone = Canned::ec2_error(400, "InvalidAMIID.NotFound");
        let (ec2, _) = ec2([Canned::ok("<DescribeInstancesResponse/>"), gone]);
        assert_eq!(ec2.uses("us-east-1", "ami-1").await.unwrap(), []);
    }
}
