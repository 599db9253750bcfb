//! DescribeInstances, and how an instance looks in every answer that shows one.

use std::collections::BTreeMap;

use super::Call;
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::world::{Instance, InstanceState, World, iso};

const FILTERS: [&str; 10] = [
    "instance-state-name",
    "instance-state-code",
    "client-token",
    "instance-id",
    "image-id",
    "subnet-id",
    "vpc-id",
    "instance-type",
    "key-name",
    "availability-zone",
];

/// An instance and the state it is shown in.
type Seen<'w> = (&'w Instance, InstanceState);

/// Describes instances, as old as the endpoint's lag.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &FILTERS)?;
    if call.params.get("InstanceId.1").is_some() && call.params.get("MaxResults").is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let world = call.endpoint.world();
    let seen_at = call.endpoint.seen_at();
    let visible = |instance: &'_ Instance| instance.states.at(seen_at);
    let mut seen: Vec<Seen<'_>> = Vec::new();
    for instance in chosen(call, &world)? {
        match visible(instance) {
            Some(state) => seen.push((instance, state)),
            None if call.params.get("InstanceId.1").is_some() => {
                return Err(ApiError::new(
                    "InvalidInstanceID.NotFound",
                    format!("The instance ID '{}' does not exist", instance.id),
                ));
            }
            None => {}
        }
    }
    seen.retain(|(instance, state)| filters.pass(&instance.tags, |name| field(instance, *state, name)));
    let (seen, next) = page(call, seen)?;
    let mut xml = Xml::new();
    let mut launches: BTreeMap<&str, Vec<Seen<'_>>> = BTreeMap::new();
    for one in seen {
        launches.entry(&one.0.reservation).or_default().push(one);
    }
    xml.items("reservationSet", launches.into_values(), |xml, launch| reservation(xml, call.scope, &launch));
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// The instances that the call names, or all of its scope.
pub(super) fn chosen<'w>(call: &Call<'_>, world: &'w World) -> Result<Vec<&'w Instance>, ApiError> {
    let ids = call.params.list("InstanceId");
    if ids.is_empty() {
        return Ok(world.instances.values().filter(|instance| instance.scope == *call.scope).collect());
    }
    ids.iter().map(|id| world.instance(call.scope, id)).collect()
}

fn field(instance: &Instance, state: InstanceState, name: &str) -> Vec<String> {
    match name {
        "instance-state-name" => vec![state.name().to_owned()],
        "client-token" => instance.client_token.iter().cloned().collect(),
        "instance-id" => vec![instance.id.clone()],
        "image-id" => vec![instance.image_id.clone()],
        "instance-state-code" => vec![state.code().to_string()],
        "vpc-id" => vec![instance.vpc_id.clone()],
        "key-name" => instance.key_name.iter().cloned().collect(),
        "availability-zone" => vec![instance.zone.clone()],
        "subnet-id" => vec![instance.subnet_id.clone()],
        "instance-type" => vec![instance.instance_type.clone()],
        _ => Vec::new(),
    }
}

/// The content of a reservation.
pub(super) fn reservation(xml: &mut Xml, scope: &Scope, instances: &[Seen<'_>]) {
    let id = instances.first().map(|(instance, _)| instance.reservation.as_str()).unwrap_or_default();
    xml.text("reservationId", id).text("ownerId", &scope.account).node("groupSet", |_| {});
    xml.items("instancesSet", instances, |xml, (instance, state)| item(xml, instance, *state));
}

/// `code` and `name` of a state.
pub(super) fn state(xml: &mut Xml, name: &str, state: InstanceState) {
    xml.node(name, |xml| {
        xml.text("code", state.code()).text("name", state.name());
    });
}

fn item(xml: &mut Xml, instance: &Instance, shown: InstanceState) {
    xml.text("instanceId", &instance.id).text("imageId", &instance.image_id);
    state(xml, "instanceState", shown);
    xml.text("privateDnsName", format!("ip-{}.ec2.internal", instance.address.replace('.', "-")))
        .text("dnsName", "")
        .maybe("keyName", instance.key_name.as_ref())
        .text("amiLaunchIndex", 0)
        .text("instanceType", &instance.instance_type)
        .text("launchTime", iso(instance.launched_at))
        .text("ebsOptimized", instance.ebs_optimized)
        .text("enaSupport", true)
        .maybe("instanceLifecycle", instance.spot.then_some("spot"));
    xml.node("placement", |xml| {
        xml.text("availabilityZone", &instance.zone).text("tenancy", "default").text("groupName", "");
    });
    xml.node("monitoring", |xml| {
        xml.text("state", "disabled");
    });
    // A terminated instance has no network any more.
    if shown != InstanceState::Terminated {
        xml.text("vpcId", &instance.vpc_id)
            .text("subnetId", &instance.subnet_id)
            .text("privateIpAddress", &instance.address);
    }
    if let Some(reason) = &instance.reason {
        xml.text("reason", &reason.message).node("stateReason", |xml| {
            xml.text("code", &reason.code).text("message", &reason.message);
        });
    }
    xml.text("architecture", &instance.architecture)
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", &instance.root_device)
        .text("virtualizationType", "hvm")
        .text("hypervisor", "xen")
        .maybe("clientToken", instance.client_token.as_ref());
    xml.items("groupSet", &instance.security_groups, |xml, group| {
        xml.text("groupId", group);
    });
    devices(xml, instance, shown);
    if let Some(profile) = &instance.profile {
        let name = profile.rsplit('/').next().unwrap_or_default();
        xml.node("iamInstanceProfile", |xml| {
            xml.text("arn", format!("arn:aws:iam::{}:instance-profile/{name}", instance.scope.account));
        });
    }
    metadata(xml, "metadataOptions", instance);
    xml.tags(&instance.tags);
}

fn devices(xml: &mut Xml, instance: &Instance, shown: InstanceState) {
    // A terminated instance has no volumes any more.
    let attached = instance.devices.iter().filter(|_| shown != InstanceState::Terminated);
    xml.items("blockDeviceMapping", attached, |xml, device| {
        xml.text("deviceName", &device.name).node("ebs", |xml| {
            xml.maybe("volumeId", device.volume_id.as_ref())
                .text("status", "attached")
                .text("attachTime", iso(instance.launched_at))
                .text("deleteOnTermination", device.delete_on_termination);
        });
    });
}

/// The options of an instance's metadata service.
pub(super) fn metadata(xml: &mut Xml, name: &str, instance: &Instance) {
    xml.node(name, |xml| {
        xml.text("state", "applied")
            .text("httpTokens", &instance.metadata.http_tokens)
            .text("httpPutResponseHopLimit", instance.metadata.hop_limit)
            .text("httpEndpoint", &instance.metadata.http_endpoint)
            .text("instanceMetadataTags", &instance.metadata.tags);
    });
}
