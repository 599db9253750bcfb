//! How instances of an image boot.

use goldsmith_cloud::Image;
use goldsmith_model::{BootMode, ImageRecipe};
use goldsmith_store::Plan;

use crate::Result;
use crate::engine::drive::Scene;

/// Returns whether an instance of the image runs by UEFI if its type supports UEFI. Types for arm64 support nothing else
/// (EC2 user guide, "Instance launch behavior with Amazon EC2 boot modes").
pub(crate) fn boots_by_uefi(image: &Image) -> bool {
    image.architecture == "arm64" || matches!(image.boot_mode.as_deref(), Some("uefi" | "uefi-preferred"))
}

/// Returns the boot mode of an image that is built from `source`, in EC2's words: what the recipe wants, or that of its
/// source. Images for arm64 always boot by UEFI. `None` if the instance type decides.
pub(crate) fn boot_mode(wanted: Option<BootMode>, source: &Image) -> Option<&str> {
    let own = wanted.map(BootMode::name).or(source.boot_mode.as_deref());
    own.or_else(|| (source.architecture == "arm64").then_some("uefi"))
}

/// Returns whether EC2 must register the image from snapshots. CreateImage gives an image the boot mode of its source, or
/// `uefi` if its instance runs by UEFI (EC2 API reference, CreateImage, `BootModeOverride`), and nothing else.
pub(crate) fn is_registered(recipe: &ImageRecipe, source: &Image) -> bool {
    match recipe.boot_mode {
        _ if recipe.tpm_support.is_some() || recipe.uefi_data.is_some() => true,
        None => false,
        Some(BootMode::Uefi) => !boots_by_uefi(source),
        Some(mode) => source.boot_mode.as_deref() != Some(mode.name()),
    }
}

/// Returns how a copy of the image boots differently from its original, or `None` if it boots like its original. If the
/// recipe says nothing about it, copies are not compared. `copied_to` is the Region of a copy that the stack's own account
/// owns, and `None` for a copy of another account, whose UEFI data cannot be read.
pub(crate) async fn lost(
    scene: &Scene<'_>,
    (region, original): (&str, &str),
    copy: &Image,
    copied_to: Option<&str>,
) -> Result<Option<String>> {
    if !is_described(&scene.record.plan) {
        return Ok(None);
    }
    let cloud = &scene.context.cloud;
    let Some(original) = cloud.images.image(region, original).await? else {
        return Ok(Some(format!("it cannot be compared with {original}, which is not visible in {region}")));
    };
    let named = |one: &Option<String>| one.clone().unwrap_or_else(|| "none".to_owned());
    if copy.boot_mode != original.boot_mode {
        let (is, was) = (named(&copy.boot_mode), named(&original.boot_mode));
        return Ok(Some(format!("it has the boot mode {is}, and {} has {was}", original.id)));
    }
    if copy.tpm_support != original.tpm_support {
        return Ok(Some(format!("it has no TPM, and {} has one", original.id)));
    }
    if let (Some(there), Some(_)) = (copied_to, &scene.record.plan.uefi_data) {
        let registrations = &cloud.registrations;
        let own = registrations.uefi_data(region, &original.id).await?;
        if own != registrations.uefi_data(there, &copy.id).await? {
            return Ok(Some(format!("it does not have the UEFI data of {}", original.id)));
        }
    }
    Ok(None)
}

/// Returns whether the recipe says how instances of the image boot.
fn is_described(plan: &Plan) -> bool {
    plan.boot_mode.is_some() || plan.tpm_support.is_some() || plan.uefi_data.is_some()
}
