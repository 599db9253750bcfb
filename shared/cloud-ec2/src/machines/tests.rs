//! Tests of instances, their volumes and their spot requests.

use goldsmith_cloud::aws::replay::{Canned, Replay};
use goldsmith_cloud::{BlockDevice, Hardware, Kind, Market, MetadataOptions, Tags};

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
        hardware: Default::default(),
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
    let answer = || Canned::ok(format!("<RunInstancesResponse>{}</RunInstancesResponse>", described("i-1", "pending")));
    let (ec2, replay) = ec2([answer(), answer()]);
    let zone = Some("eu-west-1b".to_owned());
    let key_pair = Some("debug".to_owned());
    let asked = Launch { zone, hardware: Hardware::Dedicated, market: Market::Spot, key_pair, ..launch() };
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
async fn a_launch_names_its_host_or_its_group_of_hosts() {
    let answer = || Canned::ok(format!("<RunInstancesResponse>{}</RunInstancesResponse>", described("i-1", "pending")));
    let (ec2, replay) = ec2([answer(), answer()]);
    let (id, group) = (Some("h-1".to_owned()), Some("arn:aws:resource-groups:eu-west-1:1:group/g".to_owned()));
    let hosts = [Hardware::Host { id: id.clone(), group: None }, Hardware::Host { id: None, group: group.clone() }];
    for (number, hardware) in hosts.into_iter().enumerate() {
        ec2.launch("eu-west-1", &Launch { hardware, ..launch() }).await.unwrap();
        let sent = form(&replay, number);
        assert_eq!(sent["Placement.Tenancy"], "host");
        let named = (sent.get("Placement.HostId"), sent.get("Placement.HostResourceGroupArn"));
        assert_eq!(named, if number == 0 { (id.as_ref(), None) } else { (None, group.as_ref()) });
    }
}

#[tokio::test]
async fn a_spot_instance_that_is_stopped_has_a_persistent_request_with_an_end() {
    let instance = "<spotInstanceRequestId>sir-1</spotInstanceRequestId>";
    let instance =
        described("i-1", "pending").replace("</item></instancesSet>", &format!("{instance}</item></instancesSet>"));
    let (ec2, replay) = ec2([Canned::ok(format!("<RunInstancesResponse>{instance}</RunInstancesResponse>"))]);
    let until = "2026-12-07T03:00:00Z".parse().unwrap();
    let launched = ec2.launch("eu-west-1", &Launch { market: Market::StoppableSpot { until }, ..launch() }).await;
    assert_eq!(launched.unwrap().spot_request.as_deref(), Some("sir-1"));
    let sent = form(&replay, 0);
    for (name, value) in [
        ("InstanceMarketOptions.SpotOptions.SpotInstanceType", "persistent"),
        ("InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "stop"),
        ("InstanceMarketOptions.SpotOptions.ValidUntil", "2026-12-07T03:00:00Z"),
        ("TagSpecification.4.ResourceType", "spot-instances-request"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn finds_and_cancels_the_spot_requests_that_are_open() {
    let request = |id: &str, next: &str| {
        let tags = "<tagSet><item><key>goldsmith:build</key><value>b</value></item></tagSet>";
        let launch = "<launchSpecification><imageId>ami-1</imageId></launchSpecification>";
        let item = format!(
            "<item><spotInstanceRequestId>{id}</spotInstanceRequestId><instanceId>i-1</instanceId>{launch}\
             <validUntil>2026-12-07T03:00:00.000Z</validUntil>{tags}</item>"
        );
        let set = format!("<spotInstanceRequestSet>{item}</spotInstanceRequestSet>{next}");
        Canned::ok(format!("<DescribeSpotInstanceRequestsResponse>{set}</DescribeSpotInstanceRequestsResponse>"))
    };
    let cancelled = "<CancelSpotInstanceRequestsResponse></CancelSpotInstanceRequestsResponse>";
    let unknown = || Canned::ec2_error(400, "InvalidSpotInstanceRequestID.NotFound");
    let denied = Canned::ec2_error(403, "UnauthorizedOperation");
    let first = request("sir-1", "<nextToken>more</nextToken>");
    let known = request("sir-1", "");
    let (ec2, replay) = ec2([first, request("sir-2", ""), Canned::ok(cancelled), unknown(), denied, known, unknown()]);
    let found = ec2.spot_requests("eu-west-1", "goldsmith:build", "b").await.unwrap();
    assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["sir-1", "sir-2"]);
    assert_eq!((found[0].instance.as_deref(), found[0].image.as_str()), (Some("i-1"), "ami-1"));
    assert_eq!((found[0].valid_until, &found[0].tags), ("2026-12-07T03:00:00Z".parse().ok(), &launch().tags));
    let sent = form(&replay, 0);
    for (name, value) in [
        ("Filter.1.Name", "tag:goldsmith:build"),
        ("Filter.2.Name", "state"),
        ("Filter.2.Value.1", "open"),
        ("Filter.2.Value.2", "active"),
        ("Filter.2.Value.3", "disabled"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
    for is_known in [true, false] {
        assert_eq!(ec2.cancel_spot_request("eu-west-1", "sir-1").await.unwrap(), is_known);
    }
    assert_eq!(form(&replay, 2)["SpotInstanceRequestId.1"], "sir-1");
    assert_eq!(ec2.cancel_spot_request("eu-west-1", "sir-1").await.unwrap_err().kind, Kind::Denied);
    let found = ec2.spot_request("eu-west-1", "sir-1").await.unwrap();
    assert_eq!(found.and_then(|found| found.instance).as_deref(), Some("i-1"));
    assert_eq!(form(&replay, 5)["SpotInstanceRequestId.1"], "sir-1");
    assert_eq!(ec2.spot_request("eu-west-1", "sir-1").await.unwrap(), None);
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
async fn a_reason_has_its_code_once() {
    let (code, text) = ("Server.SpotInstanceShutdown", "Spot instance shutdown");
    let both = format!("{code}: {text}");
    for (reason, expected) in [
        (format!("<code>{code}</code><message>{both}</message>"), both.as_str()),
        (format!("<code>{code}</code><message>{text}</message>"), &both),
        (format!("<code>{code}</code>"), code),
        (format!("<message>{text}</message>"), text),
    ] {
        let reason = format!("<stateReason>{reason}</stateReason></item></instancesSet>");
        let answer = page(&described("i-1", "stopped").replace("</item></instancesSet>", &reason), "");
        let (ec2, _) = ec2([answer]);
        assert_eq!(ec2.instance("eu-west-1", "i-1").await.unwrap().unwrap().state_reason, expected);
    }
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
    let found = ec2.type_traits("eu-west-1", &types).await.unwrap();
    let found: Vec<(&str, String)> =
        found.iter().map(|(name, traits)| (name.as_str(), traits.architectures.join(" "))).collect();
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
