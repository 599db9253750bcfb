//! Which security groups and subnets go together, and the addresses that subnets give.

use serde_json::json;

use crate::common::{TestEndpoint, until};
use crate::{endpoint, hand_over, source};

const SUBNET: &str = "subnet-0aaaaaaaaaaaaaaa1";
const GROUP: &str = "sg-0aaaaaaaaaaaaaaa1";
const VPC: &str = "vpc-0aaaaaaaaaaaaaaa1";

#[tokio::test(flavor = "multi_thread")]
async fn a_security_group_and_a_subnet_are_of_one_vpc() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(
        client,
        json!({"subnets": [{"id": SUBNET, "vpcId": VPC}], "securityGroups": [{"id": GROUP, "vpcId": VPC}]}),
    );
    let image = source(client);
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small")];
    // The subnet that is not named is the default VPC's.
    let group = [run[0], run[1], ("SecurityGroupId.1", GROUP)];
    let refused = client.ec2("RunInstances", &group);
    assert_eq!(refused.element("Code").as_deref(), Some("InvalidParameter"));
    let message = refused.element("Message").unwrap();
    assert!(message.starts_with(&format!("Security group {GROUP} and subnet subnet-")), "{message}");
    let default = client.ec2_value("DescribeSecurityGroups", &[("GroupName.1", "default")], "groupId");
    let wrong = [run[0], run[1], ("SubnetId", SUBNET), ("SecurityGroupId.1", &default)];
    assert_eq!(client.ec2_error("RunInstances", &wrong), "InvalidParameter");
    let right = [group[0], group[1], group[2], ("SubnetId", SUBNET)];
    assert_eq!(client.ec2_value("RunInstances", &right, "vpcId"), VPC);
    // Without a group, it is the default one of the subnet's VPC.
    let own = client.ec2_value("RunInstances", &[run[0], run[1], ("SubnetId", SUBNET)], "groupId");
    assert_eq!(client.ec2_value("DescribeSecurityGroups", &[("GroupId.1", &own)], "vpcId"), VPC);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_vpc_is_the_one_that_was_handed_over() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(client, json!({"defaultVpc": VPC, "securityGroups": [{"id": GROUP, "vpcId": VPC}]}));
    assert_eq!(client.ec2_value("DescribeVpcs", &[], "vpcId"), VPC);
    let image = source(client);
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small"), ("SecurityGroupId.1", GROUP)];
    assert_eq!(client.ec2_value("RunInstances", &run, "vpcId"), VPC);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_may_have_no_default_vpc() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(client, json!({"subnets": [{"id": SUBNET, "vpcId": VPC}], "defaultVpc": false}));
    let image = source(client);
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small")];
    assert_eq!(client.ec2_error("RunInstances", &run), "VPCIdNotSpecified");
    let group = [("GroupName", "web"), ("GroupDescription", "web")];
    assert_eq!(client.ec2_error("CreateSecurityGroup", &group), "VPCIdNotSpecified");
    assert_eq!(client.ec2("DescribeVpcs", &[]).elements("vpcId"), [""; 0]);
    assert_eq!(client.ec2_value("RunInstances", &[run[0], run[1], ("SubnetId", SUBNET)], "vpcId"), VPC);
    // Another Region of the account still has its own.
    let there = client.region("us-east-1");
    let image = source(there);
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small")];
    there.ec2_value("RunInstances", &run, "vpcId");
    endpoint.stop().await;
}

