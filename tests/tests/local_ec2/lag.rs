//! Describes that lag, as EC2's do after a change: the SDK's waiters know it.

use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_ssm::client::Waiters as _;
use serde_json::json;

use crate::caller::{PATIENCE, code, first_id};
use crate::local::Local;

/// Seconds.
const LAG: f64 = 1.0;

pub(crate) async fn waiters_stand_what_describes_do_not_show_yet(local: &Local) {
    let aws = local.aws("100000000026");
    local.admin("settings", &json!({"describeLag": LAG}));
    let made = aws.launching(local.source()).send().await.unwrap();
    let id = first_id(made.instances());
    assert_eq!(code(aws.ec2.describe_instances().instance_ids(&id).send().await), "InvalidInstanceID.NotFound");
    aws.ec2.wait_until_instance_exists().instance_ids(&id).wait(PATIENCE).await.unwrap();
    aws.ec2.wait_until_instance_running().instance_ids(&id).wait(PATIENCE).await.unwrap();
    aws.online(&id).await;
    let image = aws.ec2.create_image().instance_id(&id).name("image").no_reboot(true).send().await.unwrap();
    let image = image.image_id.unwrap();
    assert_eq!(code(aws.ec2.describe_images().image_ids(&image).send().await), "InvalidAMIID.NotFound");
    aws.ec2.wait_until_image_exists().image_ids(&image).wait(PATIENCE).await.unwrap();
    aws.available(&image).await;
    let command = aws.send(&id, "echo there").await;
    let get = aws.ssm.get_command_invocation().command_id(&command).instance_id(&id);
    assert_eq!(code(get.send().await), "InvocationDoesNotExist");
    let wait = aws.ssm.wait_until_command_executed().command_id(&command).instance_id(&id);
    let ended = wait.wait(PATIENCE).await.unwrap().into_result().unwrap();
    assert_eq!(ended.standard_output_content(), Some("there\n"));
    aws.terminate(&id).await;
    aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
    local.admin("settings", &json!({"describeLag": 0}));
}
