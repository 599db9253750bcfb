//! AllocateHosts, DescribeHosts and ReleaseHosts.

use jiff::Timestamp;

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::instance_types;
use super::known_filters::HOSTS;
use super::network::zone_id;
use super::xml::Xml;
use crate::api::ApiError;
use crate::ids;
use crate::world::{Host, World, check_id, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("AllocateHosts", allocate), ("DescribeHosts", describe), ("ReleaseHosts", release)];

/// Hosts of one family in an account and Region. This is AWS's default quota for most families.
const MOST: usize = 2;

/// Allocates hosts for one type or for the types of one family.
fn allocate(call: &Call<'_>) -> Result<Xml, ApiError> {
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some(made) = world.made_before(token.as_ref())? {
        return Ok(allocated(&made));
    }
    let model = model(call, &world)?;
    let quantity: usize = match call.params.number("Quantity")? {
        Some(0) => return Err(invalid("quantity", "0")),
        Some(quantity) => quantity,
        None => return Err(ApiError::new("MissingParameter", "The request must contain the parameter quantity")),
    };
    let own = world.hosts.values().filter(|host| host.scope == *call.scope && host.released_at.is_none());
    if own.filter(|host| host.family == model.family).count() + quantity > MOST {
        let message = format!("You have reached your limit of {MOST} Dedicated Hosts of the family {}.", model.family);
        return Err(ApiError::new("HostLimitExceeded", message));
    }
    call.check_dry_run()?;
    let made: Vec<String> = (0..quantity).map(|_| ids::resource("h")).collect();
    for id in &made {
        world.hosts.insert(id.clone(), Host { id: id.clone(), ..model.clone() });
    }
    if let Some((key, request)) = token {
        world.remember(key, request, made.clone());
    }
    Ok(allocated(&made))
}

fn allocated(ids: &[String]) -> Xml {
    let mut xml = Xml::new();
    xml.items("hostIdSet", ids, |xml, id| xml.push_text(id));
    xml
}

/// Returns the host that the call asks for, without its id.
fn model(call: &Call<'_>, world: &World) -> Result<Host, ApiError> {
    let params = call.params;
    let (family, instance_type) = match (params.get("InstanceFamily"), params.get("InstanceType")) {
        (Some(family), None) => (family, None),
        (None, Some(name)) => (name.split_once('.').map_or(name, |(family, _)| family), Some(name)),
        (Some(_), Some(_)) => {
            let message = "InstanceFamily and InstanceType cannot be specified in the same request.";
            return Err(ApiError::new("InvalidParameterCombination", message));
        }
        (None, None) => {
            let message = "The request must contain the parameter InstanceType or InstanceFamily";
            return Err(ApiError::new("MissingParameter", message));
        }
    };
    // Every family has this size, as far as names show it.
    let probe = instance_type.map_or_else(|| format!("{family}.xlarge"), str::to_owned);
    if !instance_types::has_hosts(&probe) {
        let message = format!("There are no Dedicated Hosts for {}.", instance_type.unwrap_or(family));
        return Err(ApiError::new("InvalidHostConfiguration", message));
    }
    let zone = params.require("AvailabilityZone")?;
    if !world.network(call.scope).has_zone(zone) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid Availability Zone ({zone})")));
    }
    let switch = |name: &str| match params.get(name).unwrap_or("off") {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(invalid(name, other)),
    };
    Ok(Host {
        id: String::new(),
        scope: call.scope.clone(),
        zone: zone.to_owned(),
        family: family.to_owned(),
        instance_type: instance_type.map(str::to_owned),
        auto_placement: switch("AutoPlacement")?,
        recovery: switch("HostRecovery")?,
        maintenance: switch("HostMaintenance")?,
        client_token: params.get("ClientToken").map(str::to_owned),
        tags: params.tags_for("dedicated-host")?,
        allocated_at: Timestamp::now(),
        released_at: None,
    })
}

fn invalid(name: &str, value: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid."))
}

/// Returns a host of this account and Region.
pub(super) fn own_host<'w>(call: &Call<'_>, world: &'w World, id: &str) -> Result<&'w Host, ApiError> {
    check_id("h", id, "InvalidHostID.Malformed")?;
    let own = |host: &&Host| host.scope == *call.scope;
    world
        .hosts
        .get(id)
        .filter(own)
        .ok_or_else(|| ApiError::new("InvalidHostID.NotFound", format!("The host ID '{id}' does not exist")))
}