/// An endpoint with a subnet of eleven addresses.
async fn with_small_subnet() -> TestEndpoint {
    let endpoint = endpoint().await;
    // So that no instance ends by itself, since none can boot here.
    endpoint.client.admin("POST", "settings", &json!({"delays": {"profile": "realistic"}}));
    hand_over(endpoint.client, json!({"subnets": [{"id": SUBNET, "vpcId": VPC, "cidr": "10.1.2.16/28"}]}));
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_has_an_address_of_its_own_in_its_subnet() {
    let endpoint = with_small_subnet().await;
    let client = endpoint.client;
    let image = source(client);
    let run = |least, most| {
        let form = [("ImageId", image.as_str()), ("SubnetId", SUBNET), ("MinCount", least), ("MaxCount", most)];
        client.ec2("RunInstances", &form)
    };
    assert_eq!(run("12", "12").element("Code").as_deref(), Some("InsufficientFreeAddressesInSubnet"));
    let mut addresses = run("4", "4").elements("privateIpAddress");
    // Of more than there is place for, as many are launched as there is, when they are enough.
    assert_eq!(run("8", "20").element("Code").as_deref(), Some("InsufficientFreeAddressesInSubnet"));
    addresses.extend(run("7", "20").elements("privateIpAddress"));
    addresses.sort();
    addresses.dedup();
    let mut expected: Vec<String> = (20..31).map(|last| format!("10.1.2.{last}")).collect();
    expected.sort();
    assert_eq!(addresses, expected);
    assert_eq!(run("1", "1").element("Code").as_deref(), Some("InsufficientFreeAddressesInSubnet"));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_belongs_to_one_instance_until_it_is_terminated() {
    let endpoint = with_small_subnet().await;
    let client = endpoint.client;
    let image = source(client);
    let form = |name, address| [("ImageId", image.as_str()), ("SubnetId", SUBNET), (name, address)];
    let run = |address| client.ec2("RunInstances", &form("PrivateIpAddress", address));
    let free = || client.ec2_value("DescribeSubnets", &[("SubnetId.1", SUBNET)], "availableIpAddressCount");
    assert_eq!(free(), "11");
    let first = run("10.1.2.20");
    assert_eq!(first.element("privateIpAddress").as_deref(), Some("10.1.2.20"));
    assert_eq!(free(), "10");
    let second = run("10.1.2.20");
    assert_eq!(second.element("Code").as_deref(), Some("InvalidIPAddress.InUse"));
    assert_eq!(second.element("Message").as_deref(), Some("Address 10.1.2.20 is in use."));
    client.admin("POST", "settings", &json!({"delays": {"profile": "instant"}}));
    let id = first.element("instanceId").unwrap();
    client.ec2_value("TerminateInstances", &[("InstanceId.1", &id)], "instanceId");
    let by_id = [("InstanceId.1", id.as_str())];
    let ended = || client.ec2("DescribeInstances", &by_id).body.contains("<name>terminated</name>");
    until("the end", || ended().then_some(())).await;
    assert_eq!(free(), "11");
    assert_eq!(run("10.1.2.20").element("privateIpAddress").as_deref(), Some("10.1.2.20"));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_asked_for_is_one_that_the_subnet_gives() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(client, json!({"subnets": [{"id": SUBNET, "vpcId": VPC, "cidr": "10.1.2.16/28"}]}));
    let image = source(client);
    let run = |name: &str, address, most| {
        // What a client says of the interface, it says all there.
        let subnet = if name.contains('.') { "NetworkInterface.1.SubnetId" } else { "SubnetId" };
        let form = [("ImageId", &*image), (subnet, SUBNET), ("MinCount", "1"), ("MaxCount", most), (name, address)];
        client.ec2("RunInstances", &form)
    };
    for address in ["10.1.2.16", "10.1.2.17", "10.1.2.18", "10.1.2.19", "10.1.2.31"] {
        let refused = run("PrivateIpAddress", address, "1");
        assert_eq!(refused.element("Code").as_deref(), Some("InvalidParameterValue"));
        let message = format!("Address {address} is in subnet's reserved address range");
        assert_eq!(refused.element("Message"), Some(message));
    }
    for outside in ["10.1.2.15", "10.1.2.32", "10.1.2.300", "ten"] {
        let refused = run("PrivateIpAddress", outside, "1");
        assert_eq!(refused.element("Code").as_deref(), Some("InvalidParameterValue"), "{}", refused.body);
    }
    // One address is for one instance, and is found wherever a client says it.
    let names = ["PrivateIpAddress", "NetworkInterface.1.PrivateIpAddress"];
    for name in names {
        let refused = run(name, "10.1.2.20", "2");
        assert_eq!(refused.element("Code").as_deref(), Some("InvalidParameterCombination"), "{}", refused.body);
    }
    for (name, address) in names.into_iter().zip(["10.1.2.20", "10.1.2.30"]) {
        assert_eq!(run(name, address, "1").element("privateIpAddress").as_deref(), Some(address));
    }
    let list = "NetworkInterface.1.PrivateIpAddresses.1";
    let (primary, first) = (format!("{list}.Primary"), format!("{list}.PrivateIpAddress"));
    let form =
        [("ImageId", &*image), ("NetworkInterface.1.SubnetId", SUBNET), (&*primary, "true"), (&*first, "10.1.2.25")];
    assert_eq!(client.ec2_value("RunInstances", &form, "privateIpAddress"), "10.1.2.25");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_an_interface_are_given_only_for_the_interface() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(
        client,
        json!({"subnets": [{"id": SUBNET, "vpcId": VPC}], "securityGroups": [{"id": GROUP, "vpcId": VPC}]}),
    );
    let image = source(client);
    let interface = [
        ("ImageId", image.as_str()),
        ("NetworkInterface.1.DeviceIndex", "0"),
        ("NetworkInterface.1.SubnetId", SUBNET),
        ("NetworkInterface.1.SecurityGroupId.1", GROUP),
    ];
    for (name, value, what) in [
        ("SubnetId", SUBNET, "subnet ID"),
        ("PrivateIpAddress", "10.0.0.9", "private IP address"),
        ("SecurityGroupId.1", GROUP, "security groups"),
        ("SecurityGroup.1", "default", "security groups"),
    ] {
        let refused = client.ec2("RunInstances", &[&interface[..], &[(name, value)]].concat());
        assert_eq!(refused.element("Code").as_deref(), Some("InvalidParameterCombination"), "{}", refused.body);
        let message =
            format!("Network interfaces and an instance-level {what} may not be specified on the same request");
        assert_eq!(refused.element("Message"), Some(message));
    }
    let launched = client.ec2("RunInstances", &interface);
    assert_eq!(launched.element("subnetId").as_deref(), Some(SUBNET));
    assert_eq!(launched.element("groupId").as_deref(), Some(GROUP));
    endpoint.stop().await;
}
