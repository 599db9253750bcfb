//! DescribeSubnets, DescribeVpcs, DescribeRegions and DescribeAvailabilityZones.

use std::collections::BTreeSet;

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::{REGIONS as REGION_FILTERS, SUBNETS, VPCS, ZONES};
use super::xml::Xml;
use crate::api::ApiError;
use crate::ids;
use crate::world::{Block, Subnet};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("ModifySubnetAttribute", modify_subnet_attribute),
    ("DescribeSubnets", describe_subnets),
    ("DescribeVpcs", describe_vpcs),
    ("DescribeRegions", describe_regions),
    ("DescribeAvailabilityZones", describe_availability_zones),
];

/// The listed Regions. The endpoint serves other Regions too.
const REGIONS: [&str; 9] = [
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-west-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
];

fn describe_regions(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &REGION_FILTERS)?;
    let asked = call.params.list("RegionName");
    let disabled = call.endpoint.settings().disabled_regions;
    let known: BTreeSet<&str> = REGIONS.into_iter().chain(disabled.iter().map(String::as_str)).collect();
    if let Some(name) = asked.iter().find(|name| !known.contains(name.as_str())) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region names: [{name}]")));
    }
    // Regions that are not enabled are shown if the call names them or requests all Regions.
    let all = call.params.flag("AllRegions");
    let is_shown = |name: &&str| match asked.as_slice() {
        [] => all || !disabled.contains(*name),
        asked => asked.iter().any(|one| one == name),
    };
    let shown = known.into_iter().filter(is_shown);
    let kept = filters.keep(shown, |xml, name| {
        xml.text("regionName", name)
            .text("regionEndpoint", format!("ec2.{name}.amazonaws.com"))
            .text("optInStatus", if disabled.contains(name) { "not-opted-in" } else { "opt-in-not-required" });
    });
    filters::answer(call, "regionInfo", kept)
}

fn describe_subnets(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &SUBNETS)?;
    let world = call.endpoint.world();
    let network = world.network(call.scope);
    let ids = call.params.list("SubnetId");
    ids.iter().try_for_each(|id| network.subnet(Some(id)).map(drop))?;
    let asked = network.subnets.iter().filter(|subnet| ids.is_empty() || ids.contains(&subnet.id));
    let free = |subnet: &Subnet| subnet.free_addresses(&world.used_addresses(call.scope, &subnet.vpc_id));
    let subnets: Vec<(&Subnet, usize)> = asked.map(|subnet| (subnet, free(subnet))).collect();
    drop(world);
    let account = &call.scope.account;
    let kept = filters.keep(subnets, |xml, (subnet, free)| {
        let arn = format!("arn:aws:ec2:{}:{account}:subnet/{}", call.scope.region, subnet.id);
        xml.text("subnetId", &subnet.id)
            .text("subnetArn", arn)
            .text("state", "available")
            .text("vpcId", &subnet.vpc_id)
            .text("cidrBlock", &subnet.cidr)
            .text("availableIpAddressCount", free)
            .text("availabilityZone", &subnet.zone)
            .text("availabilityZoneId", zone_id(&subnet.zone))
            .text("defaultForAz", subnet.default)
            .text("mapPublicIpOnLaunch", subnet.gives_public_addresses())
            .text("mapCustomerOwnedIpOnLaunch", false)
            .text("assignIpv6AddressOnCreation", false)
            .text("enableDns64", false)
            .text("ipv6Native", false)
            .text("ownerId", account);
        xml.node("privateDnsNameOptionsOnLaunch", |xml| {
            xml.text("hostnameType", "ip-name")
                .text("enableResourceNameDnsARecord", false)
                .text("enableResourceNameDnsAAAARecord", false);
        });
        xml.items("ipv6CidrBlockAssociationSet", None::<()>, |_, ()| {}).tags(&subnet.tags);
    });
    filters::answer(call, "subnetSet", kept)
}

