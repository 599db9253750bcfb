//! ModifySnapshotAttribute, DescribeSnapshotAttribute and ResetSnapshotAttribute: who may create volumes from a
//! snapshot.

use super::attributes::Changes;
use super::snapshots::own_snapshot;
use super::xml::Xml;
use super::{Call, public_access};
use crate::api::ApiError;

/// Changes who may use a snapshot.
pub(super) fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
    let changes = Changes::read(call.params, "CreateVolumePermission")?;
    let id = call.params.require("SnapshotId")?;
    let mut world = call.endpoint.world();
    let snapshot = own_snapshot(call, &world, id)?;
    public_access::check_snapshot(&world, snapshot, &changes)?;
    call.check_dry_run()?;
    if let Some(snapshot) = world.snapshots.get_mut(id) {
        changes.apply(&mut snapshot.grants);
    }
    Ok(Xml::done())
}

/// Describes who may use a snapshot.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    check_attribute(call)?;
    let world = call.endpoint.world();
    let snapshot = own_snapshot(call, &world, call.params.require("SnapshotId")?)?;
    let everyone = snapshot.grants.public.then_some(("group", "all"));
    let accounts = snapshot.grants.accounts.iter().map(|id| ("userId", id.as_str()));
    let mut xml = Xml::new();
    xml.text("snapshotId", &snapshot.id);
    xml.items("createVolumePermission", everyone.into_iter().chain(accounts), |xml, (name, value)| {
        xml.text(name, value);
    });
    Ok(xml)
}

/// Removes all permissions.
pub(super) fn reset(call: &Call<'_>) -> Result<Xml, ApiError> {
    check_attribute(call)?;
    let id = call.params.require("SnapshotId")?;
    let mut world = call.endpoint.world();
    own_snapshot(call, &world, id)?;
    call.check_dry_run()?;
    if let Some(snapshot) = world.snapshots.get_mut(id) {
        snapshot.grants = Default::default();
    }
    Ok(Xml::done())
}

/// Checks that the call names the only attribute that exists.
fn check_attribute(call: &Call<'_>) -> Result<(), ApiError> {
    match call.params.require("Attribute")? {
        "createVolumePermission" => Ok(()),
        other => {
            let message = format!("Value ({other}) for parameter attribute is invalid. Unknown attribute.");
            Err(ApiError::new("InvalidParameterValue", message))
        }
    }
}
