//! Which security groups and subnets go together.

use serde_json::json;

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

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_has_an_address_of_its_own_in_its_subnet() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    // So that none ends, since none can boot here.
    client.admin("POST", "settings", &json!({"delays": {"profile": "realistic"}}));
    hand_over(client, json!({"subnets": [{"id": SUBNET, "vpcId": VPC, "cidr": "10.1.2.16/28"}]}));
    let image = source(client);
    let run = |count| {
        let form = [("ImageId", image.as_str()), ("SubnetId", SUBNET), ("MinCount", count), ("MaxCount", count)];
        client.ec2("RunInstances", &form)
    };
    assert_eq!(run("12").element("Code").as_deref(), Some("InsufficientFreeAddressesInSubnet"));
    let mut addresses = run("11").elements("privateIpAddress");
    addresses.sort();
    addresses.dedup();
    let mut expected: Vec<String> = (20..31).map(|last| format!("10.1.2.{last}")).collect();
    expected.sort();
    assert_eq!(addresses, expected);
    assert_eq!(run("1").element("Code").as_deref(), Some("InsufficientFreeAddressesInSubnet"));
    endpoint.stop().await;
}
