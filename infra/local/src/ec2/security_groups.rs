//! CreateSecurityGroup, DeleteSecurityGroup and DescribeSecurityGroups.

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::GROUPS;
use super::xml::Xml;
use crate::api::ApiError;
use crate::ids;
use crate::world::{InstanceState, Peer, Rule, SecurityGroup, no_default_vpc};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("CreateSecurityGroup", create), ("DeleteSecurityGroup", delete), ("DescribeSecurityGroups", describe)];

/// Makes a group that allows all outgoing and no incoming traffic.
fn create(call: &Call<'_>) -> Result<Xml, ApiError> {
    let name = call.params.require("GroupName")?;
    let description = call.params.require("GroupDescription")?;
    let tags = call.params.tags_for("security-group")?;
    let mut world = call.endpoint.world();
    let network = world.network(call.scope);
    let vpc = match call.params.get("VpcId") {
        Some(vpc) => vpc.to_owned(),
        None if network.no_default_vpc => return Err(no_default_vpc()),
        None => network.vpc_id.clone(),
    };
    if !network.has_vpc(&vpc) {
        return Err(ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{vpc}' does not exist")));
    }
    // A name is unique in its VPC, not in the account (EC2 API reference, CreateSecurityGroup).
    if network.security_groups.iter().any(|group| group.name == name && group.vpc_id == vpc) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(ApiError::new("InvalidGroup.Duplicate", message));
    }
    call.check_dry_run()?;
    let mut group = SecurityGroup::new(ids::resource("sg"), name, &vpc);
    description.clone_into(&mut group.description);
    group.tags = tags;
    let mut xml = Xml::done();
    xml.text("groupId", &group.id).text("securityGroupArn", arn(call, &group.id)).tags(&group.tags);
    world.change_network(call.scope).security_groups.push(group);
    Ok(xml)
}

/// Deletes a group that no instance uses.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let network = world.network(call.scope);
    let group = match (call.params.get("GroupId"), call.params.get("GroupName")) {
        (Some(id), _) => network.group(id)?,
        (None, Some(name)) => network.group_named(name)?,
        (None, None) => {
            return Err(ApiError::new("MissingParameter", "The request must contain the parameter GroupId"));
        }
    };
    if group.name == "default" {
        let message = format!("The specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id);
        return Err(ApiError::new("CannotDelete", message));
    }
    let id = group.id.clone();
    // DescribeInstances shows a terminated instance for a while, but its groups are free at once.
    let mut live = world.instances.values().filter(|one| one.state() != InstanceState::Terminated);
    if live.any(|one| one.security_groups.contains(&id)) {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    call.check_dry_run()?;
    world.change_network(call.scope).security_groups.retain(|group| group.id != id);
    let mut xml = Xml::done();
    xml.text("groupId", id);
    Ok(xml)
}

/// Describes groups by id or by name, or all groups.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &GROUPS)?;
    let network = call.endpoint.world().network(call.scope);
    let (ids, names) = (call.params.list("GroupId"), call.params.list("GroupName"));
    ids.iter().try_for_each(|id| network.group(id).map(drop))?;
    names.iter().try_for_each(|name| network.group_named(name).map(drop))?;
    let mut groups = network.security_groups;
    groups
        .retain(|group| (ids.is_empty() && names.is_empty()) || ids.contains(&group.id) || names.contains(&group.name));
    filters::answer(call, "securityGroupInfo", filters.keep(groups, |xml, group| item(xml, call, &group)))
}

/// Returns the ARN of a group.
fn arn(call: &Call<'_>, id: &str) -> String {
    format!("arn:aws:ec2:{}:{}:security-group/{id}", call.scope.region, call.scope.account)
}

fn item(xml: &mut Xml, call: &Call<'_>, group: &SecurityGroup) {
    let account = &call.scope.account;
    xml.text("ownerId", account)
        .text("groupId", &group.id)
        .text("securityGroupArn", arn(call, &group.id))
        .text("groupName", &group.name)
        .text("groupDescription", &group.description)
        .text("vpcId", &group.vpc_id)
        .items("ipPermissions", &group.ingress, |xml, rule| permission(xml, account, rule))
        .items("ipPermissionsEgress", &group.egress, |xml, rule| permission(xml, account, rule))
        .tags(&group.tags);
}

/// Writes a rule as `IpPermission`.
fn permission(xml: &mut Xml, account: &str, rule: &Rule) {
    xml.text("ipProtocol", &rule.protocol).maybe("fromPort", rule.from_port).maybe("toPort", rule.to_port);
    let only = |kind: &str| {
        let (own, field, value) = match &rule.peer {
            Peer::V4(cidr) => ("ipRanges", "cidrIp", cidr),
            Peer::V6(cidr) => ("ipv6Ranges", "cidrIpv6", cidr),
            Peer::Group(id) => ("groups", "groupId", id),
        };
        (own == kind).then_some((field, value))
    };
    for kind in ["groups", "ipRanges", "ipv6Ranges"] {
        xml.items(kind, only(kind), |xml, (field, value)| {
            if kind == "groups" {
                xml.text("userId", account);
            }
            xml.text(field, value).maybe("description", rule.description.as_ref());
        });
    }
    xml.items("prefixListIds", None::<()>, |_, ()| {});
}
