//! What EC2 is asked of an image's use, and what it says.

use goldsmith_cloud::aws::replay::Canned;
use goldsmith_cloud::{ImageUse, Images as _};

use crate::requests::tests::{ec2, form};

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
