//! Faults on demand, and what the SDK makes of them.

use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_ec2::types::{ImageState, InstanceType};
use aws_sdk_ssm::types::CommandInvocationStatus;
use serde_json::json;

use crate::caller::{Aws, PATIENCE, code, first_id};
use crate::local::Local;

/// How many instances there are in the account.
async fn instances(aws: &Aws) -> usize {
    let found = aws.ec2.describe_instances().send().await.unwrap();
    found.reservations().iter().map(|one| one.instances().len()).sum()
}

pub(crate) async fn the_sdk_tries_again_when_throttled_or_failed(local: &Local) {
    let aws = local.aws("100000000016");
    let once = aws.without_retries();
    let arm = |action: &str, act: &str| {
        local.arm(&aws.account, json!([{"when": {"action": action, "times": 2}, "do": act}]));
    };
    for (act, expected) in [("throttle", "RequestLimitExceeded"), ("fail", "InternalError")] {
        arm("DescribeVpcs", act);
        assert_eq!(code(once.ec2.describe_vpcs().send().await), expected);
        assert_eq!(code(once.ec2.describe_vpcs().send().await), expected);
        once.ec2.describe_vpcs().send().await.unwrap();
        arm("DescribeVpcs", act);
        aws.ec2.describe_vpcs().send().await.unwrap();
    }
    for (act, expected) in [("throttle", "ThrottlingException"), ("fail", "InternalError")] {
        arm("ListCommands", act);
        assert_eq!(code(once.ssm.list_commands().send().await), expected);
        assert_eq!(code(once.ssm.list_commands().send().await), expected);
        arm("ListCommands", act);
        aws.ssm.list_commands().send().await.unwrap();
    }
    arm("RunInstances", "throttle");
    let made = aws.launching(local.source()).send().await.unwrap();
    assert_eq!(instances(&aws).await, 1);
    aws.terminate(&first_id(made.instances())).await;
}

pub(crate) async fn a_lost_connection_makes_one_instance(local: &Local) {
    let aws = local.aws("100000000017");
    for (number, act) in ["cut", "drop-answer"].into_iter().enumerate() {
        local.arm(&aws.account, json!([{"when": {"action": "RunInstances", "times": 2}, "do": act}]));
        let made = aws.launching(local.source()).send().await.unwrap();
        assert_eq!(instances(&aws).await, number + 1, "{act}");
        aws.terminate(&first_id(made.instances())).await;
    }
    // Who does not try again does not know what there is.
    local.arm(&aws.account, json!([{"when": {"action": "RunInstances"}, "do": "drop-answer"}]));
    let launch = aws.without_retries().launching(local.source()).client_token("mine");
    let lost = launch.clone().send().await.unwrap_err();
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    let made = launch.send().await.unwrap();
    assert_eq!(instances(&aws).await, 3);
    aws.terminate(&first_id(made.instances())).await;
}

pub(crate) async fn capacity_lacks_for_one_type(local: &Local) {
    const LACKS: &str = "InsufficientInstanceCapacity";
    let aws = local.aws("100000000018");
    let when = json!({"action": "RunInstances", "instanceType": "t3.small", "probability": 1, "times": 4});
    local.arm(&aws.account, json!([{"when": when, "do": "capacity"}]));
    // Three times: it is a 500, which the SDK takes for passing.
    let refused = aws.launching(local.source()).send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 500);
    assert_eq!(code::<(), _>(Err(refused)), LACKS);
    let large = aws.launching(local.source()).instance_type(InstanceType::T3Large).send().await.unwrap();
    assert_eq!(code(aws.without_retries().launching(local.source()).send().await), LACKS);
    let small = aws.launching(local.source()).send().await.unwrap();
    for made in [large, small] {
        aws.terminate(&first_id(made.instances())).await;
    }
}

pub(crate) async fn an_image_fails_for_its_reason(local: &Local) {
    let aws = local.aws("100000000019");
    local.arm(&aws.account, json!([{"when": {"action": "CopyImage"}, "do": "fail-image-kms"}]));
    let copy = aws.ec2.copy_image().source_region(&aws.region).source_image_id(local.source()).name("copy");
    let image = copy.send().await.unwrap().image_id.unwrap();
    let waited = aws.ec2.wait_until_image_available().image_ids(&image).wait(PATIENCE).await;
    assert!(waited.is_err(), "the waiter takes a failed image for an available one");
    let failed = aws.image(&image).await;
    assert_eq!(failed.state(), Some(&ImageState::Failed));
    assert_eq!(failed.state_reason().unwrap().code(), Some("Client.InvalidKMSKey"));
    assert_eq!(code(aws.launching(&image).send().await), "InvalidAMIID.Unavailable");
    aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
}

pub(crate) async fn a_command_is_not_delivered(local: &Local) {
    let aws = local.aws("100000000020");
    local.arm(
        &aws.account,
        json!([
            {"when": {"action": "RunInstances"}, "do": "no-agent"},
            {"when": {"action": "SendCommand"}, "do": "undeliverable"},
            {"when": {"action": "SendCommand", "nth": 2}, "do": "delivery-timed-out"},
        ]),
    );
    let silent = aws.launching(local.source()).send().await.unwrap();
    let silent = first_id(silent.instances());
    let id = aws.launch(local.source()).await;
    for expected in ["Undeliverable", "DeliveryTimedOut"] {
        let ended = aws.ended(&aws.send(&id, "true").await, &id).await;
        assert_eq!(ended.status_details(), Some(expected));
        assert_ne!(ended.status(), Some(&CommandInvocationStatus::Success));
    }
    assert_eq!(aws.run(&id, "echo there").await, "there\n");
    aws.ec2.wait_until_instance_running().instance_ids(&silent).wait(PATIENCE).await.unwrap();
    assert_eq!(code(aws.sending(&silent, "true", 60).send().await), "InvalidInstanceId");
    aws.terminate(&silent).await;
    aws.terminate(&id).await;
}
