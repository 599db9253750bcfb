//! Images: what they keep, where they go, and who may use them.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, ImageAttributeName, LaunchPermission, LaunchPermissionModifications,
    PermissionGroup, ResourceType, SnapshotReturnCodes, SnapshotState, Tag, TagSpecification,
};
use aws_sdk_ec2::{client::Waiters as _, types::ArchitectureValues};

use crate::caller::{Aws, PATIENCE, code};
use crate::local::Local;

/// An image of an instance that wrote `/etc/baked`.
pub(crate) async fn baked(aws: &Aws, source: &str, name: &str) -> String {
    let builder = aws.launch(source).await;
    aws.run(&builder, "echo baked > /etc/baked").await;
    aws.stop(&builder).await;
    let image = aws.image_of(&builder, name).await;
    aws.terminate(&builder).await;
    image
}

/// Whether an instance of an image finds what the builder wrote.
async fn is_baked(aws: &Aws, image: &str) -> bool {
    let id = aws.launch(image).await;
    let found = aws.run(&id, "cat /etc/baked || true").await == "baked\n";
    aws.terminate(&id).await;
    found
}

pub(crate) async fn an_image_keeps_what_its_instance_wrote_and_nothing_else_does(local: &Local) {
    let aws = local.aws("100000000003");
    let builder = aws.launch(local.source()).await;
    let sibling = aws.launch(local.source()).await;
    aws.run(&builder, "echo baked > /etc/baked").await;
    aws.stop(&builder).await;
    let image = aws.image_of(&builder, "golden").await;
    aws.ec2.start_instances().instance_ids(&builder).send().await.unwrap();
    aws.ec2.wait_until_instance_running().instance_ids(&builder).wait(PATIENCE).await.unwrap();
    aws.online(&builder).await;
    aws.run(&builder, "echo later > /etc/later").await;
    let offspring = aws.launch(&image).await;
    let look = "for file in baked later; do [ -e /etc/$file ] && echo $file; done; true";
    assert_eq!(aws.run(&builder, look).await, "baked\nlater\n");
    assert_eq!(aws.run(&offspring, look).await, "baked\n");
    assert_eq!(aws.run(&sibling, look).await, "");
    for id in [builder, sibling, offspring] {
        aws.terminate(&id).await;
    }
    assert!(!is_baked(&aws, local.source()).await);
}

pub(crate) async fn a_copy_in_another_region_stands_alone(local: &Local) {
    let aws = local.aws("100000000004");
    let image = baked(&aws, local.source(), "golden").await;
    let tag = Tag::builder().key("role").value("web").build();
    aws.ec2.create_tags().resources(&image).tags(tag.clone()).send().await.unwrap();
    let there = aws.in_region("us-east-1");
    let copy = there.ec2.copy_image().source_region(&aws.region).source_image_id(&image).name("golden");
    let own = Tag::builder().key("copy").value("yes").build();
    let own = TagSpecification::builder().resource_type(ResourceType::Image).tags(own).build();
    let copy = copy.encrypted(true).copy_image_tags(true).tag_specifications(own).send().await.unwrap();
    let copy = copy.image_id.unwrap();
    there.available(&copy).await;
    let described = there.image(&copy).await;
    assert_eq!(described.tags().len(), 2);
    assert!(described.tags().contains(&tag));
    assert_eq!(described.source_image_id(), Some(image.as_str()));
    assert_eq!(described.source_image_region(), Some(aws.region.as_str()));
    let snapshot = there.snapshot_of(&copy).await;
    there.ec2.wait_until_snapshot_completed().snapshot_ids(&snapshot).wait(PATIENCE).await.unwrap();
    let snapshots = there.ec2.describe_snapshots().snapshot_ids(&snapshot).send().await.unwrap();
    assert_eq!(snapshots.snapshots()[0].encrypted(), Some(true));
    assert_eq!(code(aws.ec2.describe_images().image_ids(&copy).send().await), "InvalidAMIID.NotFound");

    aws.ec2.deregister_image().image_id(&image).delete_associated_snapshots(true).send().await.unwrap();
    assert!(is_baked(&there, &copy).await);
    assert!(!is_baked(&there, &there.source().await).await);
    there.ec2.deregister_image().image_id(&copy).send().await.unwrap();
}

