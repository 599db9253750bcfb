//! Checks the Dedicated Host of the placement: whether it exists, is available, is in the zone of a subnet, takes the types
//! of the build and its tests, and has room.
//!
//! Of a host resource group, only its ARN can be read here: EC2 may allocate a host for the group when an instance is
//! launched.

use std::collections::BTreeSet;

use goldsmith_cloud::{DedicatedHost, Subnet};
use goldsmith_model::Tenancy;

use super::{Look, answer};
use crate::Result;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;

pub(super) async fn check(look: &Look<'_>, subnets: &[Subnet], findings: &mut Vec<Finding>) -> Result<()> {
    let placement = &look.inputs.infrastructure.placement;
    if placement.tenancy != Tenancy::Host {
        return Ok(());
    }
    let region = &look.context.config.region;
    let spot = look.inputs.pipeline.image_tests_configuration.spot && look.inputs.has_tests;
    if spot {
        let reason = "spot instances never run on Dedicated Hosts, and the tests ask for them".to_owned();
        let problem = Problem::HostUnfit { host: "a Dedicated Host".to_owned(), reason };
        findings.push(look.inputs.pipeline_place("imageTestsConfiguration.spot").has(problem));
    }
    without_hosts(look, findings);
    if let Some(arn) = &placement.host_resource_group_arn {
        let of = arn.split(':').nth(3).unwrap_or_default();
        if of != region {
            let reason = format!("the group is in {of}, and the instances are launched in {region}");
            let problem = Problem::HostUnfit { host: arn.clone(), reason };
            findings.push(look.inputs.infrastructure_place("placement.hostResourceGroupArn").has(problem));
        }
        return Ok(());
    }
    let place = || look.inputs.infrastructure_place("placement.hostId");
    let hosts = look.context.cloud.account.hosts(region, placement.host_id.as_deref()).await;
    let Some(hosts) = answer(hosts, place, findings)? else { return Ok(()) };
    let problem = match &placement.host_id {
        Some(id) => match hosts.first() {
            Some(host) => of_host(look, host, subnets),
            None => Some(Problem::HostMissing { id: id.clone(), region: region.clone() }),
        },
        None => of_any(look, &hosts, subnets),
    };
    findings.extend(problem.map(|problem| place().has(problem)));
    Ok(())
}

/// Returns the types of the build and its tests, each once. Each must fit: if EC2 rejects a launch because its type does
/// not fit, the build ends, and does not try its next type.
fn all_types<'t>(look: &Look<'t>) -> BTreeSet<&'t String> {
    look.types.iter().flat_map(|types| types.build.iter().chain(&types.test)).collect()
}

/// Reports types for which there are no Dedicated Hosts.
fn without_hosts(look: &Look<'_>, findings: &mut Vec<Finding>) {
    let Some(types) = look.types.filter(|types| !types.without_hosts.is_empty()) else { return };
    let names: BTreeSet<&str> = types.without_hosts.iter().map(String::as_str).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(" and ");
    let reason = format!("EC2 has no Dedicated Hosts for {names}");
    let problem = Problem::HostUnfit { host: "a Dedicated Host".to_owned(), reason };
    findings.push(look.inputs.infrastructure_place("instanceTypes").has(problem));
}

/// Returns what is wrong with a host that the placement names.
fn of_host(look: &Look<'_>, host: &DedicatedHost, subnets: &[Subnet]) -> Option<Problem> {
    let unfit = |reason: String| Some(Problem::HostUnfit { host: format!("the Dedicated Host {}", host.id), reason });
    if host.state != "available" {
        return unfit(format!("its state is {}", host.state));
    }
    if let Some(zone) = zones(look, subnets).into_iter().find(|zone| *zone != host.zone) {
        return unfit(format!("it is in {}, and the instances are launched in {zone}", host.zone));
    }
    let takes = host.instance_type.as_deref().or(host.family.as_deref()).unwrap_or("no type");
    if let Some(name) = all_types(look).into_iter().find(|name| !host.takes(name)) {
        return unfit(format!("it takes {takes}, and not {name}"));
    }
    let build = look.types.map_or(&[][..], |types| &types.build);
    // EC2 lists the room for every type that the host takes. Without a list, nothing is known.
    let is_full = |name: &String| !host.free.is_empty() && host.free.get(name).is_none_or(|count| *count == 0);
    (!build.is_empty() && build.iter().all(is_full))
        .then(|| Problem::HostFull { id: host.id.clone(), types: build.join(" or ") })
}

/// Returns the zones in which the instances may be launched; none if EC2 chooses.
fn zones<'t>(look: &'t Look<'_>, subnets: &'t [Subnet]) -> BTreeSet<&'t str> {
    let placed = look.inputs.infrastructure.placement.availability_zone.as_deref();
    subnets.iter().map(|subnet| subnet.zone.as_str()).chain(placed).collect()
}

/// Returns a problem if EC2 has no host for instances of some type that name none.
fn of_any(look: &Look<'_>, hosts: &[DedicatedHost], subnets: &[Subnet]) -> Option<Problem> {
    let zones = zones(look, subnets);
    let fits = |host: &&DedicatedHost| {
        let is_near = zones.is_empty() || zones.contains(host.zone.as_str());
        host.auto_placement && host.state == "available" && is_near
    };
    let open: Vec<&DedicatedHost> = hosts.iter().filter(fits).collect();
    let name = all_types(look).into_iter().find(|name| !open.iter().any(|host| host.takes(name)))?;
    let reason = format!("the account has no available host there that accepts instances of {name} without its id");
    Some(Problem::HostUnfit { host: "a Dedicated Host".to_owned(), reason })
}
