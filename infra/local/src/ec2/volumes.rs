//! DescribeVolumes: the volumes of instances.

use super::Call;
use super::filters::{self, Filters};
use super::known_filters::VOLUMES;
use super::network::zone_id;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{BlockDevice, Instance, InstanceState, check_id, iso};

/// Describes volumes by id or all. Each belongs to an instance and goes with it.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &VOLUMES)?;
    let world = call.endpoint.world();
    let live = world.instances.values().filter(|one| one.scope == *call.scope);
    let live = live.filter(|one| one.state() != InstanceState::Terminated);
    let mut found: Vec<(&Instance, &BlockDevice, &str)> = live
        .flat_map(|one| one.devices.iter().filter_map(move |device| Some((one, device, device.volume_id.as_deref()?))))
        .collect();
    let ids = call.params.list("VolumeId");
    for id in &ids {
        check_id("vol", id, "InvalidParameterValue")?;
        if !found.iter().any(|(_, _, volume)| volume == id) {
            return Err(ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")));
        }
    }
    found.retain(|(_, _, volume)| ids.is_empty() || ids.iter().any(|id| id == volume));
    let kept = filters.keep(found, |xml, (instance, device, volume)| item(xml, instance, device, volume));
    filters::answer(call, "volumeSet", kept)
}

fn item(xml: &mut Xml, instance: &Instance, device: &BlockDevice, volume: &str) {
    xml.text("volumeId", volume)
        .text("size", device.size)
        .maybe("snapshotId", device.snapshot_id.as_ref())
        .text("availabilityZone", &instance.zone)
        .text("availabilityZoneId", zone_id(&instance.zone))
        .text("status", "in-use")
        .text("createTime", iso(instance.launched_at))
        .text("volumeType", &device.volume_type)
        .maybe("iops", device.iops.or((device.volume_type == "gp3").then_some(3000)))
        .maybe("throughput", device.throughput.or((device.volume_type == "gp3").then_some(125)))
        .text("encrypted", device.encrypted)
        .text("fastRestored", false)
        .nested("operator", "managed", false)
        .text("multiAttachEnabled", false);
    xml.items("attachmentSet", [instance], |xml, instance| {
        xml.text("volumeId", volume)
            .text("instanceId", &instance.id)
            .text("device", &device.name)
            .text("status", "attached")
            .text("attachTime", iso(instance.launched_at))
            .text("deleteOnTermination", device.delete_on_termination);
    });
    xml.tags(&instance.volume_tags);
}
