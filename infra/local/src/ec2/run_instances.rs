//! RunInstances: the call. `launch_plan` determines what it launches.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::call::{Call, Row};
use super::instance_item::{self, Shown};
use super::launch_plan;
use super::params::Params;
use super::xml::Xml;
use super::{encryption, launch_templates, market};
use crate::api::ApiError;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::faults::CallFault;
use crate::guest::inotify;
use crate::ids;
use crate::world::{Instance, InstanceState, SpotRequest, SpotState, Subnet, Tags, Timeline, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("RunInstances", run)];

/// Most instances of one call. On EC2, the vCPU quota of a new account would stop the call at this number.
const MOST: usize = 1000;

/// The reason that an instance ends with if the keys of its volumes cannot be used. The launch itself has succeeded
/// (EC2 user guide, "Troubleshoot instance launch issues").
const NO_KEY: &str = "Client.InternalError";
const NO_KEY_MESSAGE: &str = "Client.InternalError: Client error on launch";

/// Launches instances. A client token makes the call idempotent; the same token with another request is an error.
fn run(call: &Call<'_>) -> Result<Xml, ApiError> {
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some(made) = world.made_before(token.as_ref())? {
        return Ok(reservation(call, &world, &made));
    }
    // The token is looked up before anything is checked: EC2 returns the instances of the first call even if a repeated
    // call could not launch them any more (EC2 API reference, "Ensuring idempotency in Amazon EC2 API requests").
    let (least, most) = count(call.params)?;
    let launch = launch_templates::resolve(call, &world)?;
    let call = &Call { params: &launch.params, ..*call };
    let (mut model, room_on_host) = launch_plan::plan(call, &mut world)?;
    let most = room_on_host.map_or(most, |room| most.min(room));
    model.tags.extend(launch.tags);
    model.silent = call.fault == Some(&CallFault::NoAgent);
    call.check_dry_run()?;
    // Keys decide how the launch ends, not whether the call succeeds: EBS asks for them only while it makes the
    // volumes.
    let has_keys = world.images.get(&model.image_id).is_some_and(|image| {
        let (devices, sources) = (&model.devices, &image.devices);
        let by_spot = || encryption::may_use_for_spot(&world, call.scope, devices, sources);
        encryption::may_use(&world, call, devices, sources) && (!model.spot || by_spot())
    });
    let spot = market::spot(call.params)?;
    let request_tags = call.params.tags_for("spot-instances-request")?;
    let planned = as_many_as_fit(call, &world, &model, (least, most), has_keys)?;
    let mut made = Vec::new();
    for mut instance in planned {
        // Each instance has a request of its own.
        if let Some(ask) = &spot {
            let id = ids::resource("sir");
            let request = SpotRequest::fulfilled(id.clone(), call.scope, &instance.id, ask, request_tags.clone());
            call.endpoint.emit(Event::of_fulfillment(&instance, &id));
            world.spot_requests.insert(id.clone(), request);
            instance.spot_request = Some(id);
        }
        call.endpoint.emit(Event::of_instance(&instance));
        made.push(instance.id.clone());
        if let Some(image) = world.images.get_mut(&instance.image_id) {
            image.launches.add(instance.launched_at);
        }
        world.instances.insert(instance.id.clone(), instance);
    }
    if let Some((key, request)) = token {
        world.remember(key, request, made.clone());
    }
    let answer = reservation(call, &world, &made);
    // The tasks take this lock as soon as they start.
    drop(world);
    for id in &made {
        if has_keys {
            call.endpoint.clone().come_up(id);
        } else {
            call.endpoint.clone().end(id, NO_KEY, NO_KEY_MESSAGE);
        }
    }
    Ok(answer)
}

/// Returns the minimum and the maximum number of instances.
fn count(params: &Params) -> Result<(usize, usize), ApiError> {
    let number = |name: &str| {
        let value = params.number(name)?;
        value.ok_or_else(|| ApiError::new("MissingParameter", format!("The request must contain the parameter {name}")))
    };
    let (least, most): (usize, usize) = (number("MinCount")?, number("MaxCount")?);
    let wrong = |text: String| Err(ApiError::new("InvalidParameterValue", text));
    match (least, most) {
        (0, _) => wrong("Value (0) for parameter minCount is invalid. Minimum value is 1.".to_owned()),
        _ if least > most => wrong(format!("Value ({least}) for parameter minCount is invalid: it exceeds maxCount.")),
        // A maximum above the limit only means "as many as possible".
        _ if least > MOST => Err(ApiError::new(
            "InstanceLimitExceeded",
            format!("You have requested more instances ({least}) than your current instance limit of {MOST} allows."),
        )),
        _ => Ok((least, most.min(MOST))),
    }
}