/// Changes whether instances in a subnet get a public address. EC2 takes one attribute per call. This call's other
/// attributes do not apply to an endpoint without IPv6 and Outposts.
fn modify_subnet_attribute(call: &Call<'_>) -> Result<Xml, ApiError> {
    let id = call.params.require("SubnetId")?;
    let mut world = call.endpoint.world();
    world.network(call.scope).subnet(Some(id))?;
    let public = match call.params.require("MapPublicIpOnLaunch.Value")? {
        "true" => true,
        "false" => false,
        other => {
            let message = format!("Invalid value '{other}' for boolean parameter MapPublicIpOnLaunch.Value");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    };
    let mut subnets = world.change_network(call.scope).subnets.iter_mut();
    if let Some(subnet) = subnets.find(|subnet| subnet.id == id) {
        subnet.public = Some(public);
    }
    Ok(Xml::done())
}

/// Returns the id of a zone in AWS's form (`euw1-az1` for eu-west-1a). On AWS, the letters stand for different ids in
/// different accounts; here they are the same in all accounts.
pub(super) fn zone_id(zone: &str) -> String {
    let letter = zone.bytes().last().unwrap_or(b'a');
    let number = letter.saturating_sub(b'a') + 1;
    let region = zone.trim_end_matches(|last: char| last.is_ascii_lowercase());
    let mut parts = region.split('-');
    let mut short: String = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        short += match part {
            "gov" => "g",
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            other => &other[..other.len().min(1)],
        };
    }
    format!("{short}-az{number}")
}

fn describe_vpcs(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &VPCS)?;
    let network = call.endpoint.world().network(call.scope);
    let vpc = Some(network.vpc_id).filter(|_| !network.no_default_vpc);
    let ids = call.params.list("VpcId");
    if let Some(id) = ids.iter().find(|id| Some(*id) != vpc.as_ref()) {
        return Err(ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")));
    }
    let kept = filters.keep(vpc, |xml, vpc| {
        let association = ids::derived("vpc-cidr-assoc", &vpc);
        xml.text("vpcId", vpc)
            .text("ownerId", &call.scope.account)
            .text("state", "available")
            .text("cidrBlock", Block::OF_DEFAULT_VPC)
            .text("instanceTenancy", "default")
            .text("isDefault", true);
        xml.items("cidrBlockAssociationSet", [association], |xml, id| {
            xml.text("associationId", id).text("cidrBlock", Block::OF_DEFAULT_VPC);
            xml.nested("cidrBlockState", "state", "associated");
        });
    });
    filters::answer(call, "vpcSet", kept)
}

/// Describes the zone of every subnet, and one more zone: launches know only the zones that have a subnet.
fn describe_availability_zones(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &ZONES)?;
    let region = &call.scope.region;
    let zones = ["a", "b", "c"].map(|letter| format!("{region}{letter}"));
    let (asked, asked_ids) = (call.params.list("ZoneName"), call.params.list("ZoneId"));
    if let Some(name) = asked.iter().find(|name| !zones.contains(name)) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid availability zone: [{name}]")));
    }
    let ids = zones.each_ref().map(|zone| zone_id(zone));
    if let Some(id) = asked_ids.iter().find(|id| !ids.contains(id)) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid availability zone-id: [{id}]")));
    }
    let is_asked = |(zone, id): &(&String, &String)| {
        (asked.is_empty() && asked_ids.is_empty()) || asked.contains(zone) || asked_ids.contains(id)
    };
    let kept = filters.keep(zones.iter().zip(&ids).filter(is_asked), |xml, (zone, id)| {
        xml.text("zoneName", zone)
            .text("zoneState", "available")
            .text("regionName", region)
            .text("zoneId", id)
            .text("optInStatus", "opt-in-not-required")
            .text("zoneType", "availability-zone")
            .text("groupName", region)
            .text("networkBorderGroup", region);
    });
    filters::answer(call, "availabilityZoneInfo", kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_ids_in_awss_form() {
        let ids = ["us-east-1a", "ap-southeast-5b", "eu-central-1c", "us-gov-west-1a", "cn-northwest-1a"].map(zone_id);
        assert_eq!(ids, ["use1-az1", "apse5-az2", "euc1-az3", "usgw1-az1", "cnnw1-az1"]);
    }
}
