//! Handed-over subnets, checked against the rules of a VPC.

use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::api::{ApiError, Scope};
use crate::ids;
use crate::world::{Block, Network, SecurityGroup, Subnet, Tags};

/// Prefixes that a subnet may have (VPC user guide, "Subnet CIDR blocks").
const PREFIXES: RangeInclusive<u32> = 16..=28;
/// Prefix of a subnet that is handed over without a block.
const USUAL_PREFIX: u32 = 24;

/// A subnet that is handed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct HandedSubnet {
    id: String,
    vpc_id: Option<String>,
    availability_zone: Option<String>,
    /// If `None`, the subnet keeps its block, or gets a free one.
    cidr: Option<String>,
}

/// Adds a subnet, which is at index `number` of the request. If the default VPC has a default subnet with the same
/// block, both are the same subnet, which takes the other endpoint's id.
pub(super) fn add(network: &mut Network, scope: &Scope, number: usize, subnet: HandedSubnet) -> Result<(), ApiError> {
    let vpc_id = subnet.vpc_id.unwrap_or_else(|| network.vpc_id.clone());
    let known = network.subnets.iter().position(|one| one.id == subnet.id);
    let block = match &subnet.cidr {
        Some(cidr) => check(cidr, network.block_of(&vpc_id)),
        None => known
            .filter(|at| network.subnets[*at].vpc_id == vpc_id)
            .and_then(|at| network.subnets[at].block())
            .or_else(|| free(network, &vpc_id))
            .ok_or_else(|| format!("is required: no /{USUAL_PREFIX} of {vpc_id} is free")),
    };
    let block = block.map_err(|reason| wrong(number, &reason))?;
    let is_same = |one: &Subnet| one.default && one.vpc_id == vpc_id && one.block() == Some(block);
    let known = known.or_else(|| network.subnets.iter().position(is_same));
    let others = network.subnets.iter().enumerate().filter(|(at, one)| Some(*at) != known && one.vpc_id == vpc_id);
    if let Some(other) = others.map(|(_, one)| one).find(|one| one.block().is_some_and(|of| of.overlaps(block))) {
        let (id, cidr) = (&other.id, &other.cidr);
        return Err(wrong(number, &format!("{block} overlaps {cidr}, which is {id} of the same VPC, {vpc_id}")));
    }
    // Each VPC has a default group from its creation.
    if !network.security_groups.iter().any(|group| group.vpc_id == vpc_id && group.name == "default") {
        let group = ids::derived("sg", &format!("{scope} {vpc_id}"));
        network.security_groups.push(SecurityGroup::new(group, "default", &vpc_id));
    }
    let old = known.map(|at| network.subnets[at].clone());
    let zone = subnet.availability_zone.or_else(|| old.as_ref().map(|old| old.zone.clone()));
    let new = Subnet {
        zone: zone.unwrap_or_else(|| format!("{}a", scope.region)),
        cidr: block.to_string(),
        default: old.as_ref().is_some_and(|old| old.default) && vpc_id == network.vpc_id,
        public: old.as_ref().and_then(|old| old.public),
        tags: old.map_or_else(Tags::new, |old| old.tags),
        vpc_id,
        id: subnet.id,
    };
    // The new subnet takes the old one's position: launches that name no subnet use the first default subnet.
    match known {
        Some(at) => network.subnets[at] = new,
        None => network.subnets.push(new),
    }
    Ok(())
}

/// Returns the block if a subnet of the VPC may have it, or why it may not.
fn check(cidr: &str, of_vpc: Option<Block>) -> Result<Block, String> {
    let Ok(block) = cidr.parse::<Block>() else {
        return Err(format!("'{cidr}' is not an IPv4 CIDR block such as 10.0.0.0/24"));
    };
    if block.to_string() != cidr {
        return Err(format!("'{cidr}' has host bits set: its block is {block}"));
    }
    if !PREFIXES.contains(&block.prefix()) {
        let (most, least) = (PREFIXES.start(), PREFIXES.end());
        return Err(format!("'{cidr}' must have the size of a subnet, from /{most} to /{least}"));
    }
    match of_vpc {
        Some(vpc) if !vpc.contains(block) => Err(format!("'{cidr}' is outside of its VPC, which is {vpc}")),
        _ => Ok(block),
    }
}

/// Returns a block that no subnet of the VPC overlaps.
fn free(network: &Network, vpc: &str) -> Option<Block> {
    let of_vpc = network.block_of(vpc).unwrap_or(Block::OF_OTHER_VPCS);
    let taken = network.subnets.iter().filter(|one| one.vpc_id == vpc);
    let taken: Vec<Block> = taken.filter_map(Subnet::block).collect();
    of_vpc.parts(USUAL_PREFIX).find(|block| !taken.iter().any(|one| one.overlaps(*block)))
}

fn wrong(number: usize, reason: &str) -> ApiError {
    ApiError::new("ValidationError", format!("subnets[{number}].cidr: {reason}"))
}
