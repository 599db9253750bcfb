//! Checks the networks in which instances start, and how instances reach Systems Manager, the logs and the bucket.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::CloudError;
use goldsmith_cloud::aws::{SdkConfig, home_region};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_cloud_ec2::account::{Endpoint, Route, RouteTable, SecurityGroup, Subnet};

use super::definitions::Definitions;
use super::finding::{Finding, anew};
use super::stack::Settings;
use crate::args::Globals;

const SUBNETS: &str = "subnets";
const WAY_OUT: &str = "way-out";
const GROUPS: &str = "security-groups";
/// Interface endpoints that replace every other route; older agents of Systems Manager also need `ec2messages`.
const INTERFACES: [&str; 4] = ["ssm", "ssmmessages", "ec2messages", "logs"];

/// A network in which instances start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    /// The definition that names it, as text for people.
    who: String,
    /// The list is empty for the subnets of the default VPC.
    subnets: Vec<String>,
    groups: Vec<String>,
}

/// The parts of a network that exist.
#[derive(Debug, Default)]
struct Facts {
    region: String,
    default_vpc: Option<String>,
    subnets: Vec<Subnet>,
    groups: Vec<SecurityGroup>,
    /// Route tables by VPC.
    tables: BTreeMap<String, Vec<RouteTable>>,
    endpoints: BTreeMap<String, Vec<Endpoint>>,
}

pub(super) async fn examine(
    globals: &Globals,
    config: &SdkConfig,
    settings: Option<&Settings>,
    definitions: &Definitions,
) -> Vec<Finding> {
    let places = places(settings, definitions);
    match gather(&Ec2::new(config), &home_region(config), &places).await {
        Ok(facts) => judge(globals, &places, &facts),
        Err((right, error)) => vec![Finding::unseen(WAY_OUT, right, &error)],
    }
}

/// Returns the network of the stack, and the network of each infrastructure configuration that names another one.
fn places(settings: Option<&Settings>, definitions: &Definitions) -> Vec<Place> {
    let settings = settings.cloned().unwrap_or_default();
    let groups: Vec<String> = Some(settings.security_group).filter(|id| !id.is_empty()).into_iter().collect();
    let mut places =
        vec![Place { who: "the stack".to_owned(), subnets: settings.subnets.clone(), groups: groups.clone() }];
    for one in definitions.infrastructures.values() {
        if one.subnet_ids.is_empty() && one.security_group_ids.is_empty() {
            continue;
        }
        let or = |own: &[String], stacks: &[String]| if own.is_empty() { stacks.to_vec() } else { own.to_vec() };
        places.push(Place {
            who: format!("the infrastructure configuration {}", one.name),
            subnets: or(&one.subnet_ids, &settings.subnets),
            groups: or(&one.security_group_ids, &groups),
        });
    }
    places
}

async fn gather(ec2: &Ec2, region: &str, places: &[Place]) -> Result<Facts, (&'static str, CloudError)> {
    let refused = |right: &'static str| move |error| (right, error);
    let mut facts = Facts { region: region.to_owned(), ..Facts::default() };
    facts.default_vpc = ec2.default_vpc(region).await.map_err(refused("ec2:DescribeVpcs"))?;
    let named: BTreeSet<&str> = places.iter().flat_map(|place| place.subnets.iter().map(String::as_str)).collect();
    // Without ids, EC2 would describe every subnet of the account.
    if !named.is_empty() {
        let named: Vec<&str> = named.into_iter().collect();
        let found = ec2.subnets(region, "subnet-id", &named).await;
        facts.subnets.extend(found.map_err(refused("ec2:DescribeSubnets"))?);
    }
    if let Some(vpc) = facts.default_vpc.clone().filter(|_| places.iter().any(|place| place.subnets.is_empty())) {
        let found = ec2.subnets(region, "vpc-id", &[vpc.as_str()]).await.map_err(refused("ec2:DescribeSubnets"))?;
        let is_new = |one: &Subnet| !facts.subnets.iter().any(|known| known.id == one.id);
        let new: Vec<Subnet> = found.into_iter().filter(is_new).collect();
        facts.subnets.extend(new);
    }
    let groups: BTreeSet<&str> = places.iter().flat_map(|place| place.groups.iter().map(String::as_str)).collect();
    if !groups.is_empty() {
        let groups: Vec<&str> = groups.into_iter().collect();
        facts.groups = ec2.security_groups(region, &groups).await.map_err(refused("ec2:DescribeSecurityGroups"))?;
    }
    let vpcs: BTreeSet<String> = facts.subnets.iter().map(|subnet| subnet.vpc.clone()).collect();
    for vpc in vpcs {
        let tables = ec2.route_tables(region, &vpc).await.map_err(refused("ec2:DescribeRouteTables"))?;
        let endpoints = ec2.vpc_endpoints(region, &vpc).await.map_err(refused("ec2:DescribeVpcEndpoints"))?;
        facts.tables.insert(vpc.clone(), tables);
        facts.endpoints.insert(vpc, endpoints);
    }
    Ok(facts)
}

