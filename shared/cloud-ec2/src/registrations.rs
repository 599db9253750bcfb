//! Registers images from snapshots.

use async_trait::async_trait;
use aws_sdk_ec2::config::Config;
use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, ImageAttributeName, ResourceType,
    TpmSupportValues, VolumeType,
};
use goldsmith_cloud::aws::{failure, incomplete};
use goldsmith_cloud::{RegisteredDevice, Registration, Registrations, Result, UefiData};

use crate::Ec2;
use crate::described_images::still_there;
use crate::requests::{number, tag_specifications};

#[async_trait]
impl Registrations for Ec2 {
    async fn register(&self, region: &str, image: &Registration) -> Result<String> {
        const OPERATION: &str = "RegisterImage";
        let request = self
            .0
            .client(region)
            .register_image()
            .name(&image.name)
            .description(&image.description)
            .architecture(ArchitectureValues::from(image.architecture.as_str()))
            .virtualization_type("hvm")
            .root_device_name(&image.root_device)
            .ena_support(image.ena_support)
            .set_boot_mode(image.boot_mode.as_deref().map(BootModeValues::from))
            .set_tpm_support(image.tpm_support.as_deref().map(TpmSupportValues::from))
            .set_uefi_data(image.uefi_data.as_ref().map(|data| data.0.clone()))
            .set_block_device_mappings(Some(image.devices.iter().map(mapping).collect()))
            .set_tag_specifications(tag_specifications(&[ResourceType::Image], &image.tags));
        // RegisterImage has no token: a second attempt after a lost answer would find the name of the first one taken.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await.map_err(failure(OPERATION, region))?;
        answer.image_id.ok_or_else(|| incomplete(OPERATION, region, "image id"))
    }

    async fn unregister(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).deregister_image().image_id(id).send().await;
        still_there(answer.map_err(failure("DeregisterImage", region)))?;
        Ok(())
    }

    async fn uefi_data(&self, region: &str, id: &str) -> Result<Option<UefiData>> {
        let request = self.0.client(region).describe_image_attribute().image_id(id);
        let answer = request.attribute(ImageAttributeName::UefiData).send().await;
        let answer = answer.map_err(failure("DescribeImageAttribute", region))?;
        let value = answer.uefi_data.and_then(|data| data.value);
        Ok(value.filter(|data| !data.is_empty()).map(UefiData))
    }
}

/// Returns a mapping. EC2 takes the encryption from the snapshot, and rejects it in the call (EC2 API reference,
/// RegisterImage, `BlockDeviceMappings`).
fn mapping(registered: &RegisteredDevice) -> BlockDeviceMapping {
    let device = &registered.device;
    let ebs = EbsBlockDevice::builder()
        .snapshot_id(&registered.snapshot)
        .set_volume_size(device.volume_size.map(number))
        .set_volume_type(device.volume_type.as_deref().map(VolumeType::from))
        .set_iops(device.iops.map(number))
        .set_throughput(device.throughput.map(number))
        .delete_on_termination(device.delete_on_termination)
        .build();
    BlockDeviceMapping::builder().device_name(&device.device_name).ebs(ebs).build()
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;
    use goldsmith_cloud::{BlockDevice, Kind, RegisteredDevice, Registration, Registrations as _, UefiData};

    use crate::testing::{ec2, form, tags};

    fn registration() -> Registration {
        let device = BlockDevice {
            device_name: "/dev/xvda".to_owned(),
            volume_size: Some(8),
            volume_type: Some("gp3".to_owned()),
            encrypted: Some(true),
            kms_key_id: Some("key".to_owned()),
            delete_on_termination: true,
            ..BlockDevice::default()
        };
        Registration {
            name: "web 1".to_owned(),
            description: "d".to_owned(),
            architecture: "x86_64".to_owned(),
            root_device: "/dev/xvda".to_owned(),
            ena_support: true,
            boot_mode: Some("uefi".to_owned()),
            tpm_support: Some("v2.0".to_owned()),
            uefi_data: Some(UefiData("QU1aTg==".to_owned())),
            devices: vec![RegisteredDevice { device, snapshot: "snap-1".to_owned() }],
            tags: tags(),
        }
    }

    #[tokio::test]
    async fn registers_an_image_with_a_firmware_of_its_own() {
        let made = Canned::ok("<RegisterImageResponse><imageId>ami-2</imageId></RegisterImageResponse>");
        let (ec2, replay) = ec2([made, Canned::ec2_error(400, "InvalidAMIName.Duplicate")]);
        assert_eq!(ec2.register("eu-west-1", &registration()).await.unwrap(), "ami-2");
        let refused = ec2.register("eu-west-1", &registration()).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Duplicate);
        let sent = form(&replay, 0);
        for (name, value) in [
            ("Name", "web 1"),
            ("Architecture", "x86_64"),
            ("VirtualizationType", "hvm"),
            ("RootDeviceName", "/dev/xvda"),
            ("EnaSupport", "true"),
            ("BootMode", "uefi"),
            ("TpmSupport", "v2.0"),
            ("UefiData", "QU1aTg=="),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", "snap-1"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
            ("TagSpecification.1.ResourceType", "image"),
        ] {
            assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}: {sent:?}");
        }
        for absent in ["BlockDeviceMapping.1.Ebs.Encrypted", "BlockDeviceMapping.1.Ebs.KmsKeyId"] {
            assert!(!sent.contains_key(absent), "{absent}");
        }
        assert!(!sent.contains_key("TagSpecification.2.ResourceType"), "the snapshots have their tags already");
        assert!(!format!("{:?}", registration()).contains("QU1a"), "the data is sensitive");
    }

    #[tokio::test]
    async fn unregisters_an_image_without_its_snapshots() {
        let done = Canned::ok("<DeregisterImageResponse><return>true</return></DeregisterImageResponse>");
        let gone = ["InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"].map(|code| Canned::ec2_error(400, code));
        let [unknown, deregistered] = gone;
        let (ec2, replay) = ec2([done, unknown, deregistered, Canned::ec2_error(403, "UnauthorizedOperation")]);
        for _ in 0..3 {
            ec2.unregister("eu-west-1", "ami-1").await.unwrap();
        }
        assert_eq!(ec2.unregister("eu-west-1", "ami-1").await.unwrap_err().kind, Kind::Denied);
        let sent = form(&replay, 0);
        assert_eq!(sent["ImageId"], "ami-1");
        assert!(!sent.contains_key("DeleteAssociatedSnapshots"));
    }

    #[tokio::test]
    async fn reads_the_uefi_variables_of_an_image() {
        let answer = |value: &str| {
            let name = "DescribeImageAttribute";
            Canned::ok(format!("<{name}Response><imageId>ami-1</imageId>{value}</{name}Response>"))
        };
        let (ec2, replay) =
            ec2([answer("<uefiData><value>QU1aTg==</value></uefiData>"), answer("<uefiData/>"), answer("")]);
        let expected = Some(UefiData("QU1aTg==".to_owned()));
        assert_eq!(ec2.uefi_data("eu-west-1", "ami-1").await.unwrap(), expected);
        for _ in 0..2 {
            assert_eq!(ec2.uefi_data("eu-west-1", "ami-1").await.unwrap(), None);
        }
        assert_eq!(form(&replay, 0)["Attribute"], "uefiData");
    }
}
