//! Limits of sharing: images and snapshots that EC2 does not allow to be shared, and an account's block of public
//! access, Get-, Enable- and DisableImageBlockPublicAccess(State), and the same for snapshots.

use super::call::{Call, Row};
use super::grants::Changes;
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::world::{Snapshot, SnapshotAccess, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("GetImageBlockPublicAccessState", get_images),
    ("EnableImageBlockPublicAccess", enable_images),
    ("DisableImageBlockPublicAccess", |call| block_images(call, false)),
    ("GetSnapshotBlockPublicAccessState", get_snapshots),
    ("EnableSnapshotBlockPublicAccess", enable_snapshots),
    ("DisableSnapshotBlockPublicAccess", |call| block_snapshots(call, SnapshotAccess::Unblocked)),
];

/// Rejects sharing an image whose snapshots no other account could read, and sharing it with everybody if that is
/// blocked.
pub(super) fn check_image(world: &World, scope: &Scope, id: &str, changes: &Changes) -> Result<(), ApiError> {
    let behind = world.images.get(id).map(|image| image.snapshots()).unwrap_or_default();
    let encrypted: Vec<&Snapshot> =
        behind.iter().filter_map(|id| world.snapshots.get(id)).filter(|one| one.encrypted).collect();
    // Only new public permissions are blocked. An image that is public already stays public (EC2 user guide, "Block
    // public access to your AMIs").
    if changes.make_public() && world.storage(scope).blocks_images {
        let message =
            "You can't publicly share this image because block public access for AMIs is enabled for this account.";
        return Err(ApiError::new("OperationNotPermitted", message));
    }
    if changes.make_public() && !encrypted.is_empty() {
        let message = "Encrypted snapshots can't be shared publicly. Specify another snapshot.";
        return Err(ApiError::new("UnsupportedOperation", message));
    }
    if changes.let_in() && encrypted.iter().any(|snapshot| is_managed(world, snapshot)) {
        let message = "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.";
        return Err(ApiError::new("InvalidParameter", message));
    }
    Ok(())
}

/// Does the same for a snapshot.
pub(super) fn check_snapshot(world: &World, snapshot: &Snapshot, changes: &Changes) -> Result<(), ApiError> {
    let not_permitted = |message: &str| Err(ApiError::new("OperationNotPermitted", message));
    if changes.make_public() && world.storage(&snapshot.scope).snapshots != SnapshotAccess::Unblocked {
        return not_permitted("Block public access for snapshots is enabled for this account.");
    }
    if snapshot.encrypted && changes.let_in() && is_managed(world, snapshot) {
        return not_permitted("Encrypted snapshots with EBS default key cannot be shared");
    }
    if snapshot.encrypted && changes.make_public() {
        return not_permitted("Encrypted snapshots cannot be shared publicly");
    }
    Ok(())
}

/// Returns whether AWS manages the snapshot's key. A snapshot from before keys were stored has no key: it counts as
/// encrypted with the AWS-managed key.
fn is_managed(world: &World, snapshot: &Snapshot) -> bool {
    snapshot.kms_key.as_ref().is_none_or(|key| world.is_managed_key(&snapshot.scope, key))
}

fn get_images(call: &Call<'_>) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    let mut xml = images(call.endpoint.world().storage(call.scope).blocks_images);
    xml.text("managedBy", "account");
    Ok(xml)
}

fn enable_images(call: &Call<'_>) -> Result<Xml, ApiError> {
    let state = call.params.require("ImageBlockPublicAccessState")?;
    if state != "block-new-sharing" {
        return Err(wrong(state));
    }
    block_images(call, true)
}

fn block_images(call: &Call<'_>, block: bool) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    call.endpoint.world().change_storage(call.scope).blocks_images = block;
    Ok(images(block))
}

fn images(blocked: bool) -> Xml {
    Xml::of("imageBlockPublicAccessState", if blocked { "block-new-sharing" } else { "unblocked" })
}

fn get_snapshots(call: &Call<'_>) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    let mut xml = Xml::of("state", call.endpoint.world().storage(call.scope).snapshots.name());
    xml.text("managedBy", "account");
    Ok(xml)
}

fn enable_snapshots(call: &Call<'_>) -> Result<Xml, ApiError> {
    match call.params.require("State")? {
        "block-new-sharing" => block_snapshots(call, SnapshotAccess::NoNewSharing),
        "block-all-sharing" => block_snapshots(call, SnapshotAccess::NoSharing),
        other => Err(wrong(other)),
    }
}

fn block_snapshots(call: &Call<'_>, access: SnapshotAccess) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    call.endpoint.world().change_storage(call.scope).snapshots = access;
    Ok(Xml::of("state", access.name()))
}

fn wrong(state: &str) -> ApiError {
    ApiError::new("InvalidParameterValue", format!("Value ({state}) for parameter state is invalid."))
}