fn reservation(call: &Call<'_>, world: &World, made: &[String]) -> Xml {
    let instances: Vec<_> =
        made.iter().filter_map(|id| world.instances.get(id)).map(|instance| (instance, instance.state())).collect();
    let shown = Shown { scope: call.scope, network: &world.network(call.scope) };
    let mut xml = Xml::new();
    instance_item::reservation(&mut xml, &shown, &instances);
    xml
}

/// Returns as many instances as there is room for, if they are enough (EC2 API reference, RunInstances, `MinCount`).
fn as_many_as_fit(
    call: &Call<'_>,
    world: &World,
    model: &Instance,
    (least, most): (usize, usize),
    has_keys: bool,
) -> Result<Vec<Instance>, ApiError> {
    let network = world.network(call.scope);
    let subnet = network.subnet(Some(&model.subnet_id))?;
    let mut used = world.used_addresses(call.scope, &model.vpc_id);
    let room = call.endpoint.room(world, most);
    // A call that requests an address is for one instance. Whether that address is free is checked with the address.
    let free = if model.address.is_empty() { subnet.free_addresses(&used) } else { 1 };
    // An own rule, since AWS documents no order: a client tries another type or subnet for the former, while the latter
    // is a mistake in its network.
    if room < least {
        return Err(no_room());
    }
    if free < least {
        return Err(no_address(&subnet.id));
    }
    (0..room.min(free))
        .map(|launch_index| {
            let id = ids::resource("i");
            let address = address(model, &id, subnet, &used)?;
            used.insert(address);
            Ok(Instance { launch_index, address: address.to_string(), ..with_ids(model, id, has_keys) })
        })
        .collect()
}

/// Launches the next instance of an open spot request, like the one before it, and returns its id. It has no tags and no
/// client token: the tags of the call were for the instance that the call has launched (EC2 user guide, "Tag Spot
/// Instance requests").
pub(crate) fn launch_for_request(endpoint: &Endpoint, request: &str) -> Result<String, ApiError> {
    let mut world = endpoint.world();
    let gone = || ApiError::new("InternalError", format!("the request {request} has no instance"));
    let before = world.spot_requests.get(request).map(|one| one.instance.clone()).ok_or_else(gone)?;
    let before = world.instances.get(&before).cloned().ok_or_else(gone)?;
    if endpoint.room(&world, 1) == 0 {
        return Err(no_room());
    }
    let model = Instance {
        reservation: ids::resource("r"),
        address: String::new(),
        tags: Tags::new(),
        volume_tags: Tags::new(),
        client_token: None,
        launched_at: Timestamp::now(),
        states: Timeline::new(InstanceState::Pending),
        online: false,
        online_since: None,
        last_heard: None,
        reason: None,
        console: String::new(),
        initialized: false,
        launch_index: 0,
        ..before
    };
    let network = world.network(&model.scope);
    let subnet = network.subnet(Some(&model.subnet_id))?;
    let used = world.used_addresses(&model.scope, &model.vpc_id);
    let id = ids::resource("i");
    let address = address(&model, &id, subnet, &used)?.to_string();
    let instance = Instance { address, ..with_ids(&model, id.clone(), true) };
    endpoint.emit(Event::of_fulfillment(&instance, request));
    endpoint.emit(Event::of_instance(&instance));
    world.instances.insert(id.clone(), instance);
    if let Some(request) = world.spot_requests.get_mut(request) {
        request.instance.clone_from(&id);
        request.enter(SpotState::Active, "fulfilled");
    }
    Ok(id)
}

/// Adds the instance's id and the ids of its volumes, which are not made without their keys.
fn with_ids(model: &Instance, id: String, has_keys: bool) -> Instance {
    let mut instance = Instance { id, ..model.clone() };
    for device in &mut instance.devices {
        device.volume_id = has_keys.then(|| ids::resource("vol"));
    }
    instance
}

/// Returns the address that the call requests, or one that is derived from the instance's id: nothing listens on it.
fn address(model: &Instance, id: &str, subnet: &Subnet, used: &BTreeSet<Ipv4Addr>) -> Result<Ipv4Addr, ApiError> {
    match model.address.parse() {
        Ok(asked) if used.contains(&asked) => {
            Err(ApiError::new("InvalidIPAddress.InUse", format!("Address {asked} is in use.")))
        }
        Ok(asked) => Ok(asked),
        Err(_) => {
            // AWS assigns addresses in no order that a client could rely on. This one differs for each instance too, so
            // that a freed address is rarely taken again at once.
            let number = u32::from_str_radix(&ids::digest(id)[..8], 16).unwrap_or_default();
            subnet.free_address(number, used).ok_or_else(|| no_address(&subnet.id))
        }
    }
}

/// Returns EC2's error for a launch that no machine has room for.
pub(super) fn no_room() -> ApiError {
    ApiError::new("InsufficientInstanceCapacity", inotify::shortage())
}

fn no_address(subnet: &str) -> ApiError {
    let message = format!(
        "There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances."
    );
    ApiError::new("InsufficientFreeAddressesInSubnet", message)
}
