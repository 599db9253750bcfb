//! Images that are registered from snapshots.

use async_trait::async_trait;

use super::FakeCloud;
use super::ami::{Blueprint, plain_billing};
use super::call::{ACCOUNT, Call};
use super::world::World;
use crate::{Kind, Registration, Registrations, Result, UefiData};

/// Maximum length of UEFI data in characters of Base64.
const MAX_UEFI_DATA: usize = 64_000;

impl World {
    fn register(&mut self, call: Call<'_>, request: &Registration) -> Result<String> {
        let pace = self.pace;
        let region = self.region(call.region);
        region.free_name(call, &request.name)?;
        for device in &request.devices {
            if !region.snapshots.contains_key(&device.snapshot) {
                let message = format!("there is no {}", device.snapshot);
                return Err(call.error(Kind::NotFound, "InvalidSnapshot.NotFound", message));
            }
        }
        let by_uefi = request.boot_mode.as_deref() == Some("uefi");
        if !by_uefi && (request.tpm_support.is_some() || request.uefi_data.is_some() || request.architecture == "arm64")
        {
            let message = "a TPM, UEFI data and an image for arm64 need the boot mode uefi";
            return Err(call.error(Kind::Invalid, "InvalidParameterCombination", message));
        }
        if request.uefi_data.as_ref().is_some_and(|data| data.0.len() > MAX_UEFI_DATA) {
            return Err(call.error(Kind::Invalid, "InvalidParameterValue", "the UEFI data is too long"));
        }
        let blueprint = Blueprint {
            name: request.name.clone(),
            owner: ACCOUNT.to_owned(),
            architecture: request.architecture.clone(),
            root_device: request.root_device.clone(),
            boot_mode: request.boot_mode.clone(),
            tpm_support: request.tpm_support.clone(),
            uefi_data: request.uefi_data.clone(),
            // EC2 takes it from the snapshots only if they have it.
            billing: plain_billing(),
            tags: request.tags.clone(),
            block_devices: request.devices.iter().map(|one| one.device.clone()).collect(),
            registered: Some(request.devices.iter().map(|one| one.snapshot.clone()).collect()),
            copy: None,
            instance: None,
            source: None,
            failure: region.failing_images.pop_front(),
        };
        self.requests.registrations.push((call.region.to_owned(), request.clone()));
        Ok(self.add_image(call.region, blueprint, pace))
    }
}

#[async_trait]
impl Registrations for FakeCloud {
    async fn register(&self, region: &str, image: &Registration) -> Result<String> {
        let call = Call::new("RegisterImage", region);
        self.effect(call, &image.name, |world| world.register(call, image)).await
    }

    async fn unregister(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DeregisterImage", region);
        self.effect(call, id, |world| {
            let region = world.region(region);
            if region.images.contains_key(id) {
                region.own_image(call, id)?;
                region.images.remove(id);
            }
            Ok(())
        })
        .await
    }

    async fn uefi_data(&self, region: &str, id: &str) -> Result<Option<UefiData>> {
        let call = Call::new("DescribeImageAttribute", region);
        self.read(call, |world| Ok(world.region(region).own_image(call, id)?.uefi_data.clone())).await
    }
}
