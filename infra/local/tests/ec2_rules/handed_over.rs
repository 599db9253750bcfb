//! What may be handed over, and what a refusal of it says.

use serde_json::{Value, json};

use crate::common::Client;
use crate::{endpoint, hand_over};

const VPC: &str = "vpc-0aaaaaaaaaaaaaaa1";
const OTHER_VPC: &str = "vpc-0aaaaaaaaaaaaaaa2";

/// Hands over what must be refused. Tells why it is.
fn refusal(client: Client, what: &Value) -> String {
    let mut body = json!({"region": "eu-west-1"});
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    let refused = client.send("POST", "/_local/resources", "ec2", "", &body.to_string()).unwrap();
    assert_eq!(refused.status, 400, "{what}: {}", refused.body);
    serde_json::from_str::<Value>(&refused.body).unwrap()["error"].as_str().unwrap().to_owned()
}

fn subnet(id: &str, vpc: &str, cidr: &str) -> Value {
    json!({"id": id, "vpcId": vpc, "cidr": cidr})
}

/// Ids and blocks of all subnets.
fn subnets(client: Client) -> Vec<(String, String)> {
    let found = client.ec2("DescribeSubnets", &[]);
    found.elements("subnetId").into_iter().zip(found.elements("cidrBlock")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subnet_has_a_block_that_its_vpc_can_give_it() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(client, json!({"subnets": [subnet("subnet-0aaaaaaaaaaaaaaa1", VPC, "10.1.0.0/20")]}));
    let before = subnets(client);
    let default = client.ec2_value("DescribeVpcs", &[], "vpcId");
    for (vpc, cidr, reason) in [
        (VPC, "ten", "'ten' is not an IPv4 CIDR block such as 10.0.0.0/24"),
        (VPC, "10.2.0.0", "'10.2.0.0' is not an IPv4 CIDR block such as 10.0.0.0/24"),
        (VPC, "10.2.0.0/33", "'10.2.0.0/33' is not an IPv4 CIDR block such as 10.0.0.0/24"),
        (VPC, "10.2.0.9/24", "'10.2.0.9/24' has host bits set: its block is 10.2.0.0/24"),
        (VPC, "10.0.0.0/15", "'10.0.0.0/15' must have the size of a subnet, from /16 to /28"),
        (VPC, "10.2.0.0/29", "'10.2.0.0/29' must have the size of a subnet, from /16 to /28"),
        (&*default, "10.2.0.0/24", "'10.2.0.0/24' is outside of its VPC, which is 172.31.0.0/16"),
        (
            VPC,
            "10.1.15.0/24",
            "10.1.15.0/24 overlaps 10.1.0.0/20, which is subnet-0aaaaaaaaaaaaaaa1 of the same VPC, vpc-0aaaaaaaaaaaaaaa1",
        ),
    ] {
        // All or nothing: also what comes before it is not taken.
        let body = json!({"kmsKeys": [{"id": "k1"}],
            "subnets": [subnet("subnet-0aaaaaaaaaaaaaaa2", VPC, "10.1.16.0/24"), subnet("subnet-0bad", vpc, cidr)]});
        assert_eq!(refusal(client, &body), format!("subnets[1].cidr: {reason}"));
    }
    assert_eq!(subnets(client), before);
    assert_eq!(client.admin("GET", "inventory", &Value::Null)["kmsKeys"], json!([]));
    // Valid cases: a block in another VPC, and the same block again.
    let again = subnet("subnet-0aaaaaaaaaaaaaaa1", VPC, "10.1.0.0/20");
    hand_over(client, json!({"subnets": [again, subnet("subnet-0aaaaaaaaaaaaaaa3", OTHER_VPC, "10.1.15.0/24")]}));
    assert_eq!(subnets(client).len(), before.len() + 1);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_without_given_blocks_get_blocks_of_their_own() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let own = subnets(client);
    let body = json!({"subnets": [{"id": "subnet-0aaaaaaaaaaaaaaa1"}, {"id": "subnet-0aaaaaaaaaaaaaaa2", "vpcId": VPC},
        {"id": "subnet-0aaaaaaaaaaaaaaa3", "vpcId": VPC}, {"id": own[1].0}]});
    // Handing over twice changes nothing.
    for _ in 0..2 {
        hand_over(client, body.clone());
        let after = subnets(client);
        assert_eq!(after[..3], own[..]);
        let blocks: Vec<&str> = after[3..].iter().map(|(_, cidr)| cidr.as_str()).collect();
        assert_eq!(blocks, ["172.31.48.0/24", "10.0.0.0/24", "10.0.1.0/24"]);
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_subnet_has_the_id_that_is_handed_over() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let own = subnets(client);
    let handed = |(number, (_, cidr)): (usize, &(String, String))| json!({"id": format!("subnet-0aaaaaaaaaaaaaaa{number}"), "vpcId": VPC, "cidr": cidr});
    let handed: Vec<Value> = own.iter().enumerate().map(handed).collect();
    for _ in 0..2 {
        hand_over(client, json!({"defaultVpc": VPC, "subnets": handed}));
        assert_eq!(subnets(client).len(), own.len());
    }
    let image = crate::source(client);
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small")];
    assert_eq!(client.ec2_value("RunInstances", &run, "subnetId"), "subnet-0aaaaaaaaaaaaaaa0");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_field_and_what_was_expected() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let profile = "expected the name or ARN of an instance profile, or both its `name` and the ARN of its `role`";
    for (what, path, expected) in [
        (json!({"instanceProfiles": ["builder", 5]}), "instanceProfiles[1]", profile),
        (json!({"instanceProfiles": [{"name": "builder"}]}), "instanceProfiles[0]", profile),
        (json!({"instanceProfiles": [{"name": "builder", "rol": "x", "role": "y"}]}), "instanceProfiles[0]", profile),
        (json!({"defaultVpc": 5}), "defaultVpc", "expected the id of the default VPC, or `false` if there is none"),
        (json!({"subnets": "one"}), "subnets", "expected a sequence"),
        (json!({"subnets": [{"id": "subnet-1", "CIDR": "x"}]}), "subnets[0].CIDR", "expected one of `id`, `vpcId`"),
        (json!({"securityGroups": [{"name": "x"}]}), "securityGroups[0]", "missing field `id`"),
        (json!({"kmsKeys": [{"manager": "me"}]}), "kmsKeys[0].manager", "expected `AWS` or `CUSTOMER`"),
    ] {
        let refused = refusal(client, &what);
        assert!(refused.starts_with(&format!("{path}: ")) && refused.contains(expected), "{what}: {refused}");
    }
    endpoint.stop().await;
}
