//! DescribeImages.

use super::call::{Call, Row};
use super::copy_image::inherited;
use super::filters::{self, Filters};
use super::known_filters::IMAGES;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{BlockDevice, Image, ImageState, Snapshot, World, check_id, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeImages", describe)];

/// Owner alias of the source image.
const AMAZON: &str = "amazon";

/// An image and the state that the answer shows.
type Seen<'w> = (&'w Image, ImageState);

/// Describes images that the account may see. The answer is as old as the endpoint's lag.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &IMAGES)?;
    let owners = call.params.list("Owner");
    let mut world = call.endpoint.world();
    world.newest_source(&call.scope.region);
    let mut seen = chosen(call, &world)?;
    let deprecated = |image: &Image| image.deprecated_at.is_some_and(|time| time <= jiff::Timestamp::now());
    let (with_deprecated, with_disabled) = (call.params.flag("IncludeDeprecated"), call.params.flag("IncludeDisabled"));
    let by_id = call.params.get("ImageId.1").is_some();
    seen.retain(|(image, state)| {
        let own = image.scope.account == call.scope.account;
        by_id || ((with_deprecated || own || !deprecated(image)) && (with_disabled || *state != ImageState::Disabled))
    });
    let users = call.params.list("ExecutableBy");
    seen.retain(|(image, _)| users.is_empty() || users.iter().any(|user| may_launch(call, image, user)));
    seen.retain(|(image, _)| owners.is_empty() || owners.iter().any(|owner| is_owner(call, image, owner)));
    let settings = call.endpoint.settings();
    let kept = filters.keep(seen, |xml, (image, state)| {
        item(xml, &world, image, state);
        xml.text("usageOperation", inherited(&world, image, &settings.usage_operations).unwrap_or("RunInstances"));
        if let Some(code) = settings.product_codes.get(&image.id) {
            xml.items("productCodes", [code], |xml, code| {
                xml.text("productCode", code).text("type", "marketplace");
            });
        }
    });
    filters::answer(call, "imagesSet", kept)
}

fn chosen<'w>(call: &Call<'_>, world: &'w World) -> Result<Vec<Seen<'w>>, ApiError> {
    let seen_at = call.endpoint.seen_at();
    let visible = |image: &&Image| image.is_visible_to(call.scope);
    let seen = |image: &'w Image| image.states.at(seen_at).map(|state| (image, state));
    let ids = call.params.list("ImageId");
    if ids.is_empty() {
        return Ok(world.images.values().filter(visible).filter_map(seen).collect());
    }
    ids.iter().try_for_each(|id| check_id("ami", id, "InvalidAMIID.Malformed"))?;
    let found = |id: &String| world.images.get(id).filter(visible).and_then(seen);
    let missing: Vec<&str> = ids.iter().filter(|id| found(id).is_none()).map(String::as_str).collect();
    match missing.as_slice() {
        [] => Ok(ids.iter().filter_map(found).collect()),
        [one] => Err(not_found(format!("The image id '[{one}]' does not exist"))),
        several => Err(not_found(format!("The image ids '[{}]' do not exist", several.join(", ")))),
    }
}

fn not_found(message: String) -> ApiError {
    ApiError::new("InvalidAMIID.NotFound", message)
}

fn is_owner(call: &Call<'_>, image: &Image, owner: &str) -> bool {
    match owner {
        "self" => image.scope.account == call.scope.account,
        AMAZON => image.source,
        account => image.scope.account == account,
    }
}

/// Returns whether the image has a launch permission for `self`, `all` or an account.
fn may_launch(call: &Call<'_>, image: &Image, user: &str) -> bool {
    match user {
        "all" => image.grants.public,
        "self" => image.grants.accounts.contains(&call.scope.account),
        account => image.grants.accounts.contains(account),
    }
}

fn item(xml: &mut Xml, world: &World, image: &Image, state: ImageState) {
    xml.text("imageId", &image.id)
        .text("imageLocation", format!("{}/{}", image.scope.account, image.name))
        .text("imageState", state.name())
        .text("imageOwnerId", &image.scope.account)
        .maybe("imageOwnerAlias", image.source.then_some(AMAZON))
        .text("creationDate", iso(image.created_at))
        .text("isPublic", image.grants.public)
        .text("architecture", &image.architecture)
        .text("imageType", "machine")
        .text("name", &image.name)
        .text("description", &image.description)
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", &image.root_device)
        .text("virtualizationType", "hvm")
        .text("hypervisor", "xen")
        .text("enaSupport", true)
        .text("platformDetails", "Linux/UNIX")
        .text("deregistrationProtection", image.protection.name())
        .maybe("deprecationTime", image.deprecated_at.map(iso))
        .maybe("lastLaunchedTime", image.launches.last_reported().filter(|_| !image.source).map(iso))
        .maybe("bootMode", image.boot_mode.as_ref())
        .maybe("tpmSupport", image.tpm_support.as_ref())
        .maybe("imdsSupport", image.imds_v2.then_some("v2.0"));
    if let Some(failure) = image.failure.as_ref().filter(|_| state == ImageState::Failed) {
        // A reason starts with its code, as EC2's own reasons do.
        let code = failure.split_once(": ").map(|(code, _)| code).filter(|code| code.contains('.'));
        xml.node("stateReason", |xml| {
            xml.text("code", code.unwrap_or("Server.InternalError")).text("message", failure);
        });
    }
    // For an image of an instance, this is the image that the instance was launched from (EC2 user guide, "Use AMI
    // ancestry to trace the origin of an AMI").
    let launched_from = image.launched_from.as_ref().map(|id| (&image.scope.region, id));
    if let Some((region, id)) = image.copied_from.as_ref().map(|(region, id)| (region, id)).or(launched_from) {
        xml.text("sourceImageId", id).text("sourceImageRegion", region);
    }
    xml.maybe("sourceInstanceId", image.from_instance.as_ref());
    xml.items("blockDeviceMapping", &image.devices, |xml, device| {
        let snapshot = device.snapshot_id.as_ref().and_then(|id| world.snapshots.get(id));
        device_item(xml, device, snapshot, image.has_begun());
    });
    xml.tags(&image.tags);
}

/// Writes a device mapping of an image. EC2 names the snapshot only once it has begun.
fn device_item(xml: &mut Xml, device: &BlockDevice, snapshot: Option<&Snapshot>, has_begun: bool) {
    xml.text("deviceName", &device.name).node("ebs", |xml| {
        xml.maybe("snapshotId", device.snapshot_id.as_ref().filter(|_| has_begun))
            .text("volumeSize", device.size)
            .text("volumeType", &device.volume_type)
            .text("encrypted", device.encrypted)
            .text("deleteOnTermination", device.delete_on_termination)
            .maybe("kmsKeyId", snapshot.and_then(|snapshot| snapshot.kms_key.as_ref()));
    });
}
