//! DescribeSubnets, DescribeVpcs, DescribeRegions and DescribeAvailabilityZones.

use super::Call;
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::Tags;

/// Regions that the endpoint answers for. Others work too: these are what is listed.
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

pub(super) fn describe_regions(call: &Call<'_>) -> Result<Xml, ApiError> {
    let asked = call.params.list("RegionName");
    if let Some(name) = asked.iter().find(|name| !REGIONS.contains(&name.as_str())) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid region names: [{name}]")));
    }
    let mut xml = Xml::new();
    let shown = REGIONS.iter().filter(|name| asked.is_empty() || asked.iter().any(|one| one == *name));
    xml.items("regionInfo", shown, |xml, name| {
        xml.text("regionName", name)
            .text("regionEndpoint", format!("ec2.{name}.amazonaws.com"))
            .text("optInStatus", "opt-in-not-required");
    });
    Ok(xml)
}

pub(super) fn describe_subnets(call: &Call<'_>) -> Result<Xml, ApiError> {
    let known = ["default-for-az", "vpc-id", "subnet-id", "availability-zone", "state"];
    let filters = Filters::read(call.params, &known)?;
    let network = call.endpoint.world().network(call.scope);
    let ids = call.params.list("SubnetId");
    ids.iter().try_for_each(|id| network.subnet(Some(id)).map(drop))?;
    let mut subnets = network.subnets;
    subnets.retain(|subnet| ids.is_empty() || ids.contains(&subnet.id));
    subnets.retain(|subnet| {
        filters.pass(&subnet.tags, |name| {
            vec![match name {
                "default-for-az" => subnet.default.to_string(),
                "vpc-id" => subnet.vpc_id.clone(),
                "subnet-id" => subnet.id.clone(),
                "availability-zone" => subnet.zone.clone(),
                _ => "available".to_owned(),
            }]
        })
    });
    let (subnets, next) = page(call, subnets)?;
    let mut xml = Xml::new();
    xml.items("subnetSet", subnets, |xml, subnet| {
        xml.text("subnetId", &subnet.id)
            .text("state", "available")
            .text("vpcId", &subnet.vpc_id)
            .text("cidrBlock", &subnet.cidr)
            .text("availableIpAddressCount", 4091)
            .text("availabilityZone", &subnet.zone)
            .text("defaultForAz", subnet.default)
            .text("mapPublicIpOnLaunch", subnet.default)
            .text("ownerId", &call.scope.account)
            .tags(&subnet.tags);
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

pub(super) fn describe_vpcs(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &["is-default", "isDefault", "vpc-id", "state"])?;
    let vpc = call.endpoint.world().network(call.scope).vpc_id;
    let ids = call.params.list("VpcId");
    if let Some(id) = ids.iter().find(|id| **id != vpc) {
        return Err(ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")));
    }
    let pass = filters.pass(&Tags::new(), |name| {
        vec![match name {
            "vpc-id" => vpc.clone(),
            "state" => "available".to_owned(),
            _ => "true".to_owned(),
        }]
    });
    let mut xml = Xml::new();
    xml.items("vpcSet", pass.then_some(vpc), |xml, vpc| {
        xml.text("vpcId", vpc)
            .text("ownerId", &call.scope.account)
            .text("state", "available")
            .text("cidrBlock", "172.31.0.0/16")
            .text("isDefault", true)
            .tags(&Tags::new());
    });
    Ok(xml)
}

/// The zone of every subnet, and one more: launches know only those with a subnet.
pub(super) fn describe_availability_zones(call: &Call<'_>) -> Result<Xml, ApiError> {
    let region = &call.scope.region;
    let zones = ["a", "b", "c"].map(|letter| format!("{region}{letter}"));
    let asked = call.params.list("ZoneName");
    if let Some(name) = asked.iter().find(|name| !zones.contains(name)) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid availability zone: [{name}]")));
    }
    let mut xml = Xml::new();
    let shown = zones.iter().zip(1..).filter(|(zone, _)| asked.is_empty() || asked.contains(zone));
    xml.items("availabilityZoneInfo", shown, |xml, (zone, number)| {
        xml.text("zoneName", zone)
            .text("zoneState", "available")
            .text("regionName", region)
            .text("zoneId", format!("{region}-az{number}"))
            .text("optInStatus", "opt-in-not-required")
            .text("zoneType", "availability-zone")
            .text("groupName", region)
            .text("networkBorderGroup", region);
    });
    Ok(xml)
}
