//! How instances of an image boot: what RegisterImage sets, and what a launch needs of its type.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::instance_types;
use super::params::Params;
use crate::api::ApiError;
use crate::world::Image;

/// Most characters of UEFI data (EC2 API model, `ImageUefiDataRequest`).
const MOST_UEFI_DATA: usize = 64_000;

/// The firmware settings of a call.
pub(super) struct Firmware {
    /// `None` if the instance type is to decide.
    pub(super) boot_mode: Option<String>,
    pub(super) tpm_support: Option<String>,
    /// In Base64.
    pub(super) uefi_data: Option<String>,
}

impl Firmware {
    /// Reads the settings of RegisterImage. A TPM needs the boot mode `uefi`; `uefi-preferred` is not enough (public reports
    /// of Flatcar). For UEFI data and for an image for arm64 that would boot by the BIOS, the rule is assumed to be the
    /// same. AWS's codes are not known.
    pub(super) fn read(params: &Params, architecture: &str) -> Result<Self, ApiError> {
        let boot_mode = one_of(params, "BootMode", &["legacy-bios", "uefi", "uefi-preferred"])?;
        let tpm_support = one_of(params, "TpmSupport", &["v2.0"])?;
        let uefi_data = params.get("UefiData").filter(|data| !data.is_empty());
        if let Some(data) = uefi_data {
            if data.len() > MOST_UEFI_DATA {
                let message =
                    format!("The length of UefiData is {}, and at most {MOST_UEFI_DATA} is allowed.", data.len());
                return Err(ApiError::new("InvalidParameterValue", message));
            }
            if STANDARD.decode(data).is_err() {
                return Err(ApiError::new("InvalidParameterValue", "UefiData is not valid Base64."));
            }
        }
        let needs = [
            (tpm_support.is_some(), "TpmSupport"),
            (uefi_data.is_some(), "UefiData"),
            (architecture == "arm64" && boot_mode.is_some(), "The architecture arm64"),
        ];
        match needs.into_iter().find(|(is_asked, _)| *is_asked && boot_mode != Some("uefi")) {
            Some((_, what)) => {
                let message = format!("{what} requires the BootMode 'uefi'.");
                Err(ApiError::new("InvalidParameterCombination", message))
            }
            None => Ok(Self {
                boot_mode: boot_mode.map(str::to_owned),
                tpm_support: tpm_support.map(str::to_owned),
                uefi_data: uefi_data.map(str::to_owned),
            }),
        }
    }
}

fn one_of<'p>(params: &'p Params, name: &str, allowed: &[&str]) -> Result<Option<&'p str>, ApiError> {
    match params.get(name) {
        Some(value) if !allowed.contains(&value) => {
            Err(ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid.")))
        }
        value => Ok(value),
    }
}

