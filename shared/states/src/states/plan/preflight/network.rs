//! Checks where instances are launched: whether the subnets and security groups exist and are in one VPC, whether the
//! subnets are in the zone of the placement, and whether a subnet's zone has the instance types.
//!
//! If neither the infrastructure configuration nor the stack names a subnet, EC2 chooses one of the default VPC.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::Subnet;

use super::{Look, answer};
use crate::Result;
use crate::states::plan::finding::Finding;
use crate::states::plan::freeze;
use crate::states::plan::problem::Problem;

/// Returns the subnets that exist.
pub(super) async fn check(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<Vec<Subnet>> {
    let (config, infrastructure) = (&look.context.config, &look.inputs.infrastructure);
    let ids = freeze::subnets(look.inputs, &config.subnets);
    if ids.is_empty() && infrastructure.security_group_ids.is_empty() {
        return Ok(Vec::new());
    }
    let account = &look.context.cloud.account;
    let place = |field: &str| look.inputs.infrastructure_place(field);
    let subnets = account.subnets_of(&config.region, ids).await;
    let subnets = answer(subnets, || place("subnetIds"), findings)?;
    for id in missing(ids, subnets.iter().flatten().map(|subnet| &subnet.id), subnets.is_some()) {
        findings.push(place("subnetIds").has(Problem::SubnetMissing { id, region: config.region.clone() }));
    }
    if let Some(placed) = &infrastructure.placement.availability_zone {
        let elsewhere = subnets.iter().flatten().filter(|subnet| subnet.zone != *placed);
        findings.extend(elsewhere.map(|Subnet { id, zone, .. }| {
            let (id, zone, placed) = (id.clone(), zone.clone(), placed.clone());
            place("placement.availabilityZone").has(Problem::SubnetZone { id, zone, placed })
        }));
    }
    let stacks = Some(config.security_group.clone()).filter(|id| !id.is_empty());
    let groups = match infrastructure.security_group_ids.as_slice() {
        [] => stacks.into_iter().collect(),
        named => named.to_vec(),
    };
    let vpcs = account.vpcs_of_groups(&config.region, &groups).await;
    let vpcs = answer(vpcs, || place("securityGroupIds"), findings)?;
    for id in missing(&groups, vpcs.iter().flatten().map(|(id, _)| id), vpcs.is_some()) {
        findings
            .push(place("securityGroupIds").has(Problem::SecurityGroupMissing { id, region: config.region.clone() }));
    }
    let subnets = subnets.unwrap_or_default();
    let apart = apart(&subnets, &vpcs.unwrap_or_default());
    findings.extend(apart.into_iter().map(|problem| place("securityGroupIds").has(problem)));
    offered(look, &subnets, findings).await?;
    Ok(subnets)
}

/// Returns the ids that do not exist. If the read failed, none counts as missing.
fn missing<'i>(ids: &[String], found: impl Iterator<Item = &'i String>, is_read: bool) -> Vec<String> {
    let found: BTreeSet<&String> = found.collect();
    ids.iter().filter(|id| is_read && !found.contains(id)).cloned().collect()
}

/// Returns a problem for each security group, with the first subnet that is in another VPC.
fn apart(subnets: &[Subnet], groups: &BTreeMap<String, String>) -> Vec<Problem> {
    let pairs = groups.iter().filter_map(|(group, vpc)| {
        let other = subnets.iter().find(|subnet| subnet.vpc != *vpc)?;
        Some(Problem::SecurityGroupVpc {
            group: group.clone(),
            group_vpc: vpc.clone(),
            subnet: other.id.clone(),
            subnet_vpc: other.vpc.clone(),
        })
    });
    pairs.collect()
}

/// Checks that a subnet's zone offers at least one of the build's types, and each of the test's types.
async fn offered(look: &Look<'_>, subnets: &[Subnet], findings: &mut Vec<Finding>) -> Result<()> {
    let Some(types) = look.types.filter(|_| !subnets.is_empty()) else { return Ok(()) };
    let all: BTreeSet<&String> = types.build.iter().chain(&types.test).collect();
    let all: Vec<String> = all.into_iter().cloned().collect();
    let region = &look.context.config.region;
    let zones = look.context.cloud.account.zones_of_types(region, &all).await;
    let place = || look.inputs.infrastructure_place("instanceTypes");
    let Some(zones) = answer(zones, place, findings)? else { return Ok(()) };
    let own: BTreeSet<&String> = subnets.iter().map(|subnet| &subnet.zone).collect();
    let fits = |name: &&String| zones.get(*name).is_some_and(|there| own.iter().any(|zone| there.contains(*zone)));
    let problem = |names: &[String]| Problem::TypeNotOffered {
        types: names.join(" or "),
        zones: own.iter().map(|zone| zone.as_str()).collect::<Vec<_>>().join(", "),
    };
    if !types.build.is_empty() && !types.build.iter().any(|name| fits(&name)) {
        findings.push(place().has(problem(&types.build)));
        return Ok(()); // a test on one of these types would only say the same
    }
    for name in types.test.iter().filter(|name| !fits(name)) {
        let place = look.inputs.pipeline_place("imageTestsConfiguration.instanceTypes");
        findings.push(place.has(problem(std::slice::from_ref(name))));
    }
    Ok(())
}
