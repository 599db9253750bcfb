//! The instance that RunInstances requests, checked against the rules.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::call::Call;
use super::params::Params;
use super::{block_devices, firmware, instance_types, market, placement};
use crate::api::{ApiError, Scope};
use crate::ids;
use crate::ssm::parameters;
use crate::world::{
    BlockDevice, Image, ImageState, Instance, InstanceState, MetadataOptions, Network, Subnet, Timeline, World,
};

/// Bytes of user data in Base64. EC2's limit is 16 KiB before the encoding.
const MOST_USER_DATA: usize = 16 * 1024 * 4 / 3 + 4;

/// Returns the instance, without ids, and how many of its kind its Dedicated Host has room for; `None` if the placement
/// does not limit it.
pub(super) fn plan(call: &Call<'_>, world: &mut World) -> Result<(Instance, Option<usize>), ApiError> {
    // A Region gets its copy of the source image at the first call that could name it.
    world.newest_source(&call.scope.region);
    let params = call.params;
    let image = image_id(world, call.scope, params.require("ImageId")?)?;
    let image = launchable(world, call, &image)?;
    let instance_type = params.get("InstanceType").unwrap_or(instance_types::default_for(&image.architecture));
    instance_types::check(instance_type, &image.architecture)?;
    firmware::check_type(instance_type, image)?;
    // Errors that the request alone shows come before the lookup of what it names.
    let devices = block_devices::of_launch(params, world, call.scope, image)?;
    let spot = market::spot(params)?.is_some();
    let tenancy = placement::tenancy(call, spot)?;
    check_hibernation(params, &devices, &image.root_device)?;
    let (network, interface) = (world.network(call.scope), interface(params)?);
    // EC2 chooses a subnet in the zone of the host if the call leaves the choice to it.
    let of_host = params.get("Placement.HostId").and_then(|id| world.hosts.get(id)).map(|host| host.zone.as_str());
    let subnet = subnet(&network, params, &interface, of_host)?;
    check_offered(call, &interface, instance_type, subnet)?;
    let placed = placement::place(call, world, tenancy, instance_type, &subnet.zone)?;
    let (profile, key_name) = identity(call, world, &network)?;
    let model = Instance {
        id: String::new(),
        reservation: ids::resource("r"),
        scope: call.scope.clone(),
        image_id: image.id.clone(),
        layers: image.layers.clone(),
        instance_type: instance_type.to_owned(),
        subnet_id: subnet.id.clone(),
        vpc_id: subnet.vpc_id.clone(),
        zone: subnet.zone.clone(),
        security_groups: groups(&network, subnet, params, &interface)?,
        profile: profile.map(str::to_owned),
        metadata: metadata(params, image)?,
        devices,
        tags: params.tags_for("instance")?,
        volume_tags: params.tags_for("volume")?,
        launched_at: call.endpoint.settings().aged(Timestamp::now()),
        states: Timeline::new(InstanceState::Pending),
        online: false,
        online_since: None,
        last_heard: None,
        silent: false,
        reason: None,
        architecture: image.architecture.clone(),
        boot_mode: image.boot_mode.clone(),
        tpm_support: image.tpm_support.clone(),
        uefi_data: image.uefi_data.clone(),
        root_device: image.root_device.clone(),
        client_token: params.get("ClientToken").map(str::to_owned),
        address: own_address(params, &interface, subnet)?,
        terminate_on_shutdown: params.get("InstanceInitiatedShutdownBehavior") == Some("terminate"),
        key_name: key_name.map(str::to_owned),
        user_data: user_data(params)?,
        spot,
        spot_request: None,
        tenancy: placed.tenancy,
        host_id: placed.host,
        has_uefi: instance_types::firmware_of(instance_type).0,
        has_agent: image.has_agent,
        keep_from_terminate: params.flag("DisableApiTermination"),
        keep_from_stop: params.flag("DisableApiStop"),
        ebs_optimized: params.flag("EbsOptimized"),
        monitored: params.flag("Monitoring.Enabled"),
        launch_index: 0,
        source_dest_check: true,
        console: String::new(),
        initialized: false,
    };
    Ok((model, placed.room))
}

