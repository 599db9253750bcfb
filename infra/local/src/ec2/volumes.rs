//! DescribeVolumes: the volumes of instances.

use super::Call;
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{BlockDevice, Instance, InstanceState, check_id, iso};

const FILTERS: [&str; 5] = ["volume-id", "attachment.instance-id", "status", "snapshot-id", "attachment.device"];

/// Describes volumes by id or all. Each belongs to an instance and goes with it.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &FILTERS)?;
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
    found.retain(|(instance, device, volume)| {
        filters.pass(&instance.volume_tags, |name| match name {
            "volume-id" => vec![(*volume).to_owned()],
            "attachment.instance-id" => vec![instance.id.clone()],
            "attachment.device" => vec![device.name.clone()],
            "snapshot-id" => device.snapshot_id.iter().cloned().collect(),
            _ => vec!["in-use".to_owned()],
        })
    });
    let (found, next) = page(call, found)?;
    let mut xml = Xml::new();
    xml.items("volumeSet", found, |xml, (instance, device, volume)| item(xml, instance, device, volume));
    xml.maybe("nextToken", next);
    Ok(xml)
}

fn item(xml: &mut Xml, instance: &Instance, device: &BlockDevice, volume: &str) {
    xml.text("volumeId", volume)
        .text("size", device.size)
        .maybe("snapshotId", device.snapshot_id.as_ref())
        .text("availabilityZone", &instance.zone)
        .text("status", "in-use")
        .text("createTime", iso(instance.launched_at))
        .text("volumeType", &device.volume_type)
        .maybe("iops", device.iops.or((device.volume_type == "gp3").then_some(3000)))
        .maybe("throughput", device.throughput.or((device.volume_type == "gp3").then_some(125)))
        .text("encrypted", device.encrypted)
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
