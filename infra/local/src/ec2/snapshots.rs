//! DeregisterImage, DescribeSnapshots and DeleteSnapshot.

use super::Call;
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::ApiError;
use crate::events::Event;
use crate::world::{Image, ImageState, Snapshot, World, check_id, iso};

/// Deregisters an image; with `DeleteAssociatedSnapshots` its snapshots go too.
pub(super) fn deregister_image(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    call.check_dry_run()?;
    image.states.push(ImageState::Deregistered);
    call.endpoint.emit(Event::of_image(image));
    let snapshots: Vec<String> = image.devices.iter().filter_map(|device| device.snapshot_id.clone()).collect();
    let mut xml = Xml::done();
    if call.params.flag("DeleteAssociatedSnapshots") {
        xml.items("deleteSnapshotResultSet", &snapshots, |xml, id| {
            xml.text("snapshotId", id).text("returnCode", "success");
        });
        snapshots.iter().for_each(|id| drop(world.snapshots.remove(id)));
    }
    drop(world);
    call.endpoint.sweep_layers();
    Ok(xml)
}

/// Deletes a snapshot that no image uses.
pub(super) fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let id = call.params.require("SnapshotId")?;
    check_id("snap", id, "InvalidSnapshotID.Malformed")?;
    let mut world = call.endpoint.world();
    own_snapshot(call, &world, id)?;
    let uses =
        |image: &&Image| image.exists() && image.devices.iter().any(|device| device.snapshot_id.as_deref() == Some(id));
    if let Some(image) = world.images.values().find(uses) {
        let message = format!("The snapshot {id} is currently in use by {}", image.id);
        return Err(ApiError::new("InvalidSnapshot.InUse", message));
    }
    call.check_dry_run()?;
    world.snapshots.remove(id);
    Ok(Xml::done())
}

fn own_snapshot<'w>(call: &Call<'_>, world: &'w World, id: &str) -> Result<&'w Snapshot, ApiError> {
    let own = |snapshot: &&Snapshot| snapshot.scope == *call.scope;
    let missing = || ApiError::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."));
    world.snapshots.get(id).filter(own).ok_or_else(missing)
}

/// Describes snapshots: the account's own.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &["snapshot-id", "status", "description", "volume-id"])?;
    let world = call.endpoint.world();
    let ids = call.params.list("SnapshotId");
    let mut found: Vec<&Snapshot> = if ids.is_empty() {
        world.snapshots.values().filter(|snapshot| snapshot.scope == *call.scope).collect()
    } else {
        ids.iter().map(|id| own_snapshot(call, &world, id)).collect::<Result<_, _>>()?
    };
    found.retain(|snapshot| filters.pass(&snapshot.tags, |name| vec![field(snapshot, name)]));
    let (found, next) = page(call, found)?;
    let mut xml = Xml::new();
    xml.items("snapshotSet", found, item);
    xml.maybe("nextToken", next);
    Ok(xml)
}

fn field(snapshot: &Snapshot, name: &str) -> String {
    match name {
        "snapshot-id" => snapshot.id.clone(),
        "status" => status(snapshot).to_owned(),
        "volume-id" => snapshot.volume_id.clone(),
        _ => snapshot.description.clone(),
    }
}

fn status(snapshot: &Snapshot) -> &'static str {
    if snapshot.completed { "completed" } else { "pending" }
}

fn item(xml: &mut Xml, snapshot: &Snapshot) {
    xml.text("snapshotId", &snapshot.id)
        .text("volumeId", &snapshot.volume_id)
        .text("status", status(snapshot))
        .text("startTime", iso(snapshot.started_at))
        .text("progress", if snapshot.completed { "100%" } else { "0%" })
        .text("ownerId", &snapshot.scope.account)
        .text("volumeSize", snapshot.size)
        .text("description", &snapshot.description)
        .text("encrypted", snapshot.encrypted)
        .maybe("kmsKeyId", snapshot.kms_key.as_ref())
        .tags(&snapshot.tags);
}