/// Returns the instance profile and the name of the key pair.
fn identity<'p>(
    call: &Call<'p>,
    world: &World,
    network: &Network,
) -> Result<(Option<&'p str>, Option<&'p str>), ApiError> {
    let profile = call.params.get("IamInstanceProfile.Name").or(call.params.get("IamInstanceProfile.Arn"));
    profile.map_or(Ok(()), |profile| network.check_profile(profile))?;
    let key_name = call.params.get("KeyName");
    check_key(world, call.scope, key_name)?;
    Ok((profile, key_name))
}

/// Rejects hibernation with an unencrypted root volume (EC2 user guide, "Prerequisites for EC2 instance hibernation").
fn check_hibernation(params: &Params, devices: &[BlockDevice], root: &str) -> Result<(), ApiError> {
    let is_encrypted = devices.iter().any(|device| device.name == root && device.encrypted);
    if params.flag("HibernationOptions.Configured") && !is_encrypted {
        let message = "Hibernation requires that the root volume is encrypted.";
        return Err(ApiError::new("UnsupportedHibernationConfiguration", message));
    }
    Ok(())
}

/// Rejects a type that the call's zone does not have. If the call names neither a subnet nor a zone, EC2 chooses a zone
/// that has the type.
fn check_offered(call: &Call<'_>, interface: &Params, instance_type: &str, subnet: &Subnet) -> Result<(), ApiError> {
    let params = call.params;
    let named = params.get("SubnetId").or(interface.get("SubnetId")).or(params.get("Placement.AvailabilityZone"));
    if named.is_none() || call.endpoint.settings().offers(instance_type, &subnet.zone) {
        return Ok(());
    }
    let message = format!(
        "Your requested instance type ({instance_type}) is not supported in your requested Availability Zone ({}). Please retry your request by not specifying an Availability Zone or choosing another one.",
        subnet.zone
    );
    Err(ApiError::new("Unsupported", message))
}

/// Returns the id of an image, or the id that a public parameter names: `resolve:ssm:NAME`, `resolve:ssm:NAME:VERSION`.
fn image_id(world: &mut World, scope: &Scope, asked: &str) -> Result<String, ApiError> {
    let Some(name) = asked.strip_prefix("resolve:ssm:") else { return Ok(asked.to_owned()) };
    parameters::image_of(world, scope, name).ok_or_else(|| {
        ApiError::new(
            "InvalidParameterValue",
            format!("The SSM parameter '{name}' that the request names was not found."),
        )
    })
}

fn launchable<'w>(world: &'w World, call: &Call<'_>, id: &str) -> Result<&'w Image, ApiError> {
    let image = world.image(call.scope, id)?;
    let state = call.known_state(image)?;
    if world.is_of_blocks(image) {
        // The image's empty list of layers would stand for the base image.
        let message = format!(
            "The image '{id}' is registered from a snapshot that was written by blocks. AWS launches it; instances here \
             start from files, not from disks."
        );
        return Err(ApiError::new("UnsupportedOperation", message));
    }
    if state != ImageState::Available {
        let message = format!("The image '{id}' is not in a valid state: {}", state.name());
        return Err(ApiError::new("InvalidAMIID.Unavailable", message));
    }
    match call.endpoint.settings().product_codes.get(id) {
        None => Ok(image),
        Some(code) => {
            let message = format!(
                "In order to use this AWS Marketplace product you need to accept terms and subscribe. To do so please visit https://aws.amazon.com/marketplace/pp?sku={code}"
            );
            Err(ApiError::new("OptInRequired", message))
        }
    }
}

/// Returns the first interface that the call describes. The call may give the values of an interface only there (EC2
/// API reference, RunInstances, `PrivateIpAddress`, `SubnetId` and `SecurityGroupId`).
fn interface(params: &Params) -> Result<Params, ApiError> {
    let Some(first) = params.structures("NetworkInterface").into_iter().next() else { return Ok(Params::default()) };
    let has_groups = ["SecurityGroupId", "SecurityGroup"].iter().any(|name| !params.list(name).is_empty());
    let outside = [
        (params.get("SubnetId").is_some(), "subnet ID"),
        (params.get("PrivateIpAddress").is_some(), "private IP address"),
        (has_groups, "security groups"),
    ];
    match outside.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(first),
        Some((_, what)) => {
            let message =
                format!("Network interfaces and an instance-level {what} may not be specified on the same request");
            Err(ApiError::new("InvalidParameterCombination", message))
        }
    }
}

