//! Codes of instances, their volumes and their tags.

use aws_sdk_ec2::types::{
    AttributeBooleanValue, BlockDeviceMapping, EbsBlockDevice, EbsInstanceBlockDeviceSpecification,
    HibernationOptionsRequest, InstanceBlockDeviceMappingSpecification, InstanceInterruptionBehavior,
    InstanceMarketOptionsRequest, InstanceType, MarketType, Placement, SpotInstanceType, SpotMarketOptions, Subnet,
    Tag, Tenancy,
};
use serde_json::json;

use super::{Met, NO_IMAGE, NO_INSTANCE};
use crate::caller::{Aws, first_id};
use crate::local::{Local, REGION};

pub(super) async fn meet(met: &mut Met, local: &Local) {
    let aws = local.aws("100000000021");
    launches(met, &aws, local.source()).await;
    not_to_be_had(met, &aws, local).await;
    spot(met, &aws, local.source()).await;
    hosts(met, &aws, local.source()).await;
    no_subnet(met, local).await;
    full_subnet(met, local).await;
    let made = aws.launching(local.source()).client_token("one").send().await.unwrap();
    let id = first_id(made.instances());
    let other = aws.launching(local.source()).client_token("one").max_count(2);
    met.refused("IdempotentParameterMismatch", other.send().await);
    attributes(met, &aws, &id).await;
    tags(met, &aws, &id).await;
    aws.terminate(&id).await;
    met.refused("IncorrectInstanceState", aws.ec2.start_instances().instance_ids(&id).send().await);
    let ec2 = &aws.ec2;
    met.refused("InvalidInstanceID.NotFound", ec2.describe_instances().instance_ids(NO_INSTANCE).send().await);
    met.refused("InvalidInstanceID.Malformed", ec2.describe_instances().instance_ids("i-x").send().await);
    let both = ec2.describe_instances().instance_ids(&id).max_results(5);
    met.refused("InvalidParameterCombination", both.send().await);
    met.refused("InvalidVolume.NotFound", ec2.describe_volumes().volume_ids("vol-0123456789abcdef0").send().await);
    let types = ec2.describe_instance_types().instance_types(InstanceType::from("x9.huge"));
    met.refused("InvalidInstanceType", types.send().await);
    met.refused("InvalidAction", ec2.describe_addresses().send().await);
}

/// A spot instance of a one-time request ends; it is not stopped. Nor is one whose persistent request was cancelled.
async fn spot(met: &mut Met, aws: &Aws, source: &str) {
    let request = |kind, behavior| {
        let options = SpotMarketOptions::builder().spot_instance_type(kind).instance_interruption_behavior(behavior);
        let market =
            InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(options.build());
        aws.launching(source).instance_market_options(market.build())
    };
    let stopping = request(SpotInstanceType::OneTime, InstanceInterruptionBehavior::Stop);
    met.refused("InvalidParameterCombination", stopping.send().await);
    let again = request(SpotInstanceType::Persistent, InstanceInterruptionBehavior::Terminate);
    met.refused("InvalidParameterCombination", again.send().await);
    let once = request(SpotInstanceType::OneTime, InstanceInterruptionBehavior::Terminate);
    let id = aws.launched(once).await;
    met.refused("UnsupportedOperation", aws.ec2.stop_instances().instance_ids(&id).send().await);
    aws.terminate(&id).await;
    let id = aws.launched(request(SpotInstanceType::Persistent, InstanceInterruptionBehavior::Stop)).await;
    let described = aws.ec2.describe_instances().instance_ids(&id).send().await.unwrap();
    let spot_request = described.reservations()[0].instances()[0].spot_instance_request_id().unwrap().to_owned();
    let cancel = |request: &str| aws.ec2.cancel_spot_instance_requests().spot_instance_request_ids(request);
    met.refused("InvalidSpotInstanceRequestID.Malformed", cancel("sir-x").send().await);
    met.refused("InvalidSpotInstanceRequestID.NotFound", cancel("sir-0123456789abcdef0").send().await);
    cancel(&spot_request).send().await.unwrap();
    met.refused("IncorrectSpotRequestState", aws.ec2.stop_instances().instance_ids(&id).send().await);
    aws.terminate(&id).await;
}

