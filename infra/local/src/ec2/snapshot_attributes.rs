//! ModifySnapshotAttribute, DescribeSnapshotAttribute and ResetSnapshotAttribute: who may create volumes from a
//! snapshot.

use super::call::{Call, Row};
use super::grants::Changes;
use super::public_access;
use super::snapshots::own_snapshot;
use super::xml::Xml;
use crate::api::ApiError;

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("ModifySnapshotAttribute", modify), ("DescribeSnapshotAttribute", describe), ("ResetSnapshotAttribute", reset)];

/// Changes who may use a snapshot.
fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
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
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    check_attribute(call)?;
    let world = call.endpoint.world();
    let snapshot = own_snapshot(call, &world, call.params.require("SnapshotId")?)?;
    let everyone = snapshot.grants.public.then_some(("group", "all"));
    let accounts = snapshot.grants.accounts.iter().map(|id| ("userId", id.as_str()));
    let mut xml = Xml::of("snapshotId", &snapshot.id);
    xml.items("createVolumePermission", everyone.into_iter().chain(accounts), |xml, (name, value)| {
        xml.text(name, value);
    });
    Ok(xml)
}

/// Removes all permissions.
fn reset(call: &Call<'_>) -> Result<Xml, ApiError> {
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

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;

    const FRIEND: &str = "<userId>444455556666</userId>";

    #[test]
    fn who_may_use_a_snapshot_is_changed_and_reset() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        let attribute = [("SnapshotId", snapshot.as_str()), ("Attribute", "createVolumePermission")];
        let shown = || scene.call("DescribeSnapshotAttribute", &attribute).unwrap();
        let share = [attribute[0], ("CreateVolumePermission.Add.1.UserId", "444455556666")];
        assert_eq!(
            scene.refused("ModifySnapshotAttribute", &[&share[..], &[("DryRun", "true")]].concat()),
            "DryRunOperation"
        );
        assert!(!shown().contains(FRIEND));
        scene.call("ModifySnapshotAttribute", &share).unwrap();
        assert!(shown().contains(FRIEND));
        scene.call("ResetSnapshotAttribute", &attribute).unwrap();
        assert!(!shown().contains(FRIEND));
    }

    #[test]
    fn an_attribute_or_a_snapshot_that_does_not_exist_is_rejected() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        let other = [("SnapshotId", snapshot.as_str()), ("Attribute", "productCodes")];
        assert_eq!(scene.refused("ResetSnapshotAttribute", &other), "InvalidParameterValue");
        let missing = [("SnapshotId", "snap-0123456789abcdef0"), ("Attribute", "createVolumePermission")];
        assert_eq!(scene.refused("DescribeSnapshotAttribute", &missing), "InvalidSnapshot.NotFound");
    }
}
