//! CopyImage.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;

use super::call::{Call, Row};
use super::create_image::{check_name, snapshot_behind};
use super::encryption;
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::events::Event;
use crate::ids;
use crate::world::{
    BlockDevice, Grants, Image, ImageState, KEY_FAILURE, Launches, Protection, Snapshot, Tags, Timeline, World,
};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("CopyImage", copy)];

/// Copies an image into the call's Region. Both images share their layers, which never change.
fn copy(call: &Call<'_>) -> Result<Xml, ApiError> {
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some(made) = world.made_before(token.as_ref())? {
        return Ok(Xml::of("imageId", made.first().map(String::as_str).unwrap_or_default()));
    }
    let from = call.scope.in_region(call.params.require("SourceRegion")?);
    // The source may be the public image of a Region in which no call was made before.
    world.newest_source(&from.region);
    let source = world.image(&from, call.params.require("SourceImageId")?)?.clone();
    let state = call.known_state(&source)?;
    if state != ImageState::Available {
        let message = format!("The image {} is not available: {}", source.id, state.name());
        return Err(ApiError::new("InvalidAMIID.Unavailable", message));
    }
    check_billing(&world, call, &source)?;
    check_storage(&world, &from, &source)?;
    check_name(&world, call.scope, call.params.require("Name")?)?;
    check_limit(&world, call, source.snapshots().len())?;
    check_encryption(call)?;
    call.check_dry_run()?;
    let mut image = copy_of(call, &source)?;
    encryption::of_copy(&world, call, &mut image.devices);
    if !encryption::may_use(&world, call, &image.devices, &source.devices) {
        image.failure = Some(KEY_FAILURE.to_owned());
    }
    let id = image.id.clone();
    let text = format!("Copied for DestinationAmi {id} from SourceAmi {} for SourceRegion {}", source.id, from.region);
    let behind = image.devices.iter().filter_map(|device| snapshot_behind(call, device, &text).transpose());
    let behind = behind.collect::<Result<Vec<_>, _>>()?;
    // Everything that may fail comes before anything is created.
    let pairs = world.copies_of_blocks(&source.devices, &image.devices);
    call.endpoint.share_blocks(&pairs).map_err(|error| no_blocks(&error))?;
    for mut snapshot in behind {
        if image.root_snapshot() == Some(&snapshot.id) {
            snapshot.layers = image.layers.clone();
            snapshot.content = image.content;
            let original = source.root_snapshot().and_then(|id| world.snapshots.get(id));
            snapshot.copies_files = original.is_some_and(Snapshot::has_files);
        }
        world.snapshots.insert(snapshot.id.clone(), snapshot);
    }
    world.add_copies_of_blocks(pairs);
    if let Some((key, request)) = token {
        world.remember(key, request, vec![id.clone()]);
    }
    call.endpoint.emit(Event::of_image(&image));
    world.images.insert(id.clone(), image);
    drop(world);
    call.endpoint.copy_image(&id);
    Ok(Xml::of("imageId", &id))
}

fn no_blocks(error: &io::Error) -> ApiError {
    ApiError::new("InternalError", format!("The blocks of the snapshots cannot be copied: {error}"))
}

/// Checks what is billed for another account's image: a product of AWS Marketplace and a platform with a license belong to
/// the account that pays for them (EC2 user guide, "Copy an AMI", cross-account copying).
fn check_billing(world: &World, call: &Call<'_>, source: &Image) -> Result<(), ApiError> {
    let settings = call.endpoint.settings();
    let what = match () {
        () if source.scope.account == call.scope.account => return Ok(()),
        () if inherited(world, source, &settings.product_codes).is_some() => "Images from AWS Marketplace",
        () if inherited(world, source, &settings.usage_operations).is_some() => "Images with EC2 BillingProduct codes",
        () => return Ok(()),
    };
    Err(ApiError::new("InvalidRequest", format!("{what} cannot be copied to another AWS account")))
}

/// Returns what is set for an image, or for an image from which it was made. An image keeps the product code and the usage
/// operation of the image that it comes from.
pub(super) fn inherited<'s>(world: &World, image: &Image, set: &'s BTreeMap<String, String>) -> Option<&'s str> {
    let of = |image: &&Image| {
        let copied = image.copied_from.as_ref().map(|(_, id)| id);
        world.images.get(copied.or(image.launched_from.as_ref())?)
    };
    let origins = std::iter::successors(world.images.get(&image.id), of);
    origins.filter_map(|one| set.get(&one.id)).map(String::as_str).next()
}

/// Checks the permission for another account's image. To launch such an image, an account needs its launch permission;
/// to copy it, it also needs the permission for its snapshots (EC2 user guide, "Copy an AMI", cross-account copying).
fn check_storage(world: &World, from: &Scope, source: &Image) -> Result<(), ApiError> {
    let may_read = |id: &String| world.snapshots.get(id).is_some_and(|snapshot| world.shows_snapshot(from, snapshot));
    if source.snapshots().iter().all(may_read) {
        return Ok(());
    }
    Err(ApiError::new("InvalidRequest", "You do not have permission to access the storage of this ami"))
}

/// Checks the limit of copies: each snapshot of an image takes a slot of the target Region until it is copied.
fn check_limit(world: &World, call: &Call<'_>, more: usize) -> Result<(), ApiError> {
    let is_open = |image: &&Image| image.scope == *call.scope && image.state() == ImageState::Pending;
    let copies = world.images.values().filter(is_open).filter(|image| image.copied_from.is_some());
    let most = call.endpoint.settings().copy_slots;
    if copies.map(|image| image.snapshots().len()).sum::<usize>() + more <= most {
        return Ok(());
    }
    let message = format!("Too many snapshot copies in progress. The limit is {most} for this destination region.");
    Err(ApiError::new("ResourceLimitExceeded", message))
}

/// Checks that a KMS key is given only together with `Encrypted`.
fn check_encryption(call: &Call<'_>) -> Result<(), ApiError> {
    if call.params.get("KmsKeyId").is_some() && !call.params.flag("Encrypted") {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(ApiError::new("InvalidParameterDependency", message));
    }
    Ok(())
}

fn copy_of(call: &Call<'_>, source: &Image) -> Result<Image, ApiError> {
    let own: Tags = call.params.tags_for("image")?;
    // By default, a copy has no tags, not even those of an image of the same account (EC2 user guide, "Copy an Amazon
    // EC2 AMI").
    let copied = if call.params.flag("CopyImageTags") { source.tags.clone() } else { Tags::new() };
    let devices = source.devices.iter().map(|device| BlockDevice {
        snapshot_id: Some(ids::resource("snap")),
        volume_id: None,
        ..device.clone()
    });
    Ok(Image {
        id: ids::resource("ami"),
        scope: call.scope.clone(),
        name: call.params.get("Name").unwrap_or_default().to_owned(),
        description: call.params.get("Description").unwrap_or(&source.description).to_owned(),
        states: Timeline::new(ImageState::Pending),
        created_at: Timestamp::now(),
        tags: copied.into_iter().chain(own).collect(),
        devices: devices.collect(),
        // Launch permissions are never copied, and neither are a deprecation and a protection.
        grants: Grants::default(),
        source: false,
        deprecated_at: None,
        protection: Protection::Off,
        content: source.content.max(call.endpoint.base_size),
        from_instance: None,
        launched_from: None,
        launches: Launches::default(),
        copied_from: Some((source.scope.region.clone(), source.id.clone())),
        failure: call.image_failure(),
        made_by: "CopyImage".to_owned(),
        ..source.clone()
    })
}