async fn launches(met: &mut Met, aws: &Aws, source: &str) {
    let launch = aws.launching(source);
    met.refused("InvalidAMIID.NotFound", aws.launching(NO_IMAGE).send().await);
    met.refused("InvalidAMIID.Malformed", aws.launching("ami-x").send().await);
    met.refused("InvalidParameterValue", launch.clone().placement(on(Tenancy::from("own"), None)).send().await);
    let hibernation = HibernationOptionsRequest::builder().configured(true).build();
    let hibernating = launch.clone().hibernation_options(hibernation);
    met.refused("UnsupportedHibernationConfiguration", hibernating.send().await);
    met.refused("MissingParameter", aws.ec2.run_instances().image_id(source).send().await);
    let unknown = launch.clone().instance_type(InstanceType::from("x9.huge"));
    met.refused("InvalidParameterValue", unknown.send().await);
    met.refused("InvalidParameterValue", launch.clone().instance_type(InstanceType::T4gSmall).send().await);
    let subnet = launch.clone().subnet_id("subnet-0123456789abcdef0");
    met.refused("InvalidSubnetID.NotFound", subnet.send().await);
    let group = launch.clone().security_group_ids("sg-0123456789abcdef0");
    met.refused("InvalidGroup.NotFound", group.send().await);
    met.refused("InvalidKeyPair.NotFound", launch.clone().key_name("none").send().await);
    met.refused("InvalidUserData.Malformed", launch.clone().user_data("no Base64").send().await);
    met.refused("InstanceLimitExceeded", launch.clone().min_count(1001).max_count(1001).send().await);
    met.refused("DryRunOperation", launch.clone().dry_run(true).send().await);
    let mapped = |volume| BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(volume).build();
    let small = mapped(EbsBlockDevice::builder().volume_size(1).build());
    met.refused("InvalidBlockDeviceMapping", launch.clone().block_device_mappings(small).send().await);
    let unencrypted = mapped(EbsBlockDevice::builder().kms_key_id("key").build());
    met.refused("InvalidParameterDependency", launch.block_device_mappings(unencrypted).send().await);
}

fn on(tenancy: Tenancy, host: Option<&str>) -> Placement {
    Placement::builder().tenancy(tenancy).set_host_id(host.map(str::to_owned)).build()
}

/// Dedicated Hosts, and launches on them.
async fn hosts(met: &mut Met, aws: &Aws, source: &str) {
    let launch = aws.launching(source);
    let refused_on = async |met: &mut Met, code: &'static str, placement: Placement| {
        met.refused(code, launch.clone().placement(placement).send().await);
    };
    let no_host = "h-0123456789abcdef0";
    let none = Some(no_host);
    refused_on(met, "InvalidHostID.NotFound", on(Tenancy::Host, none)).await;
    refused_on(met, "InvalidHostID.Malformed", on(Tenancy::Host, Some("host-1"))).await;
    refused_on(met, "InvalidParameterCombination", on(Tenancy::Dedicated, none)).await;
    refused_on(met, "IncompatibleHostRequirements", on(Tenancy::Host, None)).await;
    let group = Placement::builder().host_resource_group_arn("arn:aws:resource-groups:eu-west-1:1:group/g").build();
    refused_on(met, "UnsupportedOperation", group).await;
    let subnets = aws.ec2.describe_subnets().send().await.unwrap();
    let zone = subnets.subnets()[0].availability_zone().unwrap();
    let make = aws.ec2.allocate_hosts().availability_zone(zone).quantity(1);
    met.refused("MissingParameter", make.clone().send().await);
    met.refused("InvalidHostConfiguration", make.clone().instance_type("t2.micro").send().await);
    let both = make.clone().instance_type("m5.large").instance_family("m5");
    met.refused("InvalidParameterCombination", both.send().await);
    met.refused("HostLimitExceeded", make.clone().instance_family("c5").quantity(9).send().await);
    let made = make.instance_family("t3").send().await.unwrap();
    let id = made.host_ids()[0].clone();
    let other = launch.clone().instance_type(InstanceType::M5Large).placement(on(Tenancy::Host, Some(&id)));
    met.refused("InvalidHostConfiguration", other.send().await);
    let many = launch.clone().min_count(900).max_count(900).placement(on(Tenancy::Host, Some(&id)));
    met.refused("InsufficientCapacityOnHost", many.send().await);
    let running = aws.launched(launch.clone().placement(on(Tenancy::Host, Some(&id)))).await;
    let kept = aws.ec2.release_hosts().host_ids(&id).send().await.unwrap();
    let error = kept.unsuccessful()[0].error().unwrap();
    assert_eq!(error.code(), Some("Client.InvalidHost.Occupied"));
    met.0.insert("InvalidHost.Occupied".to_owned()); // the answer has it for one host
    aws.terminate(&running).await;
    let released = aws.ec2.release_hosts().host_ids(&id).send().await.unwrap();
    assert_eq!(released.successful(), std::slice::from_ref(&id), "{released:?}");
    refused_on(met, "InvalidHostState", on(Tenancy::Host, Some(&id))).await;
    met.refused("InvalidHostID.NotFound", aws.ec2.describe_hosts().host_ids(no_host).send().await);
}