pub(crate) async fn a_shared_image_is_launched_by_its_new_users_only(local: &Local) {
    let aws = local.aws("100000000005");
    let (friend, stranger) = (aws.of("200000000005"), aws.of("300000000005"));
    let image = baked(&aws, local.source(), "shared").await;
    assert_eq!(code(friend.launching(&image).send().await), "InvalidAMIID.NotFound");
    let user = LaunchPermission::builder().user_id(&friend.account).build();
    let organization = LaunchPermission::builder().organization_arn(ORGANIZATION).build();
    let add = LaunchPermissionModifications::builder().add(user.clone()).add(organization.clone()).build();
    aws.ec2.modify_image_attribute().image_id(&image).launch_permission(add).send().await.unwrap();
    let attribute = aws.ec2.describe_image_attribute().attribute(ImageAttributeName::LaunchPermission);
    let permissions = attribute.clone().image_id(&image).send().await.unwrap();
    assert_eq!(permissions.launch_permissions(), [user.clone(), organization]);
    let seen = friend.ec2.describe_images().executable_users("self").send().await.unwrap();
    assert_eq!(seen.images().iter().map(|one| one.image_id().unwrap()).collect::<Vec<_>>(), [&image]);
    assert_eq!(seen.images()[0].owner_id(), Some(aws.account.as_str()));
    assert!(is_baked(&friend, &image).await);
    assert_eq!(code(friend.ec2.deregister_image().image_id(&image).send().await), "AuthFailure");
    assert_eq!(code(stranger.launching(&image).send().await), "InvalidAMIID.NotFound");

    let all = LaunchPermission::builder().group(PermissionGroup::All).build();
    let turn = LaunchPermissionModifications::builder().add(all).remove(user).build();
    aws.ec2.modify_image_attribute().image_id(&image).launch_permission(turn).send().await.unwrap();
    assert_eq!(stranger.image(&image).await.public(), Some(true));
    assert!(is_baked(&stranger, &image).await);
    let reset = aws.ec2.reset_image_attribute().image_id(&image);
    reset.attribute(aws_sdk_ec2::types::ResetImageAttributeName::LaunchPermission).send().await.unwrap();
    assert_eq!(code(friend.ec2.describe_images().image_ids(&image).send().await), "InvalidAMIID.NotFound");
    assert!(attribute.image_id(&image).send().await.unwrap().launch_permissions().is_empty());
    aws.ec2.deregister_image().image_id(&image).delete_associated_snapshots(true).send().await.unwrap();
}

/// An organization that the image is shared with.
const ORGANIZATION: &str = "arn:aws:organizations::100000000005:organization/o-example";

pub(crate) async fn a_deregistered_image_leaves_what_others_need(local: &Local) {
    let aws = local.aws("100000000006");
    let image = baked(&aws, local.source(), "first").await;
    let snapshot = aws.snapshot_of(&image).await;
    assert_eq!(code(aws.ec2.delete_snapshot().snapshot_id(&snapshot).send().await), "InvalidSnapshot.InUse");
    aws.ec2.deregister_image().image_id(&image).send().await.unwrap();
    assert_eq!(code(aws.launching(&image).send().await), "InvalidAMIID.NotFound");
    let root = EbsBlockDevice::builder().snapshot_id(&snapshot).build();
    let root = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(root).build();
    let register = aws.ec2.register_image().architecture(ArchitectureValues::X8664).root_device_name("/dev/xvda");
    let register = register.block_device_mappings(root);
    let second = register.clone().name("second").send().await.unwrap().image_id.unwrap();
    let third = register.name("third").send().await.unwrap().image_id.unwrap();
    assert!(is_baked(&aws, &second).await);
    for (image, expected) in [(second, SnapshotReturnCodes::WarnSkipped), (third, SnapshotReturnCodes::Success)] {
        let found = aws.ec2.describe_snapshots().snapshot_ids(&snapshot).send().await.unwrap();
        assert_eq!(found.snapshots()[0].state(), Some(&SnapshotState::Completed));
        let gone = aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
        let result = &gone.delete_snapshot_results()[0];
        assert_eq!((result.snapshot_id(), result.return_code()), (Some(snapshot.as_str()), Some(&expected)));
    }
    assert_eq!(code(aws.ec2.delete_snapshot().snapshot_id(&snapshot).send().await), "InvalidSnapshot.NotFound");
}
