//! What instances of a type can be, as far as the name of the type says it.

use super::call::Call;
use crate::{Image, Kind, Result, TypeTraits};

/// Families from before Nitro, which boot by the BIOS only.
const XEN: [&str; 5] = ["t1", "t2", "m1", "m3", "m4"];
/// How the sizes of types end that are not metal.
const SIZES: [&str; 5] = ["nano", "micro", "small", "medium", "large"];

/// Returns what instances of a type can be: a `g` after the number of the generation means Graviton. Returns `None` if
/// the type does not exist.
pub(super) fn traits_of(instance_type: &str) -> Option<TypeTraits> {
    let (family, size) = instance_type.split_once('.')?;
    if !size.starts_with("metal") && !SIZES.iter().any(|known| size.ends_with(known)) {
        return None;
    }
    let options = family.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    let (architecture, modes) = if options.contains('g') {
        ("arm64", &["uefi"][..])
    } else if XEN.contains(&family) || size.starts_with("metal") {
        ("x86_64", &["legacy-bios"][..])
    } else {
        ("x86_64", &["legacy-bios", "uefi"][..])
    };
    Some(TypeTraits {
        architectures: vec![architecture.to_owned()],
        boot_modes: modes.iter().map(|mode| (*mode).to_owned()).collect(),
        has_tpm: modes.contains(&"uefi") && !size.starts_with("metal"),
        runs_on_hosts: !family.starts_with('t') || family.starts_with("t3"),
    })
}

/// Checks that an instance of this type can run the image.
pub(super) fn check_type(call: Call<'_>, instance_type: &str, image: &Image) -> Result<()> {
    let invalid = |message: String| Err(call.error(Kind::Invalid, "InvalidParameterValue", message));
    let Some(traits) = traits_of(instance_type) else {
        return invalid(format!("Invalid value '{instance_type}' for InstanceType."));
    };
    let runs = &traits.architectures[0];
    if *runs != image.architecture {
        return invalid(format!(
            "The architecture '{runs}' of the specified instance type does not match the architecture '{}' of the \
             specified AMI.",
            image.architecture
        ));
    }
    let by_uefi = image.boot_mode.as_deref() == Some("uefi") && !traits.boot_modes.iter().any(|mode| mode == "uefi");
    if by_uefi || (image.tpm_support.is_some() && !traits.has_tpm) {
        return invalid(format!(
            "The {instance_type} instance type does not support an AMI with a boot mode of UEFI or with a TPM."
        ));
    }
    Ok(())
}
