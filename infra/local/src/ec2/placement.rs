//! On whose hardware RunInstances puts an instance (`Placement`).

use super::call::Call;
use super::hosts::{own_host, room};
use crate::api::ApiError;
use crate::world::{Host, World};

/// Where an instance is placed.
pub(super) struct Placed {
    /// `default`, `dedicated` or `host`.
    pub(super) tenancy: String,
    /// The Dedicated Host.
    pub(super) host: Option<String>,
    /// How many instances of the call may be launched there; `None` if the placement does not limit it.
    pub(super) room: Option<usize>,
}

/// Checks the tenancy and what must come with it, as far as the request alone shows it.
pub(super) fn tenancy<'p>(call: &Call<'p>, is_spot: bool) -> Result<&'p str, ApiError> {
    let params = call.params;
    let (host, group) = (params.get("Placement.HostId"), params.get("Placement.HostResourceGroupArn"));
    let tenancy = params.get("Placement.Tenancy").unwrap_or(if group.is_some() { "host" } else { "default" });
    let combination = |message: &str| Err(ApiError::new("InvalidParameterCombination", message));
    match tenancy {
        "default" | "dedicated" if host.is_some() || group.is_some() => {
            combination("A host or a host resource group requires the tenancy 'host'.")
        }
        "default" | "dedicated" => Ok(tenancy),
        "host" if host.is_some() && group.is_some() => {
            combination("The parameters HostId and HostResourceGroupArn cannot be specified in the same request.")
        }
        "host" if is_spot => combination("The tenancy 'host' is not supported for Spot Instances."),
        "host" if group.is_some() => {
            let message = "There are no host resource groups here. AWS launches on the hosts of the group.";
            Err(ApiError::new("UnsupportedOperation", message))
        }
        "host" => Ok(tenancy),
        other => Err(ApiError::new("InvalidParameterValue", format!("Invalid value '{other}' for tenancy."))),
    }
}

/// Returns where the instances of a call are placed. Without a host id, EC2 takes a host that accepts such instances.
pub(super) fn place(
    call: &Call<'_>,
    world: &World,
    tenancy: &str,
    instance_type: &str,
    zone: &str,
) -> Result<Placed, ApiError> {
    if tenancy != "host" {
        return Ok(Placed { tenancy: tenancy.to_owned(), host: None, room: None });
    }
    let least = call.params.number("MinCount")?.unwrap_or(1);
    let host = match call.params.get("Placement.HostId") {
        Some(id) => named(call, world, id, instance_type, zone)?,
        None => any(call, world, instance_type, zone, least)?,
    };
    let room = room(world, host, instance_type);
    if room < least {
        let message = format!("There is not enough capacity on the Dedicated Host {} to launch the instance.", host.id);
        return Err(ApiError::new("InsufficientCapacityOnHost", message));
    }
    Ok(Placed { tenancy: tenancy.to_owned(), host: Some(host.id.clone()), room: Some(room) })
}

/// Returns the host that the call names. AWS's codes for another zone and another type are not known.
fn named<'w>(
    call: &Call<'_>,
    world: &'w World,
    id: &str,
    instance_type: &str,
    zone: &str,
) -> Result<&'w Host, ApiError> {
    let host = own_host(call, world, id)?;
    if host.released_at.is_some() {
        let message = format!("The Dedicated Host {id} must be in the available state: {}", host.state());
        return Err(ApiError::new("InvalidHostState", message));
    }
    if host.zone != zone {
        let message = format!("The Dedicated Host {id} is in {}, and the instance is launched in {zone}.", host.zone);
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    if !host.takes(instance_type) {
        let message = format!("The Dedicated Host {id} does not support the instance type {instance_type}.");
        return Err(ApiError::new("InvalidHostConfiguration", message));
    }
    Ok(host)
}

fn any<'w>(
    call: &Call<'_>,
    world: &'w World,
    instance_type: &str,
    zone: &str,
    least: usize,
) -> Result<&'w Host, ApiError> {
    let fits = |host: &&Host| {
        let is_open = host.scope == *call.scope && host.auto_placement && host.released_at.is_none();
        is_open && host.zone == zone && host.takes(instance_type) && room(world, host, instance_type) >= least
    };
    world.hosts.values().find(fits).ok_or_else(|| {
        let message = "There are no available or compatible Dedicated Hosts on which to launch the instance.";
        ApiError::new("IncompatibleHostRequirements", message)
    })
}
