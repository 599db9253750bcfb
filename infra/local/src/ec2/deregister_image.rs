//! DeregisterImage.

use super::call::{Call, Row};
use super::xml::Xml;
use crate::api::ApiError;
use crate::events::Event;
use crate::world::{ImageState, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DeregisterImage", deregister)];

/// Deregisters an image. With `DeleteAssociatedSnapshots`, its snapshots are deleted too, except those that another
/// image uses.
fn deregister(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    if image.protection.holds() {
        let message = format!("The image {} is protected from deregistration.", image.id);
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    call.check_dry_run()?;
    // The image stays in the world: its snapshots may still be pending, and DescribeImages shows a deregistered image
    // for a moment, as far as the lag goes.
    image.states.push(ImageState::Deregistered);
    call.endpoint.emit(Event::of_image(image));
    let snapshots = image.snapshots();
    let mut xml = Xml::done();
    if call.params.flag("DeleteAssociatedSnapshots") {
        let outcomes: Vec<_> = snapshots.iter().map(|id| (id, delete(&mut world, id))).collect();
        xml.items("deleteSnapshotResultSet", outcomes, |xml, (id, outcome)| {
            xml.text("snapshotId", id).text("returnCode", outcome);
        });
    }
    drop(world);
    // Layers are files. They are removed outside the lock, because that may take as long as the image is large.
    call.endpoint.sweep_layers();
    Ok(xml)
}

fn delete(world: &mut World, id: &str) -> &'static str {
    if world.user_of_snapshot(id).is_some() {
        return "skipped";
    }
    world.snapshots.remove(id);
    "success"
}
