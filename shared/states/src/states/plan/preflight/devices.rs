//! Checks the source image: its block devices and its boot mode against the recipe, and its product codes.

use goldsmith_cloud::Image;
use goldsmith_model::{BlockDeviceMapping, BootMode};

use super::Look;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;

/// Device names of root volumes (EC2 user guide, "Device names for volumes on Amazon EC2 instances"). No other volume
/// should have one of them.
const ROOTS: [&str; 4] = ["/dev/sda", "/dev/sda1", "/dev/xvda", "/dev/xvda1"];

pub(super) fn check(look: &Look<'_>, findings: &mut Vec<Finding>) {
    let Some(source) = look.source else { return };
    for (index, mapping) in look.inputs.recipe.block_device_mappings.iter().enumerate() {
        let (field, problem) = match judge(mapping, source) {
            Some(problem @ Problem::RootDevice { .. }) => ("deviceName", problem),
            Some(problem) => ("ebs.volumeSize", problem),
            None => continue,
        };
        let place = look.inputs.recipe_place(format!("blockDeviceMappings[{index}].{field}"));
        findings.push(place.has(problem));
    }
    if look.inputs.recipe.boot_mode == Some(BootMode::Uefi) && !boots_by_uefi(source) {
        let (id, mode) = (source.id.clone(), source.boot_mode.clone().unwrap_or_else(|| "none".to_owned()));
        findings.push(look.inputs.recipe_place("bootMode").has(Problem::BootMode { id, mode }));
    }
    if !source.product_codes.is_empty() {
        let (id, code) = (source.id.clone(), source.product_codes.join(", "));
        findings.push(look.inputs.recipe_place("parentImage").has(Problem::SourceProduct { id, code }));
    }
}

/// Returns whether an instance of the image runs by UEFI if its type supports UEFI. Types for arm64 support nothing else
/// (EC2 user guide, "Instance launch behavior with Amazon EC2 boot modes").
fn boots_by_uefi(source: &Image) -> bool {
    source.architecture == "arm64" || matches!(source.boot_mode.as_deref(), Some("uefi" | "uefi-preferred"))
}

fn judge(mapping: &BlockDeviceMapping, source: &Image) -> Option<Problem> {
    let device = mapping.device_name.clone();
    let id = source.id.clone();
    match source.block_devices.iter().find(|there| there.device_name == device) {
        Some(there) => {
            let (size, least) = mapping.ebs.volume_size.zip(there.volume_size)?;
            (size < least).then_some(Problem::VolumeTooSmall { device, size, id, least })
        }
        None if ROOTS.contains(&device.as_str()) && device != source.root_device => {
            Some(Problem::RootDevice { device, id, root: source.root_device.clone() })
        }
        None => None,
    }
}
