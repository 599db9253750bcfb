//! DescribeSnapshots and DeleteSnapshot.

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::SNAPSHOTS;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Snapshot, World, check_id, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeSnapshots", describe), ("DeleteSnapshot", delete)];

/// Deletes a snapshot that no image uses.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let id = call.params.require("SnapshotId")?;
    let mut world = call.endpoint.world();
    own_snapshot(call, &world, id)?;
    if let Some(image) = world.user_of_snapshot(id) {
        let message = format!("The snapshot {id} is currently in use by {image}");
        return Err(ApiError::new("InvalidSnapshot.InUse", message));
    }
    call.check_dry_run()?;
    world.snapshots.remove(id);
    drop(world);
    call.endpoint.sweep_layers();
    Ok(Xml::done())
}

/// Returns a snapshot of this account and Region.
pub(super) fn own_snapshot<'w>(call: &Call<'_>, world: &'w World, id: &str) -> Result<&'w Snapshot, ApiError> {
    check_id("snap", id, "InvalidSnapshotID.Malformed")?;
    let own = |snapshot: &&Snapshot| snapshot.scope == *call.scope;
    world.snapshots.get(id).filter(own).ok_or_else(|| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
}

/// Describes snapshots that the account may use. The answer is as old as the endpoint's lag.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &SNAPSHOTS)?;
    let owners = call.params.list("Owner");
    let world = call.endpoint.world();
    let seen_at = call.endpoint.seen_at();
    let visible = |one: &&Snapshot| world.shows_snapshot(call.scope, one) && (one.started_at <= seen_at);
    let ids = call.params.list("SnapshotId");
    ids.iter().try_for_each(|id| check_id("snap", id, "InvalidSnapshotID.Malformed"))?;
    let mut found: Vec<&Snapshot> = if ids.is_empty() {
        world.snapshots.values().filter(visible).collect()
    } else {
        let one = |id: &String| world.snapshots.get(id).filter(visible).ok_or_else(|| missing(id));
        ids.iter().map(one).collect::<Result<_, _>>()?
    };
    let account = &call.scope.account;
    found.retain(|one| {
        owners.is_empty()
            || owners
                .iter()
                .any(|owner| *owner == one.scope.account || (owner == "self" && one.scope.account == *account))
    });
    filters::answer(call, "snapshotSet", filters.keep(found, item))
}

fn item(xml: &mut Xml, snapshot: &Snapshot) {
    xml.text("snapshotId", &snapshot.id)
        .text("volumeId", &snapshot.volume_id)
        .text("status", snapshot.status())
        .maybe("statusMessage", snapshot.failure.as_ref())
        .text("startTime", iso(snapshot.started_at))
        .text("progress", if snapshot.completed { "100%" } else { "0%" })
        .text("ownerId", &snapshot.scope.account)
        .text("volumeSize", snapshot.size)
        .text("description", &snapshot.description)
        .text("encrypted", snapshot.encrypted)
        .text("storageTier", "standard")
        .maybe("kmsKeyId", snapshot.kms_key.as_ref())
        .tags(&snapshot.tags);
}