/// Returns how many more instances of a type fit on a host.
pub(super) fn room(world: &World, host: &Host, instance_type: &str) -> usize {
    let used: u32 = world.instances_on(&host.id).map(|one| instance_types::cpus_of(&one.instance_type)).sum();
    let free = Host::CPUS.saturating_sub(used);
    (free / instance_types::cpus_of(instance_type).max(1)) as usize
}

/// Describes hosts, also released ones.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &HOSTS)?;
    let world = call.endpoint.world();
    let asked = call.params.list("HostId");
    if !asked.is_empty() && call.params.get("MaxResults").is_some() {
        let message = "The parameters hostId and maxResults cannot be specified in the same request.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let found: Vec<&Host> = if asked.is_empty() {
        world.hosts.values().filter(|host| host.scope == *call.scope).collect()
    } else {
        asked.iter().map(|id| own_host(call, &world, id)).collect::<Result<_, _>>()?
    };
    filters::answer(call, "hostSet", filters.keep(found, |xml, host| item(xml, &world, host)))
}

fn item(xml: &mut Xml, world: &World, host: &Host) {
    let word = |is_on: bool| if is_on { "on" } else { "off" };
    xml.text("hostId", &host.id)
        .text("state", host.state())
        .text("ownerId", &host.scope.account)
        .text("availabilityZone", &host.zone)
        .text("availabilityZoneId", zone_id(&host.zone))
        .text("autoPlacement", word(host.auto_placement))
        .text("hostRecovery", word(host.recovery))
        .text("hostMaintenance", word(host.maintenance))
        .text("allowsMultipleInstanceTypes", word(host.instance_type.is_none()))
        .text("memberOfServiceLinkedResourceGroup", false)
        .text("allocationTime", iso(host.allocated_at))
        .maybe("releaseTime", host.released_at.map(iso))
        .maybe("clientToken", host.client_token.as_ref());
    xml.node("hostProperties", |xml| {
        xml.text("instanceFamily", &host.family)
            .maybe("instanceType", host.instance_type.as_ref())
            .text("totalVCpus", Host::CPUS)
            .text("cores", Host::CPUS / 2)
            .text("sockets", 2);
    });
    if host.released_at.is_none() {
        capacity(xml, world, host);
    }
    xml.items("instances", world.instances_on(&host.id), |xml, instance| {
        xml.text("instanceId", &instance.id)
            .text("instanceType", &instance.instance_type)
            .text("ownerId", &instance.scope.account);
    });
    xml.tags(&host.tags);
}

/// Writes how many instances of each type fit on a host.
fn capacity(xml: &mut Xml, world: &World, host: &Host) {
    let used: u32 = world.instances_on(&host.id).map(|one| instance_types::cpus_of(&one.instance_type)).sum();
    let types = match &host.instance_type {
        Some(only) => vec![only.clone()],
        None => instance_types::sizes_of(&host.family),
    };
    xml.node("availableCapacity", |xml| {
        xml.items("availableInstanceCapacity", types, |xml, name| {
            xml.text("instanceType", &name)
                .text("availableCapacity", room(world, host, &name))
                .text("totalCapacity", Host::CPUS / instance_types::cpus_of(&name).max(1));
        });
        xml.text("availableVCpus", Host::CPUS.saturating_sub(used));
    });
}