/// Returns the address that the call requests, which must be one that its subnet assigns, or an empty text if it
/// requests none. Only one instance can have the address (EC2 API reference, RunInstances, `PrivateIpAddress`).
fn own_address(params: &Params, interface: &Params, subnet: &Subnet) -> Result<String, ApiError> {
    let of_interface = interface.structures("PrivateIpAddresses").into_iter().find(|one| one.flag("Primary"));
    let of_interface = of_interface.as_ref().and_then(|one| one.get("PrivateIpAddress"));
    let asked = params.get("PrivateIpAddress").or(interface.get("PrivateIpAddress")).or(of_interface);
    let Some(asked) = asked else { return Ok(String::new()) };
    if params.number("MaxCount")?.is_some_and(|most: usize| most > 1) {
        let message = "A private IP address cannot be specified when more than one instance is launched.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let wrong = |message: String| Err(ApiError::new("InvalidParameterValue", message));
    match asked.parse::<Ipv4Addr>() {
        Err(_) => wrong(format!("invalid value for parameter address: {asked}")),
        Ok(address) if !subnet.has(address) => {
            wrong(format!("Address {asked} does not fall within the subnet's address range"))
        }
        Ok(address) if !subnet.gives(address) => {
            wrong(format!("Address {asked} is in subnet's reserved address range"))
        }
        Ok(address) => Ok(address.to_string()),
    }
}

fn subnet<'n>(
    network: &'n Network,
    params: &Params,
    interface: &Params,
    of_host: Option<&str>,
) -> Result<&'n Subnet, ApiError> {
    let zone = params.get("Placement.AvailabilityZone");
    if let Some(zone) = zone.filter(|zone| !network.has_zone(zone)) {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid Availability Zone ({zone})")));
    }
    let subnet = match params.get("SubnetId").or(interface.get("SubnetId")) {
        Some(id) => network.subnet(Some(id))?,
        None => zone
            .or(of_host)
            .and_then(|zone| network.default_subnet_in(zone))
            .map_or_else(|| network.subnet(None), Ok)?,
    };
    match zone {
        Some(zone) if zone != subnet.zone => {
            let message =
                format!("Value ({zone}) for parameter availabilityZone is invalid. The subnet is in {}.", subnet.zone);
            Err(ApiError::new("InvalidParameterValue", message))
        }
        _ => Ok(subnet),
    }
}

/// Returns groups by id, from the call or its first interface, or by name, which works only in the default VPC.
fn groups(network: &Network, subnet: &Subnet, params: &Params, interface: &Params) -> Result<Vec<String>, ApiError> {
    let mut ids = [params.list("SecurityGroupId"), interface.list("SecurityGroupId")].concat();
    for name in params.list("SecurityGroup") {
        ids.push(network.group_named(&name)?.id.clone());
    }
    network.groups_for(subnet, &ids)
}

fn check_key(world: &World, scope: &Scope, name: Option<&str>) -> Result<(), ApiError> {
    match name {
        Some(name) if world.key_pair(scope, name).is_none() => {
            Err(ApiError::new("InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist")))
        }
        _ => Ok(()),
    }
}

fn user_data(params: &Params) -> Result<Option<String>, ApiError> {
    match params.get("UserData") {
        Some(data) if data.len() > MOST_USER_DATA => {
            Err(ApiError::new("InvalidParameterValue", "User data is limited to 16384 bytes"))
        }
        Some(data) if STANDARD.decode(data).is_err() => {
            Err(ApiError::new("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."))
        }
        data => Ok(data.map(str::to_owned)),
    }
}

/// Returns the options of the metadata service. An image with `imdsSupport` makes version 2 the default.
fn metadata(params: &Params, image: &Image) -> Result<MetadataOptions, ApiError> {
    let word = |name: &str, default: &str, allowed: [&str; 2]| {
        let value = params.get(&format!("MetadataOptions.{name}")).unwrap_or(default);
        if allowed.contains(&value) {
            return Ok(value.to_owned());
        }
        Err(ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid.")))
    };
    let (tokens, hops) = if image.imds_v2 { ("required", 2) } else { ("optional", 1) };
    Ok(MetadataOptions {
        http_tokens: word("HttpTokens", tokens, ["required", "optional"])?,
        hop_limit: params.number("MetadataOptions.HttpPutResponseHopLimit")?.unwrap_or(hops),
        http_endpoint: word("HttpEndpoint", "enabled", ["enabled", "disabled"])?,
        tags: word("InstanceMetadataTags", "disabled", ["enabled", "disabled"])?,
    })
}