fn judge(globals: &Globals, places: &[Place], facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = places.iter().filter_map(|place| judge_subnets(globals, place, facts)).collect();
    findings.extend(judge_groups(globals, places, facts));
    let used: BTreeSet<&str> = places.iter().flat_map(|place| used(place, facts)).map(|one| one.id.as_str()).collect();
    let used = facts.subnets.iter().filter(|one| used.contains(one.id.as_str()));
    // Subnets of one route table have the same way out, so one finding names them together.
    let mut ways: BTreeMap<Way, Vec<&str>> = BTreeMap::new();
    for subnet in used {
        ways.entry(way(subnet, facts)).or_default().push(&subnet.id);
    }
    findings.extend(ways.iter().filter_map(|(way, subnets)| judge_way(globals, way, subnets)));
    let is_clear = |name: &str| !findings.iter().any(|finding| finding.name == name);
    let good = [
        (SUBNETS, "Instances have subnets with free addresses."),
        (GROUPS, "The security groups allow outbound traffic."),
        (WAY_OUT, "Instances can reach Systems Manager, the logs and the bucket."),
    ];
    let good: Vec<Finding> = good
        .into_iter()
        .filter(|(name, _)| is_clear(name))
        .map(|(name, message)| Finding::good(name, message))
        .collect();
    findings.extend(good);
    findings
}

/// Returns the subnets of a network that exist.
fn used<'f>(place: &Place, facts: &'f Facts) -> Vec<&'f Subnet> {
    let is_its = |subnet: &&Subnet| match place.subnets.as_slice() {
        [] => Some(&subnet.vpc) == facts.default_vpc.as_ref(),
        ids => ids.contains(&subnet.id),
    };
    facts.subnets.iter().filter(is_its).collect()
}

fn judge_subnets(globals: &Globals, place: &Place, facts: &Facts) -> Option<Finding> {
    let who = &place.who;
    if place.subnets.is_empty() && facts.default_vpc.is_none() {
        let message = format!("There is no default VPC in {}, and {who} names no subnets.", facts.region);
        let remedy = format!(
            "Create one with `{} ec2 create-default-vpc`, or give the stack another VPC: `{} deploy --parameter \
             VpcId=VPC --parameter SubnetIds=SUBNET,SUBNET`.",
            globals.aws(),
            globals.again()
        );
        return Some(Finding::problem(SUBNETS, message, remedy));
    }
    let subnets = used(place, facts);
    let is_known = |id: &&String| !subnets.iter().any(|one| one.id == **id);
    let missing: Vec<&str> = place.subnets.iter().filter(is_known).map(String::as_str).collect();
    if !missing.is_empty() || subnets.is_empty() {
        let message = match missing.as_slice() {
            [] => format!("The default VPC, in which {who} starts instances, has no subnets."),
            missing => format!("Subnets that {who} names do not exist in {}: {}.", facts.region, missing.join(", ")),
        };
        let remedy = format!("Name subnets that exist: `{} ec2 describe-subnets` lists them.", globals.aws());
        return Some(Finding::problem(SUBNETS, message, remedy));
    }
    let full: Vec<&str> =
        subnets.iter().filter(|one| !one.available || one.free_addresses == 0).map(|one| one.id.as_str()).collect();
    if full.is_empty() {
        return None;
    }
    let message = format!(
        "No instance can start in these subnets of {who}, because they have no free addresses or are not available: \
         {}.",
        full.join(", ")
    );
    let remedy = "Name other subnets, or terminate the instances that use the addresses.";
    // If a subnet has no room, the next one is tried.
    let verdict = if full.len() == subnets.len() { Finding::problem } else { Finding::note };
    Some(verdict(SUBNETS, message, remedy))
}

/// Judges each security group once, together with the first definition that uses it.
fn judge_groups(globals: &Globals, places: &[Place], facts: &Facts) -> Vec<Finding> {
    let mut findings = BTreeMap::new();
    for place in places {
        let vpcs: BTreeSet<&str> = used(place, facts).into_iter().map(|subnet| subnet.vpc.as_str()).collect();
        for id in &place.groups {
            if let Some(finding) = judge_group(globals, id, place, &vpcs, facts) {
                findings.entry(id).or_insert(finding);
            }
        }
    }
    findings.into_values().collect()
}

