//! Registers the image, if it has a boot mode, a TPM or UEFI variables that CreateImage cannot give it.
//!
//! RegisterImage takes snapshots. CreateImage makes them, of all volumes of the instance and with the billing information
//! of its source, together with a draft: an AMI under a name of its own, which is deregistered as soon as the image
//! exists. The snapshots stay, because they are the image's.

use std::collections::BTreeSet;

use goldsmith_cloud::{BlockDevice, Image, ImageState, NewImage, RegisteredDevice, Registration, UefiData};
use goldsmith_document::digest;
use goldsmith_store::{Effect, EffectKind};

use super::{IMAGE, adopt, create_or_adopt, failed, is_pending, planned_at_home, request};
use crate::Result;
use crate::engine::drive::{Progress, Scene};
use crate::engine::effect::{Attempt, effect, made_id};
use crate::parts::firmware;
use crate::parts::image_tags::image_tags;

/// Journal number of the draft.
pub(super) const DRAFT: u32 = 2;

/// Makes the draft of the stopped instance.
pub(super) async fn draft(scene: &Scene<'_>, instance: &str) -> Result<Progress> {
    // The name of the image must stay free for the image.
    let name = format!("goldsmith draft {}", scene.record.build);
    let request = NewImage { name, uefi_only: false, ..request(scene, instance)? };
    let intended = Effect::intended(&scene.scope, DRAFT, EffectKind::Draft, scene.home(), &request.name);
    let made = effect(scene.context, &scene.record, intended, |attempt| create_or_adopt(scene, &request, attempt));
    Ok(is_pending(scene, made_id(made.await?)?))
}

/// Waits for the draft, and registers the image from its snapshots.
pub(super) async fn from_draft(scene: &Scene<'_>, draft: &str) -> Result<Progress> {
    let Some(found) = scene.context.cloud.images.image(scene.home(), draft).await? else {
        return Ok(is_pending(scene, draft.to_owned()));
    };
    match found.state {
        ImageState::Pending => Ok(is_pending(scene, draft.to_owned())),
        ImageState::Failed => Err(failed(scene, draft, format!("{draft} failed: {}", found.state_reason))),
        ImageState::Available => register(scene, &found).await,
    }
}

async fn register(scene: &Scene<'_>, draft: &Image) -> Result<Progress> {
    let request = registration(scene, draft).await?;
    let kind = EffectKind::RegisteredImage { snapshots: draft.snapshots.clone() };
    let intended = Effect::intended(&scene.scope, IMAGE, kind, scene.home(), &request.name);
    let made = effect(scene.context, &scene.record, intended, async |attempt: Attempt| {
        let made = scene.context.cloud.registrations.register(scene.home(), &request).await;
        // EC2 names no origin of a registered image, but nobody else's image has these snapshots.
        let snapshots: BTreeSet<&String> = draft.snapshots.iter().collect();
        adopt(scene, made, &request.name, attempt, |image| image.snapshots.iter().collect::<BTreeSet<_>>() == snapshots)
            .await
    });
    Ok(is_pending(scene, made_id(made.await?)?))
}

async fn registration(scene: &Scene<'_>, draft: &Image) -> Result<Registration> {
    let plan = &scene.record.plan;
    let planned = planned_at_home(scene)?;
    let boot_mode = firmware::boot_mode(plan.boot_mode, draft).map(str::to_owned);
    let tpm = plan.tpm_support.map(|version| version.name().to_owned());
    let uefi_data = match boot_mode.as_deref() {
        Some("uefi") => uefi_data(scene, draft).await?,
        // Without UEFI, there is nothing that could read the variables.
        _ => None,
    };
    Ok(Registration {
        name: planned.name.clone(),
        description: planned.description.clone(),
        architecture: draft.architecture.clone(),
        root_device: draft.root_device.clone(),
        ena_support: draft.ena_support,
        tpm_support: tpm.or_else(|| draft.tpm_support.clone()).filter(|_| boot_mode.as_deref() == Some("uefi")),
        boot_mode,
        uefi_data,
        devices: devices(scene, draft)?,
        tags: image_tags(scene, planned),
    })
}

/// Returns the recipe's UEFI data. Otherwise, the image keeps those of its source, which the draft has.
async fn uefi_data(scene: &Scene<'_>, draft: &Image) -> Result<Option<UefiData>> {
    let Some(planned) = &scene.record.plan.uefi_data else {
        return Ok(scene.context.cloud.registrations.uefi_data(scene.home(), &draft.id).await?);
    };
    let (name, version) = (&scene.record.image.name, scene.record.image.version);
    let recipe = scene.context.store.recipe(name, version).await?;
    match recipe.and_then(|recipe| recipe.uefi_data).filter(|data| digest(data) == *planned) {
        Some(data) => Ok(Some(UefiData(data))),
        None => {
            let message = format!("the recipe {name}/{version} no longer has the UEFI data of this build");
            Err(failed(scene, &draft.id, message))
        }
    }
}

/// Returns the devices of the draft, each with its snapshot. CreateImage makes a snapshot of every volume.
fn devices(scene: &Scene<'_>, draft: &Image) -> Result<Vec<RegisteredDevice>> {
    if draft.block_devices.len() != draft.snapshots.len() {
        return Err(failed(scene, &draft.id, format!("EC2 does not name a snapshot of each device of {}", draft.id)));
    }
    let pairs = draft.block_devices.iter().zip(&draft.snapshots);
    let device = |(device, snapshot): (&BlockDevice, &String)| RegisteredDevice {
        device: BlockDevice { encrypted: None, kms_key_id: None, ..device.clone() },
        snapshot: snapshot.clone(),
    };
    Ok(pairs.map(device).collect())
}

/// Checks a registered image that is available, and removes its draft. Does nothing for an image that was made of its
/// instance.
pub(super) async fn settle(scene: &Scene<'_>, image: &Image) -> Result<()> {
    let effects = scene.effects().await?;
    let Some(draft) = effects.iter().find(|effect| effect.n == DRAFT).and_then(|effect| effect.id.as_ref()) else {
        return Ok(());
    };
    let cloud = &scene.context.cloud;
    // After a repeated attempt the draft may be gone. The image was checked before that.
    if let Some(original) = cloud.images.image(scene.home(), draft).await?
        && let Some(message) = differs(scene, image, &original)
    {
        return Err(failed(scene, &image.id, message));
    }
    Ok(cloud.registrations.unregister(scene.home(), draft).await?)
}

/// Returns what EC2 has not done as it was asked for, or `None`. What is billed for an image comes with its snapshots, if
/// they have it (EC2 API reference, RegisterImage). An image without it could not be told from one that costs nothing.
fn differs(scene: &Scene<'_>, image: &Image, draft: &Image) -> Option<String> {
    let plan = &scene.record.plan;
    let wanted = firmware::boot_mode(plan.boot_mode, draft);
    let id = &image.id;
    if image.boot_mode.as_deref() != wanted {
        let is = image.boot_mode.as_deref().unwrap_or("none");
        return Some(format!("{id} has the boot mode {is}, not {}", wanted.unwrap_or("none")));
    }
    if plan.tpm_support.is_some_and(|version| image.tpm_support.as_deref() != Some(version.name())) {
        return Some(format!("{id} has no TPM"));
    }
    let billed = |one: &Image| (one.usage_operation.clone(), one.product_codes.clone());
    (billed(image) != billed(draft)).then(|| {
        format!(
            "{id} is billed as {}, but an image that EC2 makes of the instance is billed as {}: build from a source without \
             licenses, or without a boot mode, a TPM and UEFI data of its own",
            image.usage_operation, draft.usage_operation
        )
    })
}
