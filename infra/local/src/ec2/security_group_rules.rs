//! AuthorizeSecurityGroupIngress, -Egress, RevokeSecurityGroupIngress and -Egress.

use super::call::{Call, Row};
use super::params::Params;
use super::xml::Xml;
use crate::api::ApiError;
use crate::ids;
use crate::world::{Network, Peer, Rule, SecurityGroup};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("AuthorizeSecurityGroupIngress", |call| authorize(call, Direction::In)),
    ("AuthorizeSecurityGroupEgress", |call| authorize(call, Direction::Out)),
    ("RevokeSecurityGroupIngress", |call| revoke(call, Direction::In)),
    ("RevokeSecurityGroupEgress", |call| revoke(call, Direction::Out)),
];

/// AWS's quota for the rules of one direction in a group.
const MOST_RULES: usize = 60;

/// Direction of a group's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

impl Direction {
    fn rules(self, group: &mut SecurityGroup) -> &mut Vec<Rule> {
        if self == Direction::In { &mut group.ingress } else { &mut group.egress }
    }
}

/// Adds rules, all or none. A rule that exists already is rejected.
fn authorize(call: &Call<'_>, direction: Direction) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let before = world.network(call.scope);
    let id = group_id(call, &before)?;
    let new = rules(call.params, &before)?;
    let network = world.change_network(call.scope);
    let group = network.group_mut(&id)?;
    let have = direction.rules(group);
    // Each range of addresses counts as a rule, even if one permission of the call lists several (Amazon VPC quotas).
    if have.len() + new.len() > MOST_RULES {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(ApiError::new("RulesPerSecurityGroupLimitExceeded", message));
    }
    if let Some(rule) = new.iter().find(|rule| have.iter().any(|one| one.allows_as(rule))) {
        let message = format!("the specified rule \"peer: {:?}, {}\" already exists", rule.peer, rule.protocol);
        return Err(ApiError::new("InvalidPermission.Duplicate", message));
    }
    call.check_dry_run()?;
    have.extend(new.iter().cloned());
    let mut xml = Xml::done();
    xml.items("securityGroupRuleSet", &new, |xml, rule| item(xml, call, &id, direction, rule));
    Ok(xml)
}

/// Removes rules, by their id or by their content. A rule that does not exist is rejected.
fn revoke(call: &Call<'_>, direction: Direction) -> Result<Xml, ApiError> {
    let ids = call.params.list("SecurityGroupRuleId");
    let mut world = call.endpoint.world();
    let before = world.network(call.scope);
    let id = group_id(call, &before)?;
    let wanted = if ids.is_empty() { rules(call.params, &before)? } else { Vec::new() };
    let group = world.change_network(call.scope).group_mut(&id)?;
    let have = direction.rules(group);
    let there = wanted.iter().all(|rule| have.iter().any(|one| one.allows_as(rule)))
        && ids.iter().all(|id| have.iter().any(|one| one.id == *id));
    if !there {
        let message = "The specified rule does not exist in this security group.";
        return Err(ApiError::new("InvalidPermission.NotFound", message));
    }
    call.check_dry_run()?;
    have.retain(|rule| !ids.contains(&rule.id) && !wanted.iter().any(|one| one.allows_as(rule)));
    Ok(Xml::done())
}

fn group_id(call: &Call<'_>, network: &Network) -> Result<String, ApiError> {
    let found = match call.params.get("GroupName") {
        Some(name) if call.params.get("GroupId").is_none() => network.group_named(name)?,
        _ => network.group(call.params.require("GroupId")?)?,
    };
    Ok(found.id.clone())
}

/// Reads both forms: `IpPermissions.N`, and the fields of one rule in the call itself.
fn rules(params: &Params, network: &Network) -> Result<Vec<Rule>, ApiError> {
    let mut permissions = params.structures("IpPermissions");
    if permissions.is_empty() {
        permissions.push(params.clone());
    }
    let mut rules = Vec::new();
    for permission in &permissions {
        let protocol = permission.require("IpProtocol")?;
        for (peer, description) in peers(permission, network)? {
            rules.push(Rule {
                id: ids::resource("sgr"),
                protocol: protocol.to_owned(),
                from_port: permission.number("FromPort")?,
                to_port: permission.number("ToPort")?,
                peer,
                description,
            });
        }
    }
    Ok(rules)
}

fn peers(permission: &Params, network: &Network) -> Result<Vec<(Peer, Option<String>)>, ApiError> {
    let mut peers = Vec::new();
    type Make = fn(String) -> Peer;
    let lists: [(&str, &str, Make); 2] = [("IpRanges", "CidrIp", Peer::V4), ("Ipv6Ranges", "CidrIpv6", Peer::V6)];
    for (list, field, make) in lists {
        for one in permission.structures(list) {
            peers.push((make(one.require(field)?.to_owned()), one.get("Description").map(str::to_owned)));
        }
    }
    for one in permission.structures("Groups") {
        let group = match (one.get("GroupId"), one.get("GroupName")) {
            (None, Some(name)) => network.group_named(name)?,
            _ => network.group(one.require("GroupId")?)?,
        };
        peers.push((Peer::Group(group.id.clone()), one.get("Description").map(str::to_owned)));
    }
    peers.extend(permission.get("CidrIp").map(|cidr| (Peer::V4(cidr.to_owned()), None)));
    match peers.iter().find(|(peer, _)| matches!(peer, Peer::V4(cidr) | Peer::V6(cidr) if !cidr.contains('/'))) {
        Some((peer, _)) => {
            let message = format!("CIDR block {peer:?} is malformed");
            Err(ApiError::new("InvalidParameterValue", message))
        }
        None if peers.is_empty() => {
            Err(ApiError::new("MissingParameter", "The request must contain a source or destination of the rule"))
        }
        None => Ok(peers),
    }
}

fn item(xml: &mut Xml, call: &Call<'_>, group: &str, direction: Direction, rule: &Rule) {
    xml.text("securityGroupRuleId", &rule.id)
        .text("groupId", group)
        .text("groupOwnerId", &call.scope.account)
        .text("isEgress", direction == Direction::Out)
        .text("ipProtocol", &rule.protocol)
        .text("fromPort", rule.from_port.unwrap_or(-1))
        .text("toPort", rule.to_port.unwrap_or(-1));
    match &rule.peer {
        Peer::V4(cidr) => drop(xml.text("cidrIpv4", cidr)),
        Peer::V6(cidr) => drop(xml.text("cidrIpv6", cidr)),
        Peer::Group(id) => drop(xml.node("referencedGroupInfo", |xml| {
            xml.text("groupId", id).text("userId", &call.scope.account);
        })),
    }
    xml.maybe("description", rule.description.as_ref());
}
