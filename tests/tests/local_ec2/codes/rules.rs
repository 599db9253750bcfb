//! Codes of what EC2 refuses about volumes, networks, encryption and other accounts' images.

use aws_sdk_ec2::types::{LaunchPermission, LaunchPermissionModifications, PermissionGroup};
use serde_json::json;

use super::Met;
use crate::caller::{Aws, first_id};
use crate::local::Local;

const FRIEND: &str = "111122223333";

pub(super) async fn meet(met: &mut Met, local: &Local) {
    let aws = local.aws("100000000026");
    volumes(met, local, &aws).await;
    sharing(met, local, &aws).await;
    networks(met, local, &local.aws("100000000027")).await;
}

async fn volumes(met: &mut Met, local: &Local, aws: &Aws) {
    let made = aws.launching(local.source()).send().await.unwrap();
    let all = aws.ec2.describe_volumes().send().await.unwrap();
    let volume = all.volumes()[0].volume_id().unwrap();
    met.refused("VolumeInUse", aws.ec2.delete_volume().volume_id(volume).send().await);
    aws.terminate(&first_id(made.instances())).await;
}

async fn sharing(met: &mut Met, local: &Local, aws: &Aws) {
    let copy = |name: &str| aws.ec2.copy_image().source_region(&aws.region).source_image_id(local.source()).name(name);
    let let_in = |image: &str, whom: LaunchPermission| {
        let whom = LaunchPermissionModifications::builder().add(whom).build();
        aws.ec2.modify_image_attribute().image_id(image).launch_permission(whom).send()
    };
    let friend = || LaunchPermission::builder().user_id(FRIEND).build();
    let plain = copy("plain").send().await.unwrap().image_id.unwrap();
    let encrypted = copy("encrypted").encrypted(true).send().await.unwrap().image_id.unwrap();
    aws.available(&plain).await;
    met.refused("InvalidParameter", let_in(&encrypted, friend()).await);
    let everybody = LaunchPermission::builder().group(PermissionGroup::All).build();
    met.refused("UnsupportedOperation", let_in(&encrypted, everybody).await);
    let_in(&plain, friend()).await.unwrap();
    let theirs = aws.of(FRIEND).ec2.copy_image().source_region(&aws.region).source_image_id(&plain).name("theirs");
    met.refused("InvalidRequest", theirs.send().await);
    for image in [plain, encrypted] {
        aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
    }
}

/// An account of its own: it has no default VPC afterwards.
async fn networks(met: &mut Met, local: &Local, aws: &Aws) {
    let gone = json!({"region": aws.region, "account": aws.account, "defaultVpc": false});
    local.post("resources", &gone).unwrap();
    met.refused("VPCIdNotSpecified", aws.launching(local.source()).send().await);
}
