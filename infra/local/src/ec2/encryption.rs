//! The key that encrypts a volume or a snapshot, whether the key can be used, and an account's defaults: Get-, Enable-
//! and DisableEbsEncryptionByDefault, Get-, Modify- and ResetEbsDefaultKmsKeyId.

use super::call::{Call, Row};
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::world::{BlockDevice, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("GetEbsEncryptionByDefault", get_default),
    ("EnableEbsEncryptionByDefault", |call| set_default(call, true)),
    ("DisableEbsEncryptionByDefault", |call| set_default(call, false)),
    ("GetEbsDefaultKmsKeyId", get_default_key),
    ("ModifyEbsDefaultKmsKeyId", modify_default_key),
    ("ResetEbsDefaultKmsKeyId", reset_default_key),
];

/// Encrypts the devices of a launch if the call or the image says so, or if the account encrypts by default. A volume
/// without a key of its own has the key of its snapshot if the account owns the snapshot; otherwise it has the
/// account's default (EBS user guide, "Amazon EBS encryption", "Encryption by default").
pub(super) fn of_launch(world: &World, scope: &Scope, devices: &mut [BlockDevice]) {
    let by_default = world.storage(scope).encrypts_by_default;
    for device in devices {
        device.encrypted |= by_default;
        device.kms_key = match &device.kms_key {
            // EBS ignores a default key as long as nothing asks for encryption.
            _ if !device.encrypted => None,
            Some(asked) => Some(world.key_named(scope, asked)),
            None => own_key(world, scope, device).or_else(|| Some(world.default_key(scope))),
        };
    }
}

fn own_key(world: &World, scope: &Scope, device: &BlockDevice) -> Option<String> {
    let snapshot = world.snapshots.get(device.snapshot_id.as_ref()?)?;
    snapshot.kms_key.clone().filter(|_| snapshot.scope.account == scope.account)
}

/// Encrypts the devices of a copy. A copy never keeps the key of its source, which is in another Region or belongs to
/// another account: a call that names no key gets the default (EC2 API reference, CopyImage, `KmsKeyId`).
pub(super) fn of_copy(world: &World, call: &Call<'_>, devices: &mut [BlockDevice]) {
    let storage = world.storage(call.scope);
    let asked = call.params.get("KmsKeyId").map(|name| world.key_named(call.scope, name));
    for device in devices {
        device.encrypted |= call.params.flag("Encrypted") || storage.encrypts_by_default;
        let key = asked.clone().unwrap_or_else(|| world.default_key(call.scope));
        device.kms_key = Some(key).filter(|_| device.encrypted);
    }
}

/// Returns whether the caller may use the keys of devices and the keys of the snapshots that they are made from. EBS
/// checks this only when it creates the volume or the snapshot, so the call itself succeeds (EC2 API reference,
/// CreateVolume, `KmsKeyId`).
pub(super) fn may_use(world: &World, call: &Call<'_>, devices: &[BlockDevice], sources: &[BlockDevice]) -> bool {
    // The endpoint knows no policies. The emulator, which does, has sent the keys that they deny.
    let is_denied = |key: &str| call.denied_keys.split(',').map(str::trim).any(|one| !one.is_empty() && one == key);
    let mut keys = keys(world, call.scope, devices, sources);
    keys.all(|(scope, key)| !is_denied(key) && world.may_use_key(&scope, key))
}

/// Returns whether EC2 may use the same keys for a spot instance.
pub(super) fn may_use_for_spot(world: &World, scope: &Scope, devices: &[BlockDevice], sources: &[BlockDevice]) -> bool {
    keys(world, scope, devices, sources).all(|(scope, key)| world.may_use_key_for_spot(&scope, key))
}

/// Returns the keys of devices and of the snapshots that they are made from, each with the Region in which it is used.
fn keys<'w>(
    world: &'w World,
    scope: &Scope,
    devices: &'w [BlockDevice],
    sources: &'w [BlockDevice],
) -> impl Iterator<Item = (Scope, &'w String)> {
    let of_snapshot = |device: &BlockDevice| world.snapshots.get(device.snapshot_id.as_ref()?);
    let from = sources.iter().filter_map(of_snapshot).filter_map(|snapshot| {
        let there = scope.in_region(&snapshot.scope.region);
        snapshot.kms_key.as_ref().map(|key| (there, key))
    });
    let to = devices.iter().filter_map(|device| device.kms_key.as_ref()).map(|key| (scope.clone(), key));
    from.chain(to)
}

fn get_default(call: &Call<'_>) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    let on = call.endpoint.world().storage(call.scope).encrypts_by_default;
    let mut xml = Xml::of("ebsEncryptionByDefault", on);
    xml.text("sseType", if on { "sse-kms" } else { "none" });
    Ok(xml)
}

fn set_default(call: &Call<'_>, on: bool) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    call.endpoint.world().change_storage(call.scope).encrypts_by_default = on;
    Ok(Xml::of("ebsEncryptionByDefault", on))
}

fn get_default_key(call: &Call<'_>) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    Ok(Xml::of("kmsKeyId", call.endpoint.world().default_key_name(call.scope)))
}

fn modify_default_key(call: &Call<'_>) -> Result<Xml, ApiError> {
    let name = call.params.require("KmsKeyId")?;
    call.check_dry_run()?;
    let mut world = call.endpoint.world();
    let named = world.key_named(call.scope, name);
    world.change_storage(call.scope).default_key = Some(named.clone());
    Ok(Xml::of("kmsKeyId", named))
}

fn reset_default_key(call: &Call<'_>) -> Result<Xml, ApiError> {
    call.check_dry_run()?;
    let mut world = call.endpoint.world();
    world.change_storage(call.scope).default_key = None;
    Ok(Xml::of("kmsKeyId", world.default_key(call.scope)))
}
