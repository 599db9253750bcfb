//! What is switched on and off about images, snapshots and instances.

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat as Format};
use aws_sdk_ec2::types::{
    AttributeValue, CreateVolumePermission, CreateVolumePermissionModifications, HttpTokensState, ImageState,
    ImdsSupportValues, InstanceAttributeName, SnapshotAttributeName,
};

use crate::caller::{Aws, code, first_id};
use crate::local::Local;

/// A copy of the source image, and its snapshot.
async fn copied(aws: &Aws, source: &str) -> (String, String) {
    let copy = aws.ec2.copy_image().source_region(&aws.region).source_image_id(source).name("copy");
    let image = copy.send().await.unwrap().image_id.unwrap();
    aws.available(&image).await;
    let snapshot = aws.snapshot_of(&image).await;
    (image, snapshot)
}

pub(crate) async fn an_image_is_switched_off_and_on(local: &Local) {
    let aws = local.aws("100000000027");
    let ec2 = &aws.ec2;
    let (image, _) = copied(&aws, local.source()).await;
    ec2.disable_image().image_id(&image).send().await.unwrap();
    let listed = ec2.describe_images().owners("self");
    assert!(listed.clone().send().await.unwrap().images().is_empty());
    let disabled = listed.include_disabled(true).send().await.unwrap();
    assert_eq!(disabled.images()[0].state(), Some(&ImageState::Disabled));
    ec2.enable_image().image_id(&image).send().await.unwrap();

    // EC2 rounds to the minute, and accepts at most ten years from now.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let [in_a_year, too_late] = [1, 11].map(|years| DateTime::from_secs((now + years * 365 * 24 * 3_600) / 60 * 60));
    let deprecate = ec2.enable_image_deprecation().image_id(&image);
    assert_eq!(code(deprecate.clone().deprecate_at(too_late).send().await), "InvalidParameterValue");
    deprecate.deprecate_at(in_a_year).send().await.unwrap();
    let time =
        aws.image(&image).await.deprecation_time().map(|time| DateTime::from_str(time, Format::DateTime).unwrap());
    assert_eq!(time, Some(in_a_year));
    ec2.disable_image_deprecation().image_id(&image).send().await.unwrap();
    assert_eq!(aws.image(&image).await.deprecation_time(), None);

    ec2.enable_image_deregistration_protection().image_id(&image).send().await.unwrap();
    let deregister = ec2.deregister_image().image_id(&image).delete_associated_snapshots(true);
    assert_eq!(code(deregister.clone().send().await), "OperationNotPermitted");
    ec2.disable_image_deregistration_protection().image_id(&image).send().await.unwrap();

    let version = AttributeValue::builder().value("v2.0").build();
    ec2.modify_image_attribute().image_id(&image).imds_support(version).send().await.unwrap();
    assert_eq!(aws.image(&image).await.imds_support(), Some(&ImdsSupportValues::V20));
    let id = first_id(aws.launching(&image).send().await.unwrap().instances());
    let tokens = async || aws.instance(&id).await.metadata_options.unwrap().http_tokens;
    assert_eq!(tokens().await, Some(HttpTokensState::Required));
    let modify = ec2.modify_instance_metadata_options().instance_id(&id);
    modify.http_tokens(HttpTokensState::Optional).send().await.unwrap();
    assert_eq!(tokens().await, Some(HttpTokensState::Optional));
    let kind = ec2.describe_instance_attribute().instance_id(&id).attribute(InstanceAttributeName::InstanceType);
    let kind = kind.send().await.unwrap().instance_type.unwrap();
    assert_eq!(kind.value(), Some("t3.small"));
    aws.terminate(&id).await;
    deregister.send().await.unwrap();
}

pub(crate) async fn a_snapshot_is_shared(local: &Local) {
    let aws = local.aws("100000000028");
    let friend = aws.of("200000000028");
    let (image, snapshot) = copied(&aws, local.source()).await;
    let look = friend.ec2.describe_snapshots().snapshot_ids(&snapshot);
    assert_eq!(code(look.clone().send().await), "InvalidSnapshot.NotFound");
    let user = CreateVolumePermission::builder().user_id(&friend.account).build();
    let add = CreateVolumePermissionModifications::builder().add(user.clone()).build();
    let modify = aws.ec2.modify_snapshot_attribute().snapshot_id(&snapshot);
    modify.create_volume_permission(add).send().await.unwrap();
    let describe = aws.ec2.describe_snapshot_attribute().snapshot_id(&snapshot);
    let shown = describe.attribute(SnapshotAttributeName::CreateVolumePermission).send().await.unwrap();
    assert_eq!(shown.create_volume_permissions(), [user]);
    assert_eq!(look.clone().send().await.unwrap().snapshots()[0].owner_id(), Some(aws.account.as_str()));
    let delete = friend.ec2.delete_snapshot().snapshot_id(&snapshot);
    assert_eq!(code(delete.send().await), "InvalidSnapshot.NotFound");
    let reset = aws.ec2.reset_snapshot_attribute().snapshot_id(&snapshot);
    reset.attribute(SnapshotAttributeName::CreateVolumePermission).send().await.unwrap();
    assert_eq!(code(look.send().await), "InvalidSnapshot.NotFound");
    aws.ec2.deregister_image().image_id(image).send().await.unwrap();
    aws.ec2.delete_snapshot().snapshot_id(snapshot).send().await.unwrap();
}