/// Checks that a type supports what an image needs. The message about UEFI is EC2's own; that about the TPM is like it.
pub(super) fn check_type(instance_type: &str, image: &Image) -> Result<(), ApiError> {
    let (uefi, tpm) = instance_types::firmware_of(instance_type);
    let message = if image.boot_mode.as_deref() == Some("uefi") && !uefi {
        format!(
            "The {instance_type} instance type does not support an AMI with a boot mode of UEFI. Only instance types built on the Nitro System support UEFI. Specify an instance type that supports UEFI, and try again."
        )
    } else if image.tpm_support.is_some() && !tpm {
        format!("The {instance_type} instance type does not support an AMI with NitroTPM.")
    } else {
        return Ok(());
    };
    Err(ApiError::new("InvalidParameterValue", message))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;

    fn register(scene: &Scene, more: &[(&str, &str)]) -> Result<String, String> {
        let snapshot = scene.snapshot();
        let image = [
            ("Name", "booting"),
            ("RootDeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot.as_str()),
        ];
        scene.call("RegisterImage", &[&image[..], more].concat()).map_err(|error| error.code)
    }

    #[tokio::test]
    async fn a_registered_image_has_its_firmware_and_its_copy_too() {
        let scene = Scene::new();
        let (mode, tpm) = (("BootMode", "uefi"), ("TpmSupport", "v2.0"));
        register(&scene, &[("Architecture", "x86_64"), mode, tpm, ("UefiData", "QU1aTlVFRkk=")]).unwrap();
        let shown = scene.call("DescribeImages", &[("Owner.1", "self")]).unwrap();
        assert!(shown.contains("<bootMode>uefi</bootMode><tpmSupport>v2.0</tpmSupport>"), "{shown}");
        assert!(!shown.contains("QU1aTlVFRkk="), "only DescribeImageAttribute returns it");
        let find = || {
            let world = scene.endpoint.world();
            world.images.values().filter(|image| !image.source).map(|image| image.id.clone()).collect::<Vec<_>>()
        };
        let id = find().remove(0);
        let copy = [("SourceImageId", id.as_str()), ("SourceRegion", "eu-west-1"), ("Name", "a copy")];
        scene.call("CopyImage", &copy).unwrap();
        for id in find() {
            for (name, value) in [("bootMode", "uefi"), ("tpmSupport", "v2.0"), ("uefiData", "QU1aTlVFRkk=")] {
                let attribute = scene.call("DescribeImageAttribute", &[("ImageId", &id), ("Attribute", name)]).unwrap();
                assert!(attribute.contains(&format!("<{name}><value>{value}</value></{name}>")), "{attribute}");
            }
        }
    }

    #[tokio::test]
    async fn a_registration_keeps_the_rules_for_firmware() {
        let scene = Scene::new();
        let x86 = ("Architecture", "x86_64");
        let (uefi, tpm) = (("BootMode", "uefi"), ("TpmSupport", "v2.0"));
        let long = "A".repeat(64_004);
        for (code, parameters) in [
            ("InvalidParameterCombination", &[x86, tpm][..]),
            ("InvalidParameterCombination", &[x86, tpm, ("BootMode", "uefi-preferred")]),
            ("InvalidParameterCombination", &[x86, tpm, ("BootMode", "legacy-bios")]),
            ("InvalidParameterCombination", &[x86, ("UefiData", "QUFB")]),
            ("InvalidParameterCombination", &[("Architecture", "arm64"), ("BootMode", "legacy-bios")]),
            ("InvalidParameterValue", &[x86, uefi, ("TpmSupport", "v1.2")]),
            ("InvalidParameterValue", &[x86, uefi, ("UefiData", "no base64")]),
            ("InvalidParameterValue", &[x86, uefi, ("UefiData", long.as_str())]),
            ("InvalidParameterValue", &[x86, ("TagSpecification.1.ResourceType", "snapshot")]),
            ("InvalidParameterCombination", &[x86, ("BlockDeviceMapping.1.Ebs.Encrypted", "true")]),
        ] {
            assert_eq!(register(&scene, parameters), Err(code.to_owned()), "{parameters:?}");
        }
        register(&scene, &[x86, uefi, ("UefiData", &long[..64_000])]).unwrap();
    }

    #[tokio::test]
    async fn a_launch_needs_a_type_that_supports_the_firmware_of_its_image() {
        let scene = Scene::new();
        register(
            &scene,
            &[("Architecture", crate::world::source::architecture()), ("BootMode", "uefi"), ("TpmSupport", "v2.0")],
        )
        .unwrap();
        let image = {
            let world = scene.endpoint.world();
            world.images.values().find(|image| !image.source).unwrap().id.clone()
        };
        let types = if cfg!(target_arch = "aarch64") { ["a1.2xlarge", "m6g.metal"] } else { ["t2.micro", "m5.metal"] };
        for name in types {
            let launch = [("ImageId", image.as_str()), ("InstanceType", name), ("MinCount", "1"), ("MaxCount", "1")];
            assert_eq!(scene.refused("RunInstances", &launch), "InvalidParameterValue", "{name}");
        }
    }
}
