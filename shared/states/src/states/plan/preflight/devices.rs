//! Checks the source image: its block devices and its boot mode against the recipe, and its product codes.

use goldsmith_cloud::Image;
use goldsmith_model::{BlockDeviceMapping, BootMode};

use super::Look;
use crate::parts::firmware;
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
    boot(look, source, findings);
    if !source.product_codes.is_empty() {
        let (id, code) = (source.id.clone(), source.product_codes.join(", "));
        findings.push(look.inputs.recipe_place("parentImage").has(Problem::SourceProduct { id, code }));
    }
}

/// Checks how instances of the image boot. Whether its disk can boot in another way than that of its source cannot be
/// known before an instance has tried it.
fn boot(look: &Look<'_>, source: &Image, findings: &mut Vec<Finding>) {
    let recipe = &look.inputs.recipe;
    let mode = firmware::boot_mode(recipe.boot_mode, source);
    let by_uefi = mode == Some("uefi");
    let needs = [
        ("tpmSupport", recipe.tpm_support.is_some(), "the TPM of the recipe"),
        ("uefiData", recipe.uefi_data.is_some(), "the UEFI data of the recipe"),
        ("bootMode", recipe.boot_mode.is_some() && source.architecture == "arm64", "an image for arm64"),
    ];
    for (key, _, what) in needs.into_iter().filter(|(_, is_wanted, _)| *is_wanted && !by_uefi) {
        let (what, mode) = (what.to_owned(), mode.unwrap_or("none").to_owned());
        findings.push(look.inputs.recipe_place(key).has(Problem::UefiNeeded { what, mode }));
    }
    let Some(wanted) = recipe.boot_mode.filter(|_| source.architecture != "arm64") else { return };
    let fits = match wanted {
        BootMode::Uefi | BootMode::UefiPreferred => firmware::boots_by_uefi(source),
        BootMode::LegacyBios => source.boot_mode.as_deref() != Some("uefi"),
    };
    if !fits {
        let (id, mode) = (source.id.clone(), source.boot_mode.clone().unwrap_or_else(|| "none".to_owned()));
        let wanted = wanted.name().to_owned();
        findings.push(look.inputs.recipe_place("bootMode").has(Problem::BootMode { wanted, id, mode }));
    }
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