fn judge_group(globals: &Globals, id: &str, place: &Place, vpcs: &BTreeSet<&str>, facts: &Facts) -> Option<Finding> {
    let who = &place.who;
    let Some(group) = facts.groups.iter().find(|group| group.id == id) else {
        let message = format!("The security group {id} of {who} does not exist in {}.", facts.region);
        let remedy = format!("Name a security group that exists. If it was the stack's own group: {}", anew(globals));
        return Some(Finding::problem(GROUPS, message, remedy));
    };
    if vpcs.iter().any(|vpc| **vpc != group.vpc) {
        let message = format!("The security group {id} of {who} belongs to {}, but its subnets do not.", group.vpc);
        let remedy = format!(
            "Name subnets and security groups of one VPC: `{} deploy --parameter VpcId=VPC --parameter \
             SubnetIds=SUBNET,SUBNET`, or name both in the infrastructure configuration.",
            globals.again()
        );
        return Some(Finding::problem(GROUPS, message, remedy));
    }
    if group.lets_https_out {
        return None;
    }
    let message = format!(
        "The security group {id} of {who} allows no outbound HTTPS, so no instance can register with Systems Manager."
    );
    let remedy = format!(
        "`{} ec2 authorize-security-group-egress --group-id {id} --protocol tcp --port 443 --cidr 0.0.0.0/0`.",
        globals.aws()
    );
    Some(Finding::problem(GROUPS, message, remedy))
}

/// How instances in a subnet reach other networks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Over a route.
    Open,
    /// No route table applies to the subnet.
    NoTable,
    /// The routes of this table do not lead out of the VPC, for this reason, and these services have no endpoint.
    Closed { table: String, obstacle: String, missing: Vec<&'static str> },
}

/// Returns how instances in a subnet reach other networks: over the default route of the table, or by endpoints.
fn way(subnet: &Subnet, facts: &Facts) -> Way {
    let tables = facts.tables.get(&subnet.vpc).map(Vec::as_slice).unwrap_or_default();
    let table = tables.iter().find(|table| table.subnets.contains(&subnet.id));
    // A subnet without a table of its own has the main table of its VPC.
    let Some(table) = table.or_else(|| tables.iter().find(|table| table.main)) else { return Way::NoTable };
    let obstacle = match table.routes.iter().find(|route| route.destination == "0.0.0.0/0") {
        Some(Route { target, blackhole: true, .. }) => format!("the route to {target} is a black hole"),
        Some(Route { target, .. }) if target.starts_with("igw-") && !subnet.public_addresses => {
            format!("the route leads to the internet gateway {target}, but instances get no public address")
        }
        Some(_) => return Way::Open,
        None => "the route table leads only into the VPC".to_owned(),
    };
    let endpoints = facts.endpoints.get(&subnet.vpc).map(Vec::as_slice).unwrap_or_default();
    Way::Closed { table: table.id.clone(), obstacle, missing: missing_endpoints(table, endpoints) }
}

fn judge_way(globals: &Globals, way: &Way, subnets: &[&str]) -> Option<Finding> {
    let (first, all) = (subnets.first().copied().unwrap_or_default(), subnets.join(", "));
    let (table, obstacle, missing) = match way {
        Way::Open => return None,
        Way::NoTable => {
            let message = format!("These subnets have no route table: {all}.");
            let remedy = format!(
                "Associate one with a route out of the VPC: `{} ec2 associate-route-table --subnet-id {first} \
                 --route-table-id TABLE`.",
                globals.aws()
            );
            return Some(Finding::problem(WAY_OUT, message, remedy));
        }
        Way::Closed { table, obstacle, missing } => (table, obstacle, missing),
    };
    let needed: Vec<&str> = missing.iter().copied().filter(|service| *service != "ec2messages").collect();
    if missing.is_empty() {
        return None;
    }
    if needed.is_empty() {
        let message =
            format!("Instances in {all} have VPC endpoints, but none for ec2messages: older SSM agents need it.");
        let remedy = "Add the interface endpoint ec2messages, or use images with a current agent.";
        return Some(Finding::note(WAY_OUT, message, remedy));
    }
    let message = format!("Instances in {all} cannot reach AWS: {obstacle}.");
    let remedy = format!(
        "Give the route table {table} a route to a NAT gateway, or to an internet gateway with public addresses (`{} ec2 \
         modify-subnet-attribute --subnet-id {first} --map-public-ip-on-launch`), or add the VPC endpoints that are missing: \
         {}.",
        globals.aws(),
        needed.join(", ")
    );
    Some(Finding::problem(WAY_OUT, message, remedy))
}

/// Returns the services that instances with this route table need and that have no endpoint.
fn missing_endpoints(table: &RouteTable, endpoints: &[Endpoint]) -> Vec<&'static str> {
    // In every partition, the names end with the service.
    let of = |service: &str| {
        let end = format!(".{service}");
        endpoints.iter().filter(move |one| one.service.ends_with(&end)).collect::<Vec<_>>()
    };
    // Without private DNS, the services' names lead to their public addresses and not to the endpoint.
    let interfaces = INTERFACES.into_iter().filter(|service| !of(service).iter().any(|one| one.private_dns));
    let has_s3 = of("s3").iter().any(|one| one.private_dns || one.route_tables.contains(&table.id));
    interfaces.chain((!has_s3).then_some("s3")).collect()
}

#[cfg(test)]
mod tests;