/// Releases hosts on which no instance runs. A host that cannot be released is listed with its error.
fn release(call: &Call<'_>) -> Result<Xml, ApiError> {
    let asked = call.params.list("HostId");
    if asked.is_empty() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter hostId"));
    }
    call.check_dry_run()?;
    let mut world = call.endpoint.world();
    let (mut done, mut kept) = (Vec::new(), Vec::new());
    for id in asked {
        let outcome = match own_host(call, &world, &id) {
            Err(error) => Err(error),
            Ok(host) if host.released_at.is_some() => {
                let message = format!("The host ID '{id}' does not exist");
                Err(ApiError::new("InvalidHostID.NotFound", message))
            }
            Ok(_) if world.instances_on(&id).next().is_some() => {
                let message = format!("Dedicated host {id} cannot be released as it is occupied.");
                Err(ApiError::new("InvalidHost.Occupied", message))
            }
            Ok(_) => Ok(()),
        };
        match outcome {
            Ok(()) => {
                if let Some(host) = world.hosts.get_mut(&id) {
                    host.released_at = Some(Timestamp::now());
                }
                done.push(id);
            }
            Err(error) => kept.push((id, error)),
        }
    }
    let mut xml = Xml::new();
    xml.items("successful", done, |xml, id| xml.push_text(id));
    xml.items("unsuccessful", kept, |xml, (id, error)| {
        xml.text("resourceId", id).node("error", |xml| {
            xml.text("code", format!("Client.{}", error.code)).text("message", error.message);
        });
    });
    Ok(xml)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;

    const M5: [(&str, &str); 3] = [("InstanceFamily", "m5"), ("AvailabilityZone", "eu-west-1a"), ("Quantity", "1")];

    fn only_host(scene: &Scene) -> String {
        scene.endpoint.world().hosts.keys().next_back().unwrap().clone()
    }

    #[test]
    fn allocates_a_host_once_for_a_token() {
        let scene = Scene::new();
        let asked = [
            &M5[..],
            &[
                ("ClientToken", "t"),
                ("TagSpecification.1.ResourceType", "dedicated-host"),
                ("TagSpecification.1.Tag.1.Key", "team"),
                ("TagSpecification.1.Tag.1.Value", "golden"),
            ],
        ]
        .concat();
        for _ in 0..2 {
            scene.call("AllocateHosts", &asked).unwrap();
        }
        let shown = scene.call("DescribeHosts", &[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "team")]).unwrap();
        assert_eq!(shown.matches("<hostId>").count(), 1);
        for part in [
            "<state>available</state>",
            "<availabilityZone>eu-west-1a</availabilityZone>",
            "<instanceFamily>m5</instanceFamily>",
            "<instanceType>m5.large</instanceType><availableCapacity>48</availableCapacity><totalCapacity>48</totalCapacity>",
            "<availableVCpus>96</availableVCpus>",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }

    #[test]
    fn keeps_the_rules_for_hosts() {
        let scene = Scene::new();
        let zone = ("AvailabilityZone", "eu-west-1a");
        let one = ("Quantity", "1");
        for (code, parameters) in [
            ("MissingParameter", &[zone, one][..]),
            ("MissingParameter", &[("InstanceFamily", "m5"), one]),
            ("MissingParameter", &[("InstanceFamily", "m5"), zone]),
            ("InvalidParameterCombination", &[("InstanceFamily", "m5"), ("InstanceType", "m5.large"), zone, one]),
            ("InvalidHostConfiguration", &[("InstanceType", "t2.micro"), zone, one]),
            ("InvalidHostConfiguration", &[("InstanceFamily", "q5"), zone, one]),
            ("InvalidParameterValue", &[("InstanceFamily", "m5"), ("AvailabilityZone", "eu-west-1x"), one]),
            ("InvalidParameterValue", &[("InstanceFamily", "m5"), zone, ("Quantity", "0")]),
            ("InvalidParameterValue", &[("InstanceFamily", "m5"), zone, one, ("AutoPlacement", "maybe")]),
            ("HostLimitExceeded", &[("InstanceFamily", "m5"), zone, ("Quantity", "3")]),
        ] {
            assert_eq!(scene.refused("AllocateHosts", parameters), code, "{parameters:?}");
        }
        assert_eq!(scene.refused("DescribeHosts", &[("HostId.1", "host-1")]), "InvalidHostID.Malformed");
        assert_eq!(scene.refused("DescribeHosts", &[("HostId.1", "h-0123456789abcdef0")]), "InvalidHostID.NotFound");
        let both = [("HostId.1", "h-0123456789abcdef0"), ("MaxResults", "5")];
        assert_eq!(scene.refused("DescribeHosts", &both), "InvalidParameterCombination");
        assert_eq!(scene.refused("ReleaseHosts", &[]), "MissingParameter");
    }

    #[test]
    fn a_released_host_is_still_described_and_takes_no_instance() {
        let scene = Scene::new();
        scene.call("AllocateHosts", &M5).unwrap();
        let id = only_host(&scene);
        let released = scene.call("ReleaseHosts", &[("HostId.1", &id)]).unwrap();
        assert!(released.contains(&format!("<successful><item>{id}</item></successful>")), "{released}");
        let shown = scene.call("DescribeHosts", &[("HostId.1", &id)]).unwrap();
        assert!(shown.contains("<state>released</state>") && shown.contains("<releaseTime>"), "{shown}");
        let again = scene.call("ReleaseHosts", &[("HostId.1", &id)]).unwrap();
        assert!(again.contains("<code>Client.InvalidHostID.NotFound</code>"), "{again}");
        for _ in 0..2 {
            scene.call("AllocateHosts", &M5).unwrap();
        }
        assert_eq!(scene.refused("AllocateHosts", &M5), "HostLimitExceeded", "a released host does not count");
    }
}
