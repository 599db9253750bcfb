//! DescribeVolumes and DeleteVolume: the volumes of instances, and those that have outlived their instances.

use jiff::Timestamp;

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::VOLUMES;
use super::network::zone_id;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{BlockDevice, Instance, InstanceState, Tags, World, check_id, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeVolumes", describe), ("DeleteVolume", delete)];

/// A volume and the instance that it is attached to.
struct Seen<'w> {
    id: &'w str,
    instance: Option<&'w Instance>,
    device: &'w BlockDevice,
    zone: &'w str,
    created_at: Timestamp,
    tags: &'w Tags,
}

/// Describes volumes by id, or all volumes.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &VOLUMES)?;
    let world = call.endpoint.world();
    let mut found = all(call, &world);
    let ids = call.params.list("VolumeId");
    for id in &ids {
        check_id("vol", id, "InvalidParameterValue")?;
        if !found.iter().any(|seen| seen.id == id) {
            return Err(missing(id));
        }
    }
    found.retain(|seen| ids.is_empty() || ids.iter().any(|id| id == seen.id));
    filters::answer(call, "volumeSet", filters.keep(found, |xml, seen| item(xml, &seen)))
}

/// Deletes a volume that no instance has.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let id = call.params.require("VolumeId")?;
    check_id("vol", id, "InvalidParameterValue")?;
    let mut world = call.endpoint.world();
    if let Some(instance) = world.user_of_volume(call.scope, id) {
        let message = format!("Volume {id} is currently attached to {instance}");
        return Err(ApiError::new("VolumeInUse", message));
    }
    if world.volumes.get(id).is_none_or(|volume| volume.scope != *call.scope) {
        return Err(missing(id));
    }
    call.check_dry_run()?;
    world.volumes.remove(id);
    Ok(Xml::done())
}

fn missing(id: &str) -> ApiError {
    ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist."))
}

fn all<'w>(call: &Call<'_>, world: &'w World) -> Vec<Seen<'w>> {
    let live = world.instances.values().filter(|one| one.scope == *call.scope);
    let live = live.filter(|one| one.state() != InstanceState::Terminated);
    let attached = live.flat_map(|one| one.devices.iter().filter_map(move |device| of_instance(one, device)));
    let left = world.volumes.values().filter(|volume| volume.scope == *call.scope).map(|volume| Seen {
        id: &volume.id,
        instance: None,
        device: &volume.device,
        zone: &volume.zone,
        created_at: volume.created_at,
        tags: &volume.tags,
    });
    // While its instance is being terminated, both lists may contain a volume.
    let mut found: Vec<Seen<'_>> = attached.collect();
    for volume in left {
        if !found.iter().any(|seen| seen.id == volume.id) {
            found.push(volume);
        }
    }
    found
}

fn of_instance<'w>(instance: &'w Instance, device: &'w BlockDevice) -> Option<Seen<'w>> {
    Some(Seen {
        id: device.volume_id.as_deref()?,
        instance: Some(instance),
        device,
        zone: &instance.zone,
        created_at: instance.launched_at,
        tags: &instance.volume_tags,
    })
}

fn item(xml: &mut Xml, seen: &Seen<'_>) {
    let (device, gp3) = (seen.device, seen.device.volume_type == "gp3");
    xml.text("volumeId", seen.id)
        .text("size", device.size)
        .maybe("snapshotId", device.snapshot_id.as_ref())
        .text("availabilityZone", seen.zone)
        .text("availabilityZoneId", zone_id(seen.zone))
        .text("status", if seen.instance.is_some() { "in-use" } else { "available" })
        .text("createTime", iso(seen.created_at))
        .text("volumeType", &device.volume_type)
        // The baseline of gp3, which a volume has without any setting (EBS user guide, "General Purpose SSD volumes").
        .maybe("iops", device.iops.or(gp3.then_some(3000)))
        .maybe("throughput", device.throughput.or(gp3.then_some(125)))
        .text("encrypted", device.encrypted)
        .maybe("kmsKeyId", device.kms_key.as_ref())
        .text("fastRestored", false)
        .nested("operator", "managed", false)
        .text("multiAttachEnabled", false);
    xml.items("attachmentSet", seen.instance, |xml, instance| {
        xml.text("volumeId", seen.id)
            .text("instanceId", &instance.id)
            .text("device", &device.name)
            .text("status", "attached")
            .text("attachTime", iso(instance.launched_at))
            .text("deleteOnTermination", device.delete_on_termination);
    });
    xml.tags(seen.tags);
}
