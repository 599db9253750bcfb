//! RunInstances.

use jiff::Timestamp;

use super::params::Params;
use super::xml::Xml;
use super::{Call, describe_instances, instance_types};
use crate::api::{ApiError, Scope};
use crate::events::Event;
use crate::ids;
use crate::world::{BlockDevice, Image, ImageState, Instance, InstanceState, MetadataOptions, Timeline, World};

/// Launches instances. User data is taken but not run: nothing in the base image would. A client token makes the call repeatable; the same token with another request is an error.
pub(super) fn run(call: &Call<'_>) -> Result<Xml, ApiError> {
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some((key, request)) = &token
        && let Some(made) = world.made_before(key, request)?
    {
        return Ok(reservation(call, &world, &made));
    }
    let count: usize = call.params.number("MaxCount")?.unwrap_or(1);
    let model = plan(call, &mut world)?;
    call.check_dry_run()?;
    let mut made = Vec::new();
    for _ in 0..count.max(1) {
        let instance = with_ids(&model);
        call.endpoint.emit(Event::of_instance(&instance));
        made.push(instance.id.clone());
        world.instances.insert(instance.id.clone(), instance);
    }
    if let Some((key, request)) = token {
        world.remember(key, request, made.clone());
    }
    let answer = reservation(call, &world, &made);
    drop(world);
    made.iter().for_each(|id| call.endpoint.clone().launch(id));
    Ok(answer)
}

fn reservation(call: &Call<'_>, world: &World, made: &[String]) -> Xml {
    let instances: Vec<_> =
        made.iter().filter_map(|id| world.instances.get(id)).map(|instance| (instance, instance.state())).collect();
    let mut xml = Xml::new();
    describe_instances::reservation(&mut xml, call.scope, &instances);
    xml
}

/// The instance that the call asks for, without ids.
fn plan(call: &Call<'_>, world: &mut World) -> Result<Instance, ApiError> {
    world.newest_source(&call.scope.region);
    let params = call.params;
    let image = launchable(world, call.scope, params.require("ImageId")?)?;
    let instance_type = params.get("InstanceType").unwrap_or("m1.small");
    instance_types::check(instance_type, &image.architecture)?;
    let network = world.network(call.scope);
    let interface = params.structures("NetworkInterface").into_iter().next().unwrap_or_default();
    let subnet = network.subnet(params.get("SubnetId").or(interface.get("SubnetId")))?;
    let groups = [params.list("SecurityGroupId"), interface.list("SecurityGroupId")].concat();
    let profile = params.get("IamInstanceProfile.Name").or(params.get("IamInstanceProfile.Arn"));
    profile.map_or(Ok(()), |profile| network.check_profile(profile))?;
    Ok(Instance {
        id: String::new(),
        scope: call.scope.clone(),
        image_id: image.id.clone(),
        layers: image.layers.clone(),
        instance_type: instance_type.to_owned(),
        subnet_id: subnet.id.clone(),
        security_groups: network.groups(&groups)?,
        profile: profile.map(str::to_owned),
        metadata: metadata(params)?,
        devices: devices(params, image)?,
        tags: params.tags_for("instance"),
        volume_tags: params.tags_for("volume"),
        launched_at: Timestamp::now(),
        states: Timeline::new(InstanceState::Pending),
        online: false,
        reason: None,
        architecture: image.architecture.clone(),
        root_device: image.root_device.clone(),
        client_token: params.get("ClientToken").map(str::to_owned),
        address: String::new(),
        terminate_on_shutdown: params.get("InstanceInitiatedShutdownBehavior") == Some("terminate"),
    })
}

fn with_ids(model: &Instance) -> Instance {
    let id = ids::resource("i");
    // An address in the default subnet that follows from the id: nothing listens on it.
    let last = u8::from_str_radix(&id[17..19], 16).unwrap_or_default();
    let mut instance = Instance { address: format!("172.31.0.{last}"), id, ..model.clone() };
    for device in &mut instance.devices {
        device.volume_id = Some(ids::resource("vol"));
    }
    instance
}

fn launchable<'w>(world: &'w World, scope: &Scope, id: &str) -> Result<&'w Image, ApiError> {
    let image = world.image(scope, id)?;
    if image.state() == ImageState::Available {
        return Ok(image);
    }
    let message = format!("The image '{id}' is not in a valid state: {}", image.state().name());
    Err(ApiError::new("InvalidAMIID.Unavailable", message))
}

fn metadata(params: &Params) -> Result<MetadataOptions, ApiError> {
    let text = |name: &str, default: &str| params.get(name).unwrap_or(default).to_owned();
    Ok(MetadataOptions {
        http_tokens: text("MetadataOptions.HttpTokens", "optional"),
        hop_limit: params.number("MetadataOptions.HttpPutResponseHopLimit")?.unwrap_or(1),
        http_endpoint: text("MetadataOptions.HttpEndpoint", "enabled"),
        tags: text("MetadataOptions.InstanceMetadataTags", "disabled"),
    })
}

/// The image's devices, changed and extended by `BlockDeviceMapping.N`.
pub(super) fn devices(params: &Params, image: &Image) -> Result<Vec<BlockDevice>, ApiError> {
    let mut devices = image.devices.clone();
    for asked in params.structures("BlockDeviceMapping") {
        let name = asked.require("DeviceName")?;
        let size: Option<u32> = asked.number("Ebs.VolumeSize")?;
        let at = devices.iter().position(|device| device.name == name).unwrap_or(devices.len());
        if at == devices.len() {
            devices.push(empty_device(name));
        }
        let device = &mut devices[at];
        if let Some(size) = size.filter(|size| *size < device.size) {
            let message = format!("Volume of size {size}GB is smaller than snapshot, expect size >= {}GB", device.size);
            return Err(ApiError::new("InvalidBlockDeviceMapping", message));
        }
        device.size = size.unwrap_or(device.size);
        device.encrypted |= asked.flag("Ebs.Encrypted");
        device.volume_type = asked.get("Ebs.VolumeType").unwrap_or(&device.volume_type).to_owned();
        device.delete_on_termination = asked.get("Ebs.DeleteOnTermination") != Some("false");
    }
    Ok(devices)
}

fn empty_device(name: &str) -> BlockDevice {
    BlockDevice {
        name: name.to_owned(),
        size: 1,
        volume_type: "gp3".to_owned(),
        encrypted: false,
        delete_on_termination: true,
        snapshot_id: None,
        volume_id: None,
    }
}
