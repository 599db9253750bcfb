//! What an instance goes through, from its launch to its end.

use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_ec2::types::{
    AttributeValue, InstanceStateName, InstanceType, ResourceType, SummaryStatus, Tag, TagSpecification,
};
use aws_sdk_ssm::types::CommandInvocationStatus;

use crate::caller::{PATIENCE, until};
use crate::local::{Local, REGION};

/// `#!/bin/sh` and `echo user data > /etc/user-data` in Base64.
const USER_DATA: &str = "IyEvYmluL3NoCmVjaG8gdXNlciBkYXRhID4gL2V0Yy91c2VyLWRhdGEK";

/// Names itself a builder.
fn tags(kind: ResourceType) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).tags(Tag::builder().key("role").value("builder").build()).build()
}

pub(crate) async fn an_instance_lives_its_whole_life(local: &Local) {
    let aws = local.aws("100000000001");
    assert_eq!(aws.source().await, local.source());
    let launch = aws.launching(local.source()).user_data(USER_DATA);
    let launch = launch.tag_specifications(tags(ResourceType::Instance)).tag_specifications(tags(ResourceType::Volume));
    let id = aws.launched(launch).await;
    aws.ec2.wait_until_instance_status_ok().instance_ids(&id).wait(PATIENCE).await.unwrap();
    let statuses = aws.ec2.describe_instance_status().instance_ids(&id).send().await.unwrap();
    let status = &statuses.instance_statuses()[0];
    assert_eq!(status.system_status().unwrap().status(), Some(&SummaryStatus::Ok));
    let instance = aws.instance(&id).await;
    assert_eq!(instance.tags(), tags(ResourceType::Instance).tags());
    assert_eq!(instance.image_id(), Some(local.source()));
    assert_eq!(instance.placement().unwrap().availability_zone(), Some(format!("{REGION}a").as_str()));
    let volume = instance.block_device_mappings()[0].ebs().unwrap().volume_id().unwrap().to_owned();
    let volumes = aws.ec2.describe_volumes().volume_ids(volume).send().await.unwrap();
    assert_eq!(volumes.volumes()[0].tags(), tags(ResourceType::Volume).tags());
    until("user data", async || (aws.run(&id, "cat /etc/user-data; true").await == "user data\n").then_some(())).await;

    aws.stop(&id).await;
    let state = aws.instance(&id).await.state.unwrap();
    assert_eq!((state.name(), state.code()), (Some(&InstanceStateName::Stopped), Some(80)));
    let large = AttributeValue::builder().value("t3.large").build();
    aws.ec2.modify_instance_attribute().instance_id(&id).instance_type(large).send().await.unwrap();
    let started = aws.ec2.start_instances().instance_ids(&id).send().await.unwrap();
    let before = started.starting_instances()[0].previous_state().unwrap();
    assert_eq!(before.name(), Some(&InstanceStateName::Stopped));
    aws.ec2.wait_until_instance_running().instance_ids(&id).wait(PATIENCE).await.unwrap();
    aws.online(&id).await;
    assert_eq!(aws.instance(&id).await.instance_type(), Some(&InstanceType::T3Large));
    assert_eq!(aws.run(&id, "cat /etc/user-data").await, "user data\n");

    aws.terminate(&id).await;
    let instance = aws.instance(&id).await;
    assert_eq!(instance.state_reason().unwrap().code(), Some("Client.UserInitiatedShutdown"));
}

pub(crate) async fn a_reboot_in_the_middle_of_a_command_fails_it_without_output(local: &Local) {
    let aws = local.aws("100000000002");
    let id = aws.launch(local.source()).await;
    let boot = "cat /proc/sys/kernel/random/boot_id";
    let first = aws.run(&id, boot).await;
    let script = "echo start\ntouch /var/half\nsleep 1000";
    let command = aws.send(&id, script).await;
    until("half of the command", async || (aws.run(&id, "ls /var/half || true").await == "/var/half\n").then_some(()))
        .await;
    aws.ec2.reboot_instances().instance_ids(&id).send().await.unwrap();
    let ended = aws.ended(&command, &id).await;
    assert_eq!((ended.status(), ended.response_code()), (Some(&CommandInvocationStatus::Failed), 1));
    assert_eq!((ended.standard_output_content(), ended.standard_error_content()), (Some(""), Some("")));
    assert_ne!(aws.run(&id, boot).await, first);
    assert_eq!(aws.instance(&id).await.state().unwrap().name(), Some(&InstanceStateName::Running));
    aws.terminate(&id).await;
}
