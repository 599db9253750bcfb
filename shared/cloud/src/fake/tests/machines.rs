//! Tests EC2's rules for instances.

use super::*;
use crate::fake::NEVER;

#[tokio::test]
async fn an_instance_runs_after_its_looks_and_is_online_after_some_more() {
    let (fake, cloud, source) = fake();
    fake.pace(|pace| (pace.until_running, pace.until_online) = (2, 1));
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    assert_eq!(state(&cloud, &id).await, InstanceState::Pending);
    assert_eq!(state(&cloud, &id).await, InstanceState::Pending);
    assert_eq!(state(&cloud, &id).await, InstanceState::Running);
    assert!(!cloud.commands.ping(HOME, &id).await.unwrap().is_online());
    assert!(cloud.commands.ping(HOME, &id).await.unwrap().is_online());
}

#[tokio::test]
async fn looking_only_at_ssm_moves_an_instance_on_too() {
    let (_, cloud, source) = fake();
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    assert!(!cloud.commands.ping(HOME, &id).await.unwrap().is_online(), "pending");
    assert!(!cloud.commands.ping(HOME, &id).await.unwrap().is_online(), "running, not registered");
    assert!(cloud.commands.ping(HOME, &id).await.unwrap().is_online());
}

#[tokio::test]
async fn no_looks_at_all_is_at_once_and_never_is_never() {
    let (fake, cloud, source) = fake();
    fake.pace(|pace| (pace.until_running, pace.until_online) = (0, NEVER));
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    fake.settle();
    assert_eq!(state(&cloud, &id).await, InstanceState::Running);
    assert!(!cloud.commands.ping(HOME, &id).await.unwrap().is_online());
}

#[tokio::test]
async fn a_token_gives_the_same_instance_in_its_subnet_and_another_elsewhere() {
    let (fake, cloud, source) = fake();
    let request = launch("t", &source);
    let first = cloud.machines.launch(HOME, &request).await.unwrap();
    assert_eq!(cloud.machines.launch(HOME, &request).await.unwrap().id, first.id);
    let elsewhere = Launch { subnet: Some("subnet-b".to_owned()), ..request.clone() };
    assert_ne!(cloud.machines.launch(HOME, &elsewhere).await.unwrap().id, first.id);
    let larger = Launch { instance_type: "t3.large".to_owned(), ..request };
    let error = cloud.machines.launch(HOME, &larger).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Duplicate, "IdempotentParameterMismatch"));
    assert_eq!(fake.inventory().region(HOME).instances.len(), 2);
    assert_eq!(fake.requests().launches.len(), 2);
}

#[tokio::test]
async fn a_token_of_a_terminated_instance_does_not_bring_it_back() {
    let (fake, cloud, id) = online().await;
    cloud.machines.terminate(HOME, &id).await.unwrap();
    fake.settle();
    let source = instance(&cloud, &id).await.image;
    let again = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap();
    assert_eq!((again.id, again.state), (id, InstanceState::Terminated));
}

#[tokio::test]
async fn only_an_available_image_of_the_region_and_a_fit_token_launch() {
    let (fake, cloud, source) = fake();
    assert_eq!(kind(cloud.machines.launch(HOME, &launch("t", "ami-0")).await), Kind::NotFound);
    assert_eq!(kind(cloud.machines.launch(OTHER, &launch("t", &source)).await), Kind::NotFound);
    fake.edit_image(HOME, &source, |image| image.state = crate::ImageState::Pending);
    assert_eq!(kind(cloud.machines.launch(HOME, &launch("t", &source)).await), Kind::WrongState);
    assert_eq!(kind(cloud.machines.launch(HOME, &launch(&"t".repeat(65), &source)).await), Kind::Invalid);
    assert!(fake.inventory().is_empty());
}

#[tokio::test]
async fn a_type_runs_images_of_its_own_architecture_only() {
    let (fake, cloud, source) = fake();
    let types = ["t3.small", "t4g.small", "g4dn.xlarge", "nothing"].map(str::to_owned);
    let found = cloud.machines.type_traits(HOME, &types).await.unwrap();
    let runs: Vec<_> = found.values().flat_map(|traits| &traits.architectures).collect();
    assert_eq!(runs, ["x86_64", "x86_64", "arm64"], "{found:?}");
    for instance_type in ["t4g.small", "nothing"] {
        let request = Launch { instance_type: instance_type.to_owned(), ..launch("t", &source) };
        assert_eq!(kind(cloud.machines.launch(HOME, &request).await), Kind::Invalid);
    }
    fake.edit_image(HOME, &source, |image| image.architecture = "arm64".to_owned());
    let request = Launch { instance_type: "t4g.small".to_owned(), ..launch("t", &source) };
    cloud.machines.launch(HOME, &request).await.unwrap();
}

#[tokio::test]
async fn a_volume_stays_if_neither_image_nor_launch_deletes_it() {
    let (fake, cloud, source) = fake();
    fake.edit_image(HOME, &source, |image| image.block_devices[0].delete_on_termination = false);
    let going =
        BlockDevice { device_name: "/dev/xvda".to_owned(), delete_on_termination: true, ..BlockDevice::default() };
    for (token, block_devices, left) in [("t", vec![going], 0), ("u", vec![], 1)] {
        let request = Launch { block_devices, ..launch(token, &source) };
        let id = cloud.machines.launch(HOME, &request).await.unwrap().id;
        assert!(fake.inventory().region(HOME).volumes.is_empty(), "attached");
        cloud.machines.terminate(HOME, &id).await.unwrap();
        let volumes = fake.inventory().region(HOME).volumes;
        assert_eq!(volumes.values().collect::<Vec<_>>(), vec![&tags(); left]);
    }
}

