//! Checks exports to S3: whether EC2 exports such an image, and whether the role and the bucket are what it needs.
//!
//! What EC2 can export is in the VM Import/Export user guide, "Considerations for image export".

use goldsmith_cloud::{BlockDevice, Image, Kind};
use goldsmith_model::S3Export;
use goldsmith_store::PlannedRegion;

use super::sharing::{Encryption, would_be_encrypted};
use super::{Look, answer};
use crate::Result;
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;
use crate::states::plan::resolve::Viewer;

/// The field of a Region that has the export.
pub(super) const FIELD: &str = "s3ExportConfiguration";
/// The service that assumes the role.
const SERVICE: &str = "vmie.amazonaws.com";
/// What EC2 returns as the usage operation of an image whose platform costs nothing.
const PLAIN: &str = "RunInstances";
/// Largest volume that EC2 exports, in GiB.
const LARGEST: u32 = 1024;

pub(super) async fn check(
    look: &Look<'_>,
    planned: &PlannedRegion,
    home: Option<&Encryption>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let Some(to) = &planned.export else { return Ok(()) };
    let place = |field: &str| look.inputs.region_place(&planned.region, &format!("{FIELD}{field}"));
    if let Some(source) = look.source {
        findings.extend(of_image(look, planned, source).into_iter().map(|problem| place("").has(problem)));
    }
    if would_be_encrypted(look, planned, home, || place(""), findings).await? == Some(true) {
        findings.push(place("").has(Problem::ExportEncrypted { region: planned.region.clone() }));
    }
    role(look, to, place(".roleName"), findings).await?;
    bucket(look, planned, to, place(".s3Bucket"), findings).await
}

/// Returns why EC2 may not export the image, by its source and its volumes.
fn of_image(look: &Look<'_>, planned: &PlannedRegion, source: &Image) -> Vec<Problem> {
    let (region, id) = (|| planned.region.clone(), || source.id.clone());
    let mut problems = Vec::new();
    if !source.product_codes.is_empty() {
        problems.push(Problem::ExportProduct { region: region(), id: id(), code: source.product_codes.join(", ") });
    }
    if !["", PLAIN].contains(&source.usage_operation.as_str()) {
        let operation = source.usage_operation.clone();
        problems.push(Problem::ExportLicense { region: region(), id: id(), operation });
    }
    let volumes = volumes(look, source);
    for (device, size) in volumes.iter().filter(|(_, size)| *size > LARGEST) {
        problems.push(Problem::ExportTooLarge { region: region(), device: device.clone(), size: *size });
    }
    if volumes.len() > 1 {
        problems.push(Problem::ExportVolumes { region: region(), count: volumes.len() });
    }
    problems
}

/// Returns the devices of the image with their sizes in GiB. A volume whose size is not known counts as empty.
fn volumes(look: &Look<'_>, source: &Image) -> Vec<(String, u32)> {
    let changes = &look.inputs.recipe.block_device_mappings;
    let size_of = |device: &BlockDevice| {
        let change = changes.iter().find(|mapping| mapping.device_name == device.device_name);
        change.and_then(|mapping| mapping.ebs.volume_size).or(device.volume_size).unwrap_or_default()
    };
    let is_of_source = |name: &str| source.block_devices.iter().any(|device| device.device_name == name);
    let own = source.block_devices.iter().map(|device| (device.device_name.clone(), size_of(device)));
    let added = changes.iter().filter(|mapping| !is_of_source(&mapping.device_name));
    own.chain(added.map(|one| (one.device_name.clone(), one.ebs.volume_size.unwrap_or_default()))).collect()
}

/// Checks that the role exists, that its trust policy names VM Import/Export, and that the stack may pass it. Whether the
/// role may write to the bucket is for IAM to say.
///
/// The role of the function `plan` may read exactly those roles that the role of `distribute` may pass.
async fn role(look: &Look<'_>, to: &S3Export, place: Place, findings: &mut Vec<Finding>) -> Result<()> {
    let trusted = look.context.cloud.export_places.services_trusted_by(&to.role_name).await;
    if trusted.as_ref().is_err_and(|error| error.kind == Kind::Denied && look.viewer == Viewer::Stack) {
        findings.push(place.has(Problem::ExportRoleDenied { role: to.role_name.clone() }));
        return Ok(());
    }
    let Some(trusted) = answer(trusted, || place.clone(), findings)? else { return Ok(()) };
    let reason = match trusted {
        None => "does not exist",
        Some(services) if !services.iter().any(|one| one == SERVICE || one == "*") => {
            "does not trust vmie.amazonaws.com"
        }
        Some(_) => return Ok(()),
    };
    findings.push(place.has(Problem::ExportRole { role: to.role_name.clone(), reason: reason.to_owned() }));
    Ok(())
}

/// Checks that the bucket exists, and that it is in the Region of the image.
async fn bucket(
    look: &Look<'_>,
    planned: &PlannedRegion,
    to: &S3Export,
    place: Place,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let found = look.context.cloud.export_places.bucket_region(&planned.region, &to.s3_bucket).await;
    let Some(found) = answer(found, || place.clone(), findings)? else { return Ok(()) };
    let reason = match found {
        None => "does not exist".to_owned(),
        Some(there) if there != planned.region => format!("is in {there}"),
        Some(_) => return Ok(()),
    };
    let (bucket, region) = (to.s3_bucket.clone(), planned.region.clone());
    findings.push(place.has(Problem::ExportBucket { bucket, region, reason }));
    Ok(())
}
