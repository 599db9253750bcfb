//! Describes that lag, as EC2's do after a change: the SDK's waiters know it.

use std::time::{Duration, Instant};

use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ssm::client::Waiters as _;
use serde_json::json;

use crate::caller::{PATIENCE, code, first_id};
use crate::local::Local;

/// How old answers are: what was made longer ago may be in one already, however fast this machine is.
const LAG: Duration = Duration::from_secs(1);

/// The answer of a describe does not show what was made after `began`, unless the lag is over.
#[track_caller]
fn unseen<T, E: ProvideErrorMetadata>(answer: Result<T, E>, began: Instant, missing: &str) {
    match answer {
        Ok(_) => assert!(began.elapsed() >= LAG, "it is there after {:?}", began.elapsed()),
        refused => assert_eq!(code(refused), missing),
    }
}

pub(crate) async fn waiters_stand_what_describes_do_not_show_yet(local: &Local) {
    let aws = local.aws("100000000026");
    let _lagging = local.set(&json!({"describeLag": LAG.as_secs_f64()}), json!({"describeLag": 0}));
    let began = Instant::now();
    let made = aws.launching(local.source()).send().await.unwrap();
    let id = first_id(made.instances());
    unseen(aws.ec2.describe_instances().instance_ids(&id).send().await, began, "InvalidInstanceID.NotFound");
    aws.ec2.wait_until_instance_exists().instance_ids(&id).wait(PATIENCE).await.unwrap();
    aws.ec2.wait_until_instance_running().instance_ids(&id).wait(PATIENCE).await.unwrap();
    aws.online(&id).await;
    let began = Instant::now();
    let image = aws.ec2.create_image().instance_id(&id).name("image").no_reboot(true).send().await.unwrap();
    let image = image.image_id.unwrap();
    unseen(aws.ec2.describe_images().image_ids(&image).send().await, began, "InvalidAMIID.NotFound");
    aws.ec2.wait_until_image_exists().image_ids(&image).wait(PATIENCE).await.unwrap();
    aws.available(&image).await;
    let began = Instant::now();
    let command = aws.send(&id, "echo there").await;
    let listed = aws.ssm.list_command_invocations().instance_id(&id).send().await.unwrap();
    assert!(listed.command_invocations().is_empty() || began.elapsed() >= LAG, "{listed:?}");
    let get = aws.ssm.get_command_invocation().command_id(&command).instance_id(&id);
    unseen(get.send().await, began, "InvocationDoesNotExist");
    let wait = aws.ssm.wait_until_command_executed().command_id(&command).instance_id(&id);
    let ended = wait.wait(PATIENCE).await.unwrap().into_result().unwrap();
    assert_eq!(ended.standard_output_content(), Some("there\n"));
    aws.terminate(&id).await;
    aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
}
