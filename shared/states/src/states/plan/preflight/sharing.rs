//! Checks whether others can use a shared image: which key encrypts it, and whether it may be public.

use goldsmith_cloud::{BlockDevice, DefaultEncryption, Image};
use goldsmith_model::BlockDeviceMapping;
use goldsmith_store::PlannedRegion;

use super::others::{is_for_others, names_others};
use super::{Look, answer, exports, keys};
use crate::Result;
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;

/// The field of a Region that lists who may launch the image.
const FIELD: &str = "amiDistributionConfiguration.launchPermission";

/// How the image is encrypted in the home Region.
pub(super) struct Encryption {
    /// Whether at least one snapshot of the image is encrypted.
    any: bool,
    /// The account's default key, if it encrypts a snapshot.
    by_default: Option<DefaultEncryption>,
}

/// Returns how the image is encrypted in the home Region, or `None` if the image is neither shared nor exported, or the
/// encryption cannot be read.
pub(super) async fn at_home(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<Option<Encryption>> {
    let needed = |planned: &&PlannedRegion| is_for_others(planned) || planned.export.is_some();
    let (Some(source), Some(first)) = (look.source, look.regions.iter().find(needed)) else { return Ok(None) };
    let region = &look.inputs.home_region;
    let default = look.context.cloud.account.default_encryption(region).await;
    let field = if is_for_others(first) { FIELD } else { exports::FIELD };
    let place = || look.inputs.region_place(&first.region, field);
    let Some(default) = answer(default, place, findings)? else { return Ok(None) };
    let is_ours = source.owner == look.context.config.account();
    Ok(Some(encryption(source, is_ours, &look.inputs.recipe.block_device_mappings, default)))
}

/// Returns how the volumes of a build are encrypted. EC2 encrypts a volume if the recipe or the snapshot says so, or if
/// the account encrypts every volume by default. If no key is named, a volume has the key of its snapshot if the
/// account owns the snapshot, and the account's default key otherwise (EBS user guide, "Amazon EBS encryption").
fn encryption(source: &Image, is_ours: bool, changes: &[BlockDeviceMapping], default: DefaultEncryption) -> Encryption {
    let plain = BlockDevice::default();
    let of_source = |name: &str| source.block_devices.iter().find(|device| device.device_name == name);
    let of_recipe = |name: &str| changes.iter().find(|mapping| mapping.device_name == name);
    let unchanged = source.block_devices.iter().filter(|device| of_recipe(&device.device_name).is_none());
    let changed = changes.iter().map(|mapping| (of_source(&mapping.device_name).unwrap_or(&plain), Some(&mapping.ebs)));
    let (mut any, mut by_default) = (false, false);
    for (device, ebs) in unchanged.map(|device| (device, None)).chain(changed) {
        let had_key = device.encrypted == Some(true);
        let is_encrypted = had_key || default.always || ebs.is_some_and(|ebs| ebs.encrypted == Some(true));
        any |= is_encrypted;
        let has_named_key = ebs.is_some_and(|ebs| ebs.kms_key_id.is_some());
        by_default |= is_encrypted && !has_named_key && !(had_key && is_ours);
    }
    Encryption { any, by_default: by_default.then_some(default) }
}

/// Returns whether the image of a Region would be encrypted; `None` if that cannot be read.
pub(super) async fn would_be_encrypted(
    look: &Look<'_>,
    planned: &PlannedRegion,
    home: Option<&Encryption>,
    place: impl FnOnce() -> Place,
    findings: &mut Vec<Finding>,
) -> Result<Option<bool>> {
    let Some(home) = home else { return Ok(None) };
    if home.any || planned.region == look.inputs.home_region {
        return Ok(Some(home.any));
    }
    if planned.kms_key_id.is_some() {
        return Ok(Some(true));
    }
    let default = look.context.cloud.account.default_encryption(&planned.region).await;
    Ok(answer(default, place, findings)?.map(|default| default.always))
}

/// Checks that those with whom the image is shared in a Region can use it.
pub(super) async fn check(
    look: &Look<'_>,
    planned: &PlannedRegion,
    home: Option<&Encryption>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let permission = &planned.launch_permission;
    if !is_for_others(planned) {
        return Ok(());
    }
    let (account, region) = (&look.context.cloud.account, &planned.region);
    let place = || look.inputs.region_place(region, FIELD);
    let is_public = !permission.user_groups.is_empty();
    if is_public {
        let blocked = account.public_images_are_blocked(region).await;
        if answer(blocked, place, findings)? == Some(true) {
            findings.push(place().has(Problem::PublicAccessBlocked { region: region.clone() }));
        }
    }
    if is_public && planned.share_snapshots {
        let blocked = account.public_snapshots_are_blocked(region).await;
        if answer(blocked, place, findings)? == Some(true) {
            findings.push(place().has(Problem::PublicSnapshotsBlocked { region: region.clone() }));
        }
    }
    if is_public && look.source.is_some_and(|source| !source.product_codes.is_empty()) {
        let obstacle = "has a product code".to_owned();
        findings.push(place().has(Problem::NeverPublic { region: region.clone(), obstacle }));
    }
    let Some(home) = home else { return Ok(()) };
    let (any, by_default) = if *region == look.inputs.home_region {
        (home.any, home.by_default.clone())
    } else {
        // A copy never keeps its source's key (EC2 API reference, CopyImage, `KmsKeyId`).
        let default = account.default_encryption(region).await;
        let Some(default) = answer(default, place, findings)? else { return Ok(()) };
        let any = home.any || default.always || planned.kms_key_id.is_some();
        (any, Some(default).filter(|_| any && planned.kms_key_id.is_none()))
    };
    if is_public && any {
        let obstacle = "would have encrypted snapshots".to_owned();
        findings.push(place().has(Problem::NeverPublic { region: region.clone(), obstacle }));
    }
    match by_default {
        Some(default) if default.is_managed_by_aws() && names_others(planned) => {
            findings.push(place().has(Problem::SharedWithAwsKey { region: region.clone(), key: default.key }));
            Ok(())
        }
        Some(default) if !default.is_managed_by_aws() => {
            keys::check(look, planned, &default.key, place(), findings).await
        }
        _ => Ok(()),
    }
}
