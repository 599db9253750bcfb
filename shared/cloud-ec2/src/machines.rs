//! Instances.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Instance as SdkInstance, InstanceStateName, InstanceType};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{Instance, InstanceState, Launch, Machines, Result, Volume};

use crate::Ec2;
use crate::account::architectures_of;
use crate::launch::request;
use crate::requests::{filter, from_sdk_tags, tag_filter, to_time};

/// Every state except `terminated`.
pub(crate) const NOT_TERMINATED: [&str; 5] = ["pending", "running", "stopping", "stopped", "shutting-down"];

#[async_trait]
impl Machines for Ec2 {
    async fn launch(&self, region: &str, launch: &Launch) -> Result<Instance> {
        const OPERATION: &str = "RunInstances";
        let request = request(&self.0.client(region), launch);
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        let instance = answer.instances().first().ok_or_else(|| incomplete(OPERATION, region, "instance"))?;
        to_instance(instance, OPERATION, region)
    }

    async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>> {
        let answer = self.0.client(region).describe_instances().instance_ids(id).send().await;
        let answer = known(answer.map_err(failure("DescribeInstances", region)))?;
        let reservations = answer.as_ref().map(|answer| answer.reservations()).unwrap_or_default();
        let instance = reservations.iter().flat_map(|reservation| reservation.instances()).next();
        instance.map(|instance| to_instance(instance, "DescribeInstances", region)).transpose()
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Instance>> {
        let request = self.0.client(region).describe_instances().filters(tag_filter(key, value));
        let mut pages = request.filters(filter("instance-state-name", &NOT_TERMINATED)).into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeInstances", region))?;
            let found = page.reservations().iter().flat_map(|reservation| reservation.instances());
            for instance in found {
                instances.push(to_instance(instance, "DescribeInstances", region)?);
            }
        }
        Ok(instances)
    }

    async fn architectures(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        let wanted: Vec<&str> = types.iter().map(String::as_str).collect();
        self.described_types(region, &wanted, architectures_of).await
    }

    async fn console(&self, region: &str, id: &str) -> Result<String> {
        let answer = self.0.client(region).get_console_output().instance_id(id).send().await;
        let answer = known(answer.map_err(failure("GetConsoleOutput", region)))?;
        let encoded = answer.and_then(|answer| answer.output).unwrap_or_default();
        // Output that EC2 did not encode well is no reason to fail: only people read it.
        let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn stop(&self, region: &str, id: &str) -> Result<()> {
        let request = self.0.client(region).stop_instances().instance_ids(id);
        request.send().await.map_err(failure("StopInstances", region))?;
        Ok(())
    }

    async fn terminate(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).terminate_instances().instance_ids(id).send().await;
        known(answer.map_err(failure("TerminateInstances", region)))?;
        Ok(())
    }

    async fn volumes_left(&self, region: &str, key: &str, value: &str) -> Result<Vec<Volume>> {
        let request = self.0.client(region).describe_volumes().filters(tag_filter(key, value));
        // A volume that is still attached belongs to an instance that ends with it.
        let mut pages = request.filters(filter("status", &["available"])).into_paginator().send();
        let mut volumes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeVolumes", region))?;
            volumes.extend(page.volumes().iter().filter_map(|volume| {
                Some(Volume {
                    id: volume.volume_id()?.to_owned(),
                    created: volume.create_time().and_then(to_time),
                    tags: from_sdk_tags(volume.tags()),
                })
            }));
        }
        Ok(volumes)
    }

    async fn delete_volume(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).delete_volume().volume_id(id).send().await;
        known(answer.map_err(failure("DeleteVolume", region)))?;
        Ok(())
    }
}

