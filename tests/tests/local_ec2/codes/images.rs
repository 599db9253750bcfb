//! Codes of images and snapshots.

use aws_sdk_ec2::operation::copy_image::builders::CopyImageFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, DiskImageFormat, EbsBlockDevice, ExportTaskS3LocationRequest, LaunchPermission,
    LaunchPermissionModifications,
};
use serde_json::json;

use super::Met;
use crate::caller::Aws;
use crate::local::Local;

/// Copies at once into a Region.
const MOST_COPIES: usize = 20;

fn copying(aws: &Aws, source: &str, name: &str) -> CopyImageFluentBuilder {
    aws.ec2.copy_image().source_region(&aws.region).source_image_id(source).name(name)
}

pub(super) async fn meet(met: &mut Met, local: &Local) {
    let aws = local.aws("100000000022");
    let (ec2, source) = (&aws.ec2, local.source());
    let image = copying(&aws, source, "copy").send().await.unwrap().image_id.unwrap();
    aws.available(&image).await;
    met.refused("InvalidAMIName.Duplicate", copying(&aws, source, "copy").send().await);
    met.refused("InvalidAMIName.Malformed", copying(&aws, source, "web:server").send().await);
    met.refused("AuthFailure", ec2.deregister_image().image_id(source).send().await);
    let nobody = LaunchPermission::builder().user_id("1234").build();
    let nobody = LaunchPermissionModifications::builder().add(nobody).build();
    let share = ec2.modify_image_attribute().image_id(&image).launch_permission(nobody);
    met.refused("InvalidAMIAttributeItemValue", share.send().await);
    let snapshot = aws.snapshot_of(&image).await;
    met.refused("InvalidSnapshot.InUse", ec2.delete_snapshot().snapshot_id(&snapshot).send().await);
    met.refused("InvalidSnapshotID.Malformed", ec2.delete_snapshot().snapshot_id("snap-x").send().await);
    ec2.disable_image().image_id(&image).send().await.unwrap();
    met.refused("InvalidAMIID.Unavailable", aws.launching(&image).send().await);
    ec2.deregister_image().image_id(&image).delete_associated_snapshots(true).send().await.unwrap();
    met.refused("InvalidSnapshot.NotFound", ec2.delete_snapshot().snapshot_id(&snapshot).send().await);
    exports(met, local, &aws).await;
    failed_snapshot(met, local, &aws).await;
    too_many_copies(met, local, &aws).await;
}

/// Exports of an image that was bought, and of tasks that do not exist.
async fn exports(met: &mut Met, local: &Local, aws: &Aws) {
    let image = copying(aws, local.source(), "exported").send().await.unwrap().image_id.unwrap();
    aws.available(&image).await;
    let bought = local.set(&json!({"productCodes": {image.as_str(): "4t9example"}}), json!({"productCodes": {}}));
    let place = ExportTaskS3LocationRequest::builder().s3_bucket("images").build();
    let export = aws.ec2.export_image().image_id(&image).disk_image_format(DiskImageFormat::Raw);
    met.refused("NotExportable", export.s3_export_location(place).send().await);
    drop(bought);
    let cancel = |id: &str| aws.ec2.cancel_export_task().export_task_id(id).send();
    met.refused("InvalidExportTaskID.Malformed", cancel("export-i-1").await);
    met.refused("InvalidExportTaskID.NotFound", cancel("export-ami-0123456789abcdef0").await);
    aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
}

/// A snapshot that never became complete cannot be registered.
async fn failed_snapshot(met: &mut Met, local: &Local, aws: &Aws) {
    local.arm(&aws.account, json!([{"when": {"action": "CopyImage"}, "do": "fail-image-kms"}]));
    let failed = copying(aws, local.source(), "failed").send().await.unwrap().image_id.unwrap();
    let root = EbsBlockDevice::builder().snapshot_id(aws.snapshot_of(&failed).await).build();
    let root = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(root).build();
    let register = aws.ec2.register_image().name("registered").root_device_name("/dev/xvda");
    met.refused("IncorrectState", register.block_device_mappings(root).send().await);
    aws.ec2.deregister_image().image_id(failed).delete_associated_snapshots(true).send().await.unwrap();
}

/// Copies that take days, up to the quota and one more.
async fn too_many_copies(met: &mut Met, local: &Local, aws: &Aws) {
    let slow = json!({"delays": {"profile": "realistic", "speedUp": 1e-6}});
    let slow = local.set(&slow, json!({"delays": {"profile": "instant"}}));
    let mut images = Vec::new();
    for number in 0..MOST_COPIES {
        let copy = copying(aws, local.source(), &format!("copy-{number}"));
        images.push(copy.send().await.unwrap().image_id.unwrap());
    }
    met.refused("ResourceLimitExceeded", copying(aws, local.source(), "one-more").send().await);
    drop(slow);
    for image in images {
        aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
    }
}
