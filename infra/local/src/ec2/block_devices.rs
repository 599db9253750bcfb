//! Block devices: those of an image, changed and extended by the mappings of a call.

use super::encryption;
use super::params::Params;
use crate::api::{ApiError, Scope};
use crate::world::{BlockDevice, Image, World};

/// Returns the devices of a new instance.
pub(super) fn of_launch(
    params: &Params,
    world: &World,
    scope: &Scope,
    image: &Image,
) -> Result<Vec<BlockDevice>, ApiError> {
    // The launch, not the image, decides which key the volumes have.
    let mut devices: Vec<BlockDevice> =
        image.devices.iter().map(|device| BlockDevice { kms_key: None, ..device.clone() }).collect();
    change(&mut devices, params)?;
    encryption::of_launch(world, scope, &mut devices);
    Ok(devices)
}

/// Applies `BlockDeviceMapping.N`: changes a device by its name, adds one, or removes one (`NoDevice`).
pub(super) fn change(devices: &mut Vec<BlockDevice>, params: &Params) -> Result<(), ApiError> {
    for asked in params.structures("BlockDeviceMapping") {
        let name = asked.require("DeviceName")?;
        if asked.get("NoDevice").is_some() {
            devices.retain(|device| device.name != name);
            continue;
        }
        let at = devices.iter().position(|device| device.name == name).unwrap_or(devices.len());
        if at == devices.len() {
            // EC2 does not guess the size of a volume without content.
            if asked.get("Ebs.VolumeSize").or(asked.get("Ebs.SnapshotId")).is_none() {
                let missing = if asked.structure("Ebs").is_empty() { "ebs" } else { "size or snapshotId" };
                let message = format!("The request must contain the parameter {missing}");
                return Err(ApiError::new("MissingParameter", message));
            }
            devices.push(empty(name));
        }
        apply(&mut devices[at], &asked)?;
    }
    Ok(())
}

fn apply(device: &mut BlockDevice, asked: &Params) -> Result<(), ApiError> {
    let size: Option<u32> = asked.number("Ebs.VolumeSize")?;
    // A volume may be larger than its snapshot, never smaller.
    if let Some(size) = size.filter(|size| *size < device.size) {
        let message = format!("Volume of size {size}GB is smaller than snapshot, expect size >= {}GB", device.size);
        return Err(ApiError::new("InvalidBlockDeviceMapping", message));
    }
    device.size = size.unwrap_or(device.size);
    // A mapping can add encryption, but never remove it: a volume of an encrypted snapshot is always encrypted (EBS
    // user guide, "Amazon EBS encryption").
    device.encrypted |= asked.flag("Ebs.Encrypted");
    if asked.get("Ebs.KmsKeyId").is_some() && !device.encrypted {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(ApiError::new("InvalidParameterDependency", message));
    }
    device.kms_key = asked.get("Ebs.KmsKeyId").map(str::to_owned).or(device.kms_key.take());
    if let Some(kind) = asked.get("Ebs.VolumeType") {
        device.volume_type = check_type(kind)?;
    }
    device.iops = asked.number("Ebs.Iops")?.or(device.iops);
    device.throughput = asked.number("Ebs.Throughput")?.or(device.throughput);
    if let Some(delete) = asked.get("Ebs.DeleteOnTermination") {
        device.delete_on_termination = delete == "true";
    }
    if device.throughput.is_some() && device.volume_type != "gp3" {
        let message = format!("The parameter throughput is not supported for {} volumes.", device.volume_type);
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    Ok(())
}

fn check_type(kind: &str) -> Result<String, ApiError> {
    if ["standard", "gp2", "gp3", "io1", "io2", "st1", "sc1"].contains(&kind) {
        return Ok(kind.to_owned());
    }
    Err(ApiError::new("InvalidParameterValue", format!("Invalid volume type: {kind}")))
}

/// Returns a volume of its own, without a snapshot behind it. It outlives its instance unless the call says otherwise:
/// the image decides this only for its own volumes (EC2 user guide, "Preserve data when an instance is terminated").
pub(super) fn empty(name: &str) -> BlockDevice {
    BlockDevice {
        name: name.to_owned(),
        size: 1,
        volume_type: "gp2".to_owned(),
        iops: None,
        throughput: None,
        encrypted: false,
        kms_key: None,
        delete_on_termination: false,
        snapshot_id: None,
        volume_id: None,
    }
}
