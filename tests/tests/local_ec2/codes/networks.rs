//! Codes of security groups, VPCs and key pairs.

use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{IpPermission, IpRange};
use serde_json::json;

use super::Met;
use crate::caller::{Aws, first_id};
use crate::local::Local;

pub(super) async fn meet(met: &mut Met, local: &Local) {
    let aws = local.aws("100000000023");
    groups(met, local, &aws).await;
    met.refused("InvalidVpcID.NotFound", aws.ec2.describe_vpcs().vpc_ids("vpc-0123456789abcdef0").send().await);
    routes(met, &aws).await;
    keys(met, local, &aws).await;
}

async fn routes(met: &mut Met, aws: &Aws) {
    let ec2 = &aws.ec2;
    let tables = ec2.describe_route_tables().send().await.unwrap().route_tables.unwrap();
    let [table] = tables.as_slice() else { panic!("{tables:?}") };
    let out = table.routes().iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0")).unwrap();
    let (table, gateway) = (table.route_table_id().unwrap(), out.gateway_id().unwrap());
    let create = ec2.create_route().route_table_id(table).destination_cidr_block("0.0.0.0/0").gateway_id(gateway);
    met.refused("RouteAlreadyExists", create.clone().send().await);
    let other = ec2.create_route().route_table_id(table).destination_cidr_block("10.0.0.0/8");
    met.refused("InvalidGatewayID.NotFound", other.gateway_id("igw-0123456789abcdef0").send().await);
    let delete = ec2.delete_route().route_table_id(table).destination_cidr_block("0.0.0.0/0");
    delete.clone().send().await.unwrap();
    met.refused("InvalidRoute.NotFound", delete.send().await);
    create.send().await.unwrap();
    let unknown = ec2.describe_route_tables().route_table_ids("rtb-0123456789abcdef0");
    met.refused("InvalidRouteTableID.NotFound", unknown.send().await);
    let endpoint = ec2.describe_vpc_endpoints().vpc_endpoint_ids("vpce-0123456789abcdef0");
    met.refused("InvalidVpcEndpointId.NotFound", endpoint.send().await);
}

async fn groups(met: &mut Met, local: &Local, aws: &Aws) {
    let ec2 = &aws.ec2;
    let create = ec2.create_security_group().group_name("web").description("web");
    let group = create.clone().send().await.unwrap().group_id.unwrap();
    met.refused("InvalidGroup.Duplicate", create.send().await);
    met.refused("CannotDelete", ec2.delete_security_group().group_name("default").send().await);
    let ssh = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22);
    let ssh = ssh.ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let authorize = ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(ssh.clone());
    authorize.clone().send().await.unwrap();
    met.refused("InvalidPermission.Duplicate", authorize.send().await);
    let revoke = ec2.revoke_security_group_ingress().group_id(&group).ip_permissions(ssh);
    revoke.clone().send().await.unwrap();
    met.refused("InvalidPermission.NotFound", revoke.send().await);
    let ranges = (0..61).map(|number| IpRange::builder().cidr_ip(format!("10.0.{number}.0/24")).build()).collect();
    let many = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22).set_ip_ranges(Some(ranges)).build();
    let authorize = ec2.authorize_security_group_ingress().group_id(&group).ip_permissions(many);
    met.refused("RulesPerSecurityGroupLimitExceeded", authorize.send().await);
    let made = aws.launching(local.source()).security_group_ids(&group).send().await.unwrap();
    let delete = ec2.delete_security_group().group_id(&group);
    met.refused("DependencyViolation", delete.clone().send().await);
    aws.terminate(&first_id(made.instances())).await;
    delete.send().await.unwrap();
}

async fn keys(met: &mut Met, local: &Local, aws: &Aws) {
    let import = |material: &str| aws.ec2.import_key_pair().key_name("key").public_key_material(Blob::new(material));
    met.refused("InvalidKey.Format", import("nonsense").send().await);
    import(PUBLIC).send().await.unwrap();
    met.refused("InvalidKeyPair.Duplicate", import(PUBLIC).send().await);
    // Where no key can be made, which a machine with OpenSSH does not show.
    local.arm(&aws.account, json!([{"when": {"action": "CreateKeyPair"}, "do": "fail", "code": "InternalError"}]));
    let create = aws.without_retries().ec2.create_key_pair().key_name("other");
    met.refused("InternalError", create.send().await);
}

/// A public key: its private half was thrown away.
const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
