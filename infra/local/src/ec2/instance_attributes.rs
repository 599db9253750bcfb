//! ModifyInstanceAttribute, DescribeInstanceAttribute and ModifyInstanceMetadataOptions.

use super::call::{Call, Row};
use super::instance_item::{devices, metadata};
use super::instance_types;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Instance, InstanceState};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("ModifyInstanceAttribute", modify),
    ("DescribeInstanceAttribute", describe),
    ("ModifyInstanceMetadataOptions", modify_metadata),
];

/// Changes one attribute, in either form: `Attribute` with `Value`, or `NAME.Value`.
fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
    let params = call.params;
    let id = params.require("InstanceId")?;
    let mut world = call.endpoint.world();
    let instance = world.instance(call.scope, id)?;
    // A dry run checks only the rights, so the instance's state is not checked.
    call.check_dry_run()?;
    let named = params.get("Attribute");
    // Both forms are in the API reference, and a client may send either.
    let value = |name: &str| {
        let upper = format!("{}{}.Value", name[..1].to_uppercase(), &name[1..]);
        params.get(&upper).or_else(|| params.get("Value").filter(|_| named == Some(name))).map(str::to_owned)
    };
    let mut changed = instance.clone();
    if let Some(kind) = value("instanceType") {
        only_stopped(instance, "instanceType")?;
        instance_types::check(&kind, &instance.architecture)?;
        changed.instance_type = kind;
    }
    if let Some(data) = value("userData") {
        only_stopped(instance, "userData")?;
        changed.user_data = Some(data).filter(|data| !data.is_empty());
    }
    for name in ["kernel", "ramdisk"] {
        if value(name).is_some() {
            only_stopped(instance, name)?;
        }
    }
    let flag = |name: &str, old: bool| value(name).map_or(old, |value| value == "true");
    changed.keep_from_terminate = flag("disableApiTermination", instance.keep_from_terminate);
    changed.keep_from_stop = flag("disableApiStop", instance.keep_from_stop);
    changed.ebs_optimized = flag("ebsOptimized", instance.ebs_optimized);
    changed.source_dest_check = flag("sourceDestCheck", instance.source_dest_check);
    if let Some(behavior) = value("instanceInitiatedShutdownBehavior") {
        changed.terminate_on_shutdown = behavior == "terminate";
    }
    let groups = params.list("GroupId");
    if !groups.is_empty() {
        let network = world.network(call.scope);
        // If the owner has removed the subnet since, there is nothing to compare with.
        if let Ok(subnet) = network.subnet(Some(&instance.subnet_id)) {
            changed.security_groups = network.groups_for(subnet, &groups)?;
        }
    }
    for asked in params.structures("BlockDeviceMapping") {
        let name = asked.require("DeviceName")?;
        let device = changed.devices.iter_mut().find(|device| device.name == name).ok_or_else(|| {
            ApiError::new("InvalidInstanceAttributeValue", format!("No device is currently mapped at {name}"))
        })?;
        // This is the only property of an attached volume that the call can change. It has no effect on the image,
        // which keeps its own setting.
        device.delete_on_termination = asked.flag("Ebs.DeleteOnTermination");
    }
    world.instances.insert(changed.id.clone(), changed);
    Ok(Xml::done())
}

fn only_stopped(instance: &Instance, attribute: &str) -> Result<(), ApiError> {
    if instance.state() == InstanceState::Stopped {
        return Ok(());
    }
    let message =
        format!("The instance '{}' is not in the 'stopped' state: {attribute} cannot be changed.", instance.id);
    Err(ApiError::new("IncorrectInstanceState", message))
}

/// Describes one attribute.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let world = call.endpoint.world();
    let instance = world.instance(call.scope, call.params.require("InstanceId")?)?;
    let mut xml = Xml::of("instanceId", &instance.id);
    let name = call.params.require("Attribute")?;
    let value = match name {
        "instanceType" => Some(instance.instance_type.clone()),
        "userData" => instance.user_data.clone(),
        "rootDeviceName" => Some(instance.root_device.clone()),
        "disableApiTermination" => Some(instance.keep_from_terminate.to_string()),
        "disableApiStop" => Some(instance.keep_from_stop.to_string()),
        "ebsOptimized" => Some(instance.ebs_optimized.to_string()),
        "sourceDestCheck" => Some(instance.source_dest_check.to_string()),
        "enaSupport" => Some("true".to_owned()),
        // For paravirtual instances and Marketplace images, which do not exist here, and for network adapters before
        // ENA.
        "kernel" | "ramdisk" | "sriovNetSupport" => None,
        "enclaveOptions" => {
            xml.nested(name, "enabled", false);
            return Ok(xml);
        }
        "productCodes" => {
            xml.items(name, None::<()>, |_, ()| {});
            return Ok(xml);
        }
        "blockDeviceMapping" => {
            devices(&mut xml, instance, instance.state());
            return Ok(xml);
        }
        "instanceInitiatedShutdownBehavior" => {
            Some(if instance.terminate_on_shutdown { "terminate" } else { "stop" }.to_owned())
        }
        "groupSet" => {
            xml.items("groupSet", &instance.security_groups, |xml, group| {
                xml.text("groupId", group);
            });
            return Ok(xml);
        }
        other => {
            let message = format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    };
    xml.node(name, |xml| {
        xml.maybe("value", value);
    });
    Ok(xml)
}

/// Changes the options of an instance's metadata service.
fn modify_metadata(call: &Call<'_>) -> Result<Xml, ApiError> {
    let params = call.params;
    let id = params.require("InstanceId")?;
    let hops = params.number("HttpPutResponseHopLimit")?;
    let mut world = call.endpoint.world();
    world.instance(call.scope, id)?;
    call.check_dry_run()?;
    let mut xml = Xml::of("instanceId", id);
    if let Some(instance) = world.instances.get_mut(id) {
        let options = &mut instance.metadata;
        options.hop_limit = hops.unwrap_or(options.hop_limit);
        for (name, field) in [
            ("HttpTokens", &mut options.http_tokens),
            ("HttpEndpoint", &mut options.http_endpoint),
            ("InstanceMetadataTags", &mut options.tags),
        ] {
            // An option that the call leaves out stays as it is (EC2 API reference, ModifyInstanceMetadataOptions).
            *field = params.get(name).unwrap_or(field).to_owned();
        }
        metadata(&mut xml, "instanceMetadataOptions", instance);
    }
    Ok(xml)
}