/// Converts an instance. A missing or unknown id or state is an error: the instance may be running, and must not look
/// as if it did not exist.
fn to_instance(instance: &SdkInstance, operation: &'static str, region: &str) -> Result<Instance> {
    let lacks = |what| incomplete(operation, region, what);
    let reason = instance.state_reason().and_then(|reason| reason.message()).or(instance.state_transition_reason());
    let state = instance.state().and_then(|state| state.name()).ok_or_else(|| lacks("instance state"))?;
    let state = match state {
        InstanceStateName::Pending => InstanceState::Pending,
        InstanceStateName::Running => InstanceState::Running,
        InstanceStateName::Stopping => InstanceState::Stopping,
        InstanceStateName::Stopped => InstanceState::Stopped,
        InstanceStateName::ShuttingDown => InstanceState::ShuttingDown,
        InstanceStateName::Terminated => InstanceState::Terminated,
        _ => return Err(lacks("instance state that this version knows")),
    };
    let volumes = instance.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
    Ok(Instance {
        id: instance.instance_id().ok_or_else(|| lacks("instance id"))?.to_owned(),
        state,
        state_reason: reason.unwrap_or_default().to_owned(),
        image: instance.image_id().unwrap_or_default().to_owned(),
        instance_type: instance.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        tags: from_sdk_tags(instance.tags()),
        launched: instance.launch_time().and_then(to_time),
        token: instance.client_token().unwrap_or_default().to_owned(),
        volumes: volumes.filter_map(|ebs| ebs.volume_id().map(str::to_owned)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::{Canned, Replay};
    use goldsmith_cloud::{BlockDevice, Kind, Market, MetadataOptions, Tags};

    use super::*;
    use crate::testing::{ec2, form};

    fn launch() -> Launch {
        Launch {
            token: "token-1".to_owned(),
            image: "ami-1".to_owned(),
            instance_type: "t3.small".to_owned(),
            subnet: Some("subnet-1".to_owned()),
            security_groups: vec!["sg-1".to_owned()],
            instance_profile: Some("profile".to_owned()),
            zone: None,
            is_dedicated: false,
            market: Market::OnDemand,
            key_pair: None,
            metadata: MetadataOptions { tokens_required: true, hop_limit: 2 },
            tags: Tags::from([("goldsmith:build".to_owned(), "b".to_owned())]),
            block_devices: vec![BlockDevice {
                device_name: "/dev/xvda".to_owned(),
                volume_size: Some(16),
                volume_type: Some("gp3".to_owned()),
                encrypted: Some(true),
                delete_on_termination: true,
                ..BlockDevice::default()
            }],
            user_data: Some("#!/bin/sh\n".to_owned()),
        }
    }

    fn described(id: &str, state: &str) -> String {
        let tags = "<tagSet><item><key>goldsmith:build</key><value>b</value></item></tagSet>";
        format!(
            "<instancesSet><item><instanceId>{id}</instanceId><imageId>ami-1</imageId>\
             <instanceState><code>0</code><name>{state}</name></instanceState>{tags}</item></instancesSet>"
        )
    }

    fn page(instances: &str, next: &str) -> Canned {
        let reservations = format!("<reservationSet><item>{instances}</item></reservationSet>");
        Canned::ok(format!("<DescribeInstancesResponse>{reservations}{next}</DescribeInstancesResponse>"))
    }

    #[tokio::test]
    async fn an_instance_in_an_unknown_state_is_not_absent() {
        let answers = || page(&described("i-1", "hibernating"), "");
        let (ec2, _) = ec2([answers(), answers(), page(&described("i-1", "running"), "")]);
        let alone = ec2.instance("eu-west-1", "i-1").await.unwrap_err();
        assert!(alone.is_transient() && alone.message.contains("instance state"), "{alone}");
        let listed = Machines::tagged(&ec2, "eu-west-1", "goldsmith:build", "b").await.unwrap_err();
        assert_eq!((listed.kind, listed.operation), (Kind::Unanswered, "DescribeInstances"));
        assert!(ec2.instance("eu-west-1", "i-1").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn launches_one_with_token_and_tags() {
        let answer = format!("<RunInstancesResponse>{}</RunInstancesResponse>", described("i-1", "pending"));
        let (ec2, replay) = ec2([Canned::ok(answer)]);
        let instance = ec2.launch("us-east-1", &launch()).await.unwrap();
        assert_eq!((instance.id.as_str(), instance.state), ("i-1", InstanceState::Pending));
        assert_eq!(instance.tags, launch().tags);
        assert!(replay.sent()[0].uri.starts_with("https://ec2.us-east-1.amazonaws.com"));
        let sent = form(&replay, 0);
        for (name, value) in [
            ("Action", "RunInstances"),
            ("ClientToken", "token-1"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("ImageId", "ami-1"),
            ("InstanceType", "t3.small"),
            ("SubnetId", "subnet-1"),
            ("UserData", "IyEvYmluL3NoCg=="),
            ("SecurityGroupId.1", "sg-1"),
            ("IamInstanceProfile.Name", "profile"),
            ("MetadataOptions.HttpTokens", "required"),
            ("MetadataOptions.HttpPutResponseHopLimit", "2"),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "goldsmith:build"),
            ("TagSpecification.2.ResourceType", "volume"),
            ("TagSpecification.2.Tag.1.Value", "b"),
            ("TagSpecification.3.ResourceType", "network-interface"),
            ("TagSpecification.3.Tag.1.Value", "b"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "16"),
            ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
            ("BlockDeviceMapping.1.Ebs.Encrypted", "true"),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!sent.contains_key("KeyName") && !sent.contains_key("BlockDeviceMapping.1.Ebs.Iops"));
    }

    #[tokio::test]
    async fn a_placement_a_key_and_a_spot_request_are_sent_only_if_they_are_asked_for() {
        let answer =
            || Canned::ok(format!("<RunInstancesResponse>{}</RunInstancesResponse>", described("i-1", "pending")));
        let (ec2, replay) = ec2([answer(), answer()]);
        let zone = Some("eu-west-1b".to_owned());
        let key_pair = Some("debug".to_owned());
        let asked = Launch { zone, is_dedicated: true, market: Market::Spot, key_pair, ..launch() };
        let fields = [
            ("Placement.AvailabilityZone", "eu-west-1b"),
            ("Placement.Tenancy", "dedicated"),
            ("KeyName", "debug"),
            ("InstanceMarketOptions.MarketType", "spot"),
            ("InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time"),
            ("InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate"),
            ("TagSpecification.4.ResourceType", "spot-instances-request"),
            ("TagSpecification.4.Tag.1.Key", "goldsmith:build"),
        ];
        for (number, launch, is_sent) in [(0, asked, true), (1, launch(), false)] {
            ec2.launch("eu-west-1", &launch).await.unwrap();
            let sent = form(&replay, number);
            for (name, value) in fields {
                assert_eq!(sent.get(name).map(String::as_str), is_sent.then_some(value), "{name}");
            }
            assert!(!sent.keys().any(|name| name.contains("MaxPrice")));
        }
    }

    #[tokio::test]
    async fn a_lost_launch_is_repeated_with_its_token() {
        let answer = format!("<RunInstancesResponse>{}</RunInstancesResponse>", described("i-1", "pending"));
        let (ec2, replay) = ec2([Canned::Lost, Canned::ok(answer)]);
        ec2.launch("eu-west-1", &launch()).await.unwrap();
        assert_eq!(form(&replay, 0)["ClientToken"], form(&replay, 1)["ClientToken"]);
    }

    #[tokio::test]
    async fn tells_why_a_launch_failed() {
        for (status, code, kind) in [
            (500, "InsufficientInstanceCapacity", Kind::Capacity),
            (400, "Unsupported", Kind::Capacity),
            (403, "UnauthorizedOperation", Kind::Denied),
            (503, "RequestLimitExceeded", Kind::Throttled),
            (400, "InvalidAMIID.NotFound", Kind::NotFound),
            (500, "InternalError", Kind::Unanswered),
            (400, "InvalidParameterValue", Kind::Invalid),
        ] {
            let (ec2, _) = ec2(vec![Canned::ec2_error(status, code); 3]);
            let error = ec2.launch("eu-west-1", &launch()).await.unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (kind, code));
        }
    }

    #[tokio::test]
    async fn knows_an_instance_or_none() {
        let unknown = Canned::ec2_error(400, "InvalidInstanceID.NotFound");
        let (ec2, _) = ec2([page(&described("i-1", "shutting-down"), ""), unknown, page("", "")]);
        assert!(ec2.instance("eu-west-1", "i-1").await.unwrap().unwrap().state.is_gone());
        assert_eq!(ec2.instance("eu-west-1", "i-1").await.unwrap(), None);
        assert_eq!(ec2.instance("eu-west-1", "i-1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn lists_every_page_of_a_tag() {
        let first = page(&described("i-1", "running"), "<nextToken>more</nextToken>");
        let (ec2, replay) = ec2([first, page(&described("i-2", "stopped"), "")]);
        let ids: Vec<String> =
            ec2.tagged("eu-west-1", "goldsmith:build", "b").await.unwrap().into_iter().map(|found| found.id).collect();
        assert_eq!(ids, ["i-1", "i-2"]);
        let sent = form(&replay, 1);
        assert_eq!((sent["NextToken"].as_str(), sent["Filter.1.Name"].as_str()), ("more", "tag:goldsmith:build"));
        assert_eq!((sent["Filter.1.Value.1"].as_str(), sent["Filter.2.Name"].as_str()), ("b", "instance-state-name"));
        assert!(!sent.values().any(|value| value == "terminated"));
    }

    #[tokio::test]
    async fn knows_what_types_run_and_leaves_out_those_that_are_not_there() {
        let described = |name: &str, architectures: &[&str]| {
            let items: String = architectures.iter().map(|item| format!("<item>{item}</item>")).collect();
            format!(
                "<item><instanceType>{name}</instanceType><processorInfo><supportedArchitectures>{items}\
                 </supportedArchitectures></processorInfo></item>"
            )
        };
        let page = |types: String, next: &str| {
            let answer = format!("<instanceTypeSet>{types}</instanceTypeSet>{next}");
            Canned::ok(format!("<DescribeInstanceTypesResponse>{answer}</DescribeInstanceTypesResponse>"))
        };
        let first = page(described("t2.micro", &["i386", "x86_64"]), "<nextToken>more</nextToken>");
        let (ec2, replay) = ec2([first, page(described("t4g.small", &["arm64"]), "")]);
        let types = ["t2.micro", "t4g.small", "t9.huge"].map(str::to_owned);
        let found = ec2.architectures("eu-west-1", &types).await.unwrap();
        let found: Vec<(&str, String)> = found.iter().map(|(name, runs)| (name.as_str(), runs.join(" "))).collect();
        assert_eq!(found, [("t2.micro", "i386 x86_64".to_owned()), ("t4g.small", "arm64".to_owned())]);
        let sent = form(&replay, 0);
        assert_eq!((sent["Filter.1.Name"].as_str(), sent["Filter.1.Value.3"].as_str()), ("instance-type", "t9.huge"));
        assert!(!sent.contains_key("InstanceType.1"));
    }

    #[tokio::test]
    async fn ends_instances() {
        let stopped = Canned::ok("<StopInstancesResponse/>");
        let wrong = Canned::ec2_error(400, "IncorrectInstanceState");
        let gone = Canned::ec2_error(400, "InvalidInstanceID.NotFound");
        let denied = Canned::ec2_error(403, "UnauthorizedOperation");
        let (ec2, replay) = ec2([stopped, wrong, gone, denied]);
        ec2.stop("eu-west-1", "i-1").await.unwrap();
        assert_eq!(ec2.stop("eu-west-1", "i-1").await.unwrap_err().kind, Kind::WrongState);
        ec2.terminate("eu-west-1", "i-1").await.unwrap();
        assert_eq!(ec2.terminate("eu-west-1", "i-1").await.unwrap_err().kind, Kind::Denied);
        assert_eq!(form(&replay, 2)["InstanceId.1"], "i-1");
    }

    #[tokio::test]
    async fn puts_the_whole_cloud_together() {
        let (replay, key) = (Replay::new([page("", "")]), "goldsmith:build");
        let cloud = crate::cloud(&replay.config(), "stack", "bucket");
        assert!(cloud.machines.tagged("eu-west-1", key, "b").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn finds_and_deletes_the_volumes_that_no_instance_has() {
        let volume = |id: &str, next: &str| {
            let tags = "<tagSet><item><key>goldsmith:build</key><value>b</value></item></tagSet>";
            let set = format!("<volumeSet><item><volumeId>{id}</volumeId>{tags}</item></volumeSet>");
            Canned::ok(format!("<DescribeVolumesResponse>{set}{next}</DescribeVolumesResponse>"))
        };
        let (ec2, replay) = ec2([volume("vol-1", "<nextToken>more</nextToken>"), volume("vol-2", "")]);
        let found = ec2.volumes_left("eu-west-1", "goldsmith:build", "b").await.unwrap();
        assert_eq!(found.iter().map(|volume| volume.id.as_str()).collect::<Vec<_>>(), ["vol-1", "vol-2"]);
        assert_eq!(found[0].tags, launch().tags);
        let sent = form(&replay, 0);
        for (name, value) in [
            ("Filter.1.Name", "tag:goldsmith:build"),
            ("Filter.1.Value.1", "b"),
            ("Filter.2.Name", "status"),
            ("Filter.2.Value.1", "available"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[tokio::test]
    async fn a_volume_that_is_gone_is_deleted() {
        let (ec2, replay) = ec2(["InvalidVolume.NotFound", "VolumeInUse"].map(|code| Canned::ec2_error(400, code)));
        ec2.delete_volume("eu-west-1", "vol-1").await.unwrap();
        assert_eq!(form(&replay, 0)["VolumeId"], "vol-1");
        assert_eq!(ec2.delete_volume("eu-west-1", "vol-1").await.unwrap_err().kind, Kind::WrongState);
    }
}