#[tokio::test]
async fn capacity_lacks_by_type_and_subnet_and_leaves_the_token_unused() {
    let (fake, cloud, source) = fake();
    fake.no_capacity("t3.small", Some("subnet-a"));
    let request = launch("t", &source);
    assert_eq!(kind(cloud.machines.launch(HOME, &request).await), Kind::Capacity);
    let default_subnet = Launch { subnet: None, ..request.clone() };
    cloud.machines.launch(HOME, &default_subnet).await.unwrap();
    fake.restore_capacity();
    cloud.machines.launch(HOME, &request).await.unwrap();
}

#[tokio::test]
async fn the_quota_counts_instances_until_they_are_stopped_or_terminated() {
    let (fake, cloud, source) = fake();
    fake.room_for(1);
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    let refused = cloud.machines.launch(HOME, &launch("u", &source)).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Capacity, "VcpuLimitExceeded"));
    assert!(refused.message.contains("your current vCPU limit of 2 allows"), "{refused}");
    assert_eq!(cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id, id, "the token is known");
    cloud.machines.terminate(HOME, &id).await.unwrap();
    cloud.machines.launch(HOME, &launch("u", &source)).await.unwrap();
}

#[tokio::test]
async fn stopping_takes_its_looks_and_is_safe_to_repeat() {
    let (_, cloud, id) = online().await;
    cloud.machines.stop(HOME, &id).await.unwrap();
    cloud.machines.stop(HOME, &id).await.unwrap();
    assert_eq!(state(&cloud, &id).await, InstanceState::Stopping);
    assert_eq!(state(&cloud, &id).await, InstanceState::Stopped);
    cloud.machines.stop(HOME, &id).await.unwrap();
    assert_eq!(state(&cloud, &id).await, InstanceState::Stopped);
    assert!(!cloud.commands.ping(HOME, &id).await.unwrap().is_online());
}

#[tokio::test]
async fn a_pending_gone_or_unknown_instance_does_not_stop() {
    let (_, cloud, source) = fake();
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    assert_eq!(kind(cloud.machines.stop(HOME, &id).await), Kind::WrongState);
    cloud.machines.terminate(HOME, &id).await.unwrap();
    assert_eq!(kind(cloud.machines.stop(HOME, &id).await), Kind::WrongState);
    assert_eq!(kind(cloud.machines.stop(HOME, "i-0").await), Kind::NotFound);
}

#[tokio::test]
async fn terminating_is_final_and_is_safe_to_repeat() {
    let (_, cloud, id) = online().await;
    cloud.machines.terminate(HOME, &id).await.unwrap();
    assert_eq!(cloud.machines.tagged(HOME, "goldsmith:build", "web-1").await.unwrap().len(), 1, "shutting down");
    assert_eq!(state(&cloud, &id).await, InstanceState::Terminated);
    cloud.machines.terminate(HOME, &id).await.unwrap();
    assert_eq!(state(&cloud, &id).await, InstanceState::Terminated);
    assert_eq!(cloud.machines.tagged(HOME, "goldsmith:build", "web-1").await.unwrap(), []);
    cloud.machines.terminate(HOME, "i-0").await.unwrap();
}

#[tokio::test]
async fn a_new_instance_is_hidden_from_looks_but_not_from_effects() {
    let (fake, cloud, source) = fake();
    fake.pace(|pace| pace.hide_new = 2);
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    assert_eq!(cloud.machines.instance(HOME, &id).await.unwrap(), None);
    assert_eq!(cloud.machines.tagged(HOME, "goldsmith:build", "web-1").await.unwrap(), []);
    assert_eq!(state(&cloud, &id).await, InstanceState::Pending);
    let hidden = cloud.machines.launch(HOME, &launch("u", &source)).await.unwrap().id;
    cloud.machines.terminate(HOME, &hidden).await.unwrap();
    assert!(!fake.inventory().region(HOME).instances.contains_key(&hidden));
}

#[tokio::test]
async fn tags_are_matched_whole_and_per_region() {
    let (_, cloud, _) = online().await;
    assert_eq!(cloud.machines.tagged(HOME, "goldsmith:build", "web-1").await.unwrap().len(), 1);
    assert_eq!(cloud.machines.tagged(HOME, "goldsmith:build", "web").await.unwrap(), []);
    assert_eq!(cloud.machines.tagged(OTHER, "goldsmith:build", "web-1").await.unwrap(), []);
}

#[tokio::test]
async fn an_instance_can_end_from_outside_or_by_itself() {
    let (fake, cloud, id) = online().await;
    fake.end_instance(HOME, &id, "Server.InternalError: hardware");
    let ended = instance(&cloud, &id).await;
    assert_eq!(
        (ended.state, ended.state_reason.as_str()),
        (InstanceState::Terminated, "Server.InternalError: hardware")
    );
    fake.next_instance_ends(2, "Server.SpotInstanceTermination: gone");
    let doomed = cloud.machines.launch(HOME, &launch("u", &ended.image)).await.unwrap().id;
    assert_eq!(state(&cloud, &doomed).await, InstanceState::Pending);
    assert_eq!(state(&cloud, &doomed).await, InstanceState::Running);
    assert_eq!(instance(&cloud, &doomed).await.state_reason, "Server.SpotInstanceTermination: gone");
}