/// A type that a zone does not have, and an image that has to be subscribed to.
async fn not_to_be_had(met: &mut Met, aws: &Aws, local: &Local) {
    let subnets = aws.ec2.describe_subnets().send().await.unwrap();
    let (subnet, zone) = (subnets.subnets()[0].subnet_id().unwrap(), subnets.subnets()[0].availability_zone().unwrap());
    let change = json!({"notOffered": {"t3.small": [zone]}, "productCodes": {local.source(): "4t9example"}});
    let launch = aws.launching(local.source());
    let changed = local.set(&change, json!({"notOffered": {}, "productCodes": {}}));
    met.refused("OptInRequired", launch.clone().send().await);
    drop(changed);
    let changed = local.set(&json!({"notOffered": {"t3.small": [zone]}}), json!({"notOffered": {}}));
    met.refused("Unsupported", launch.clone().subnet_id(subnet).send().await);
    let elsewhere = launch.clone().dry_run(true);
    met.refused("DryRunOperation", elsewhere.send().await);
    drop(changed);
    met.refused("DryRunOperation", launch.subnet_id(subnet).dry_run(true).send().await);
}

/// An account whose subnets are none that launches fall back on.
async fn no_subnet(met: &mut Met, local: &Local) {
    let aws = local.aws("200000000021");
    let found = aws.ec2.describe_subnets().send().await.unwrap();
    let moved = |subnet: &Subnet| json!({"id": subnet.subnet_id().unwrap(), "vpcId": "vpc-0123456789abcdef0"});
    let subnets: Vec<_> = found.subnets().iter().map(moved).collect();
    let handed = json!({"account": aws.account, "region": REGION, "subnets": subnets});
    local.post("resources", &handed).unwrap();
    met.refused("MissingInput", aws.launching(local.source()).send().await);
}

/// A subnet with eleven addresses for instances, one of which is had by name.
async fn full_subnet(met: &mut Met, local: &Local) {
    let aws = local.aws("200000000022");
    let subnet = "subnet-0fedcba9876543210";
    let handed =
        json!({"account": aws.account, "region": REGION, "subnets": [{"id": subnet, "cidr": "172.31.64.16/28"}]});
    local.post("resources", &handed).unwrap();
    let launch = aws.launching(local.source()).subnet_id(subnet).min_count(12).max_count(12);
    met.refused("InsufficientFreeAddressesInSubnet", launch.send().await);
    let launch = aws.launching(local.source()).subnet_id(subnet).private_ip_address("172.31.64.20");
    let id = first_id(launch.clone().send().await.unwrap().instances());
    met.refused("InvalidIPAddress.InUse", launch.clone().send().await);
    met.refused("InvalidParameterValue", launch.clone().private_ip_address("172.31.64.19").send().await);
    met.refused("InvalidParameterCombination", launch.max_count(2).send().await);
    aws.terminate(&id).await;
    // Where the machine has no room, which only a suite of its own may bring about.
    local.arm(&aws.account, json!([{"when": {"action": "RunInstances"}, "do": "capacity"}]));
    let launch = aws.without_retries().launching(local.source());
    met.refused("InsufficientInstanceCapacity", launch.send().await);
}

async fn attributes(met: &mut Met, aws: &Aws, id: &str) {
    let modify = aws.ec2.modify_instance_attribute().instance_id(id);
    let keep = |keep| modify.clone().disable_api_termination(AttributeBooleanValue::builder().value(keep).build());
    keep(true).send().await.unwrap();
    met.refused("OperationNotPermitted", aws.ec2.terminate_instances().instance_ids(id).send().await);
    keep(false).send().await.unwrap();
    let volume = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(true).build();
    let device = InstanceBlockDeviceMappingSpecification::builder().device_name("/dev/none").ebs(volume).build();
    met.refused("InvalidInstanceAttributeValue", modify.clone().block_device_mappings(device).send().await);
}

async fn tags(met: &mut Met, aws: &Aws, id: &str) {
    let tag = |key: String| Tag::builder().key(key).value("").build();
    let many = (0..51).map(|number| tag(number.to_string())).collect();
    met.refused("TagLimitExceeded", aws.ec2.create_tags().resources(id).set_tags(Some(many)).send().await);
    met.refused("InvalidID", aws.ec2.create_tags().resources("thing-1").tags(tag("key".to_owned())).send().await);
}
