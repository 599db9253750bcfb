//! RegisterImage: an image made of existing snapshots.

use jiff::Timestamp;

use super::block_devices;
use super::block_devices::empty;
use super::call::{Call, Row};
use super::create_image::check_name;
use super::firmware::Firmware;
use super::params::Params;
use super::snapshots::own_snapshot;
use super::xml::Xml;
use crate::api::ApiError;
use crate::events::Event;
use crate::ids;
use crate::world::source::architecture;
use crate::world::{BlockDevice, Grants, Image, ImageState, Launches, Protection, Snapshot, Timeline, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("RegisterImage", register)];

/// Registers an image. It is available at once, since there is nothing to copy.
fn register(call: &Call<'_>) -> Result<Xml, ApiError> {
    let params = call.params;
    let name = params.require("Name")?;
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some(made) = world.made_before(token.as_ref())? {
        return Ok(Xml::of("imageId", made.first().map(String::as_str).unwrap_or_default()));
    }
    check_name(&world, call.scope, name)?;
    let root_device = params.require("RootDeviceName")?;
    let devices = devices(call, &world)?;
    let root = root_snapshot(call, &world, &devices, root_device)?.clone();
    let asked = params.get("Architecture").unwrap_or(architecture());
    let firmware = Firmware::read(params, asked)?;
    check_tagged(params)?;
    call.check_dry_run()?;
    let image = Image {
        id: ids::resource("ami"),
        scope: call.scope.clone(),
        name: name.to_owned(),
        description: params.get("Description").unwrap_or_default().to_owned(),
        states: Timeline::new(ImageState::Available),
        created_at: Timestamp::now(),
        tags: params.tags_for("image")?,
        layers: root.layers.clone(),
        devices,
        grants: Grants::default(),
        source: false,
        has_agent: true,
        content: root.content,
        imds_v2: params.get("ImdsSupport") == Some("v2.0"),
        boot_mode: firmware.boot_mode,
        tpm_support: firmware.tpm_support,
        uefi_data: firmware.uefi_data,
        deprecated_at: None,
        protection: Protection::Off,
        architecture: asked.to_owned(),
        root_device: root_device.to_owned(),
        from_instance: None,
        launched_from: None,
        launches: Launches::default(),
        copied_from: None,
        failure: None,
        made_by: "RegisterImage".to_owned(),
    };
    let id = image.id.clone();
    if let Some((key, request)) = token {
        world.remember(key, request, vec![id.clone()]);
    }
    call.endpoint.emit(Event::of_image(&image));
    world.images.insert(id.clone(), image);
    Ok(Xml::of("imageId", &id))
}

/// Checks that only the new image is tagged (EC2 API reference, RegisterImage, `TagSpecifications`).
fn check_tagged(params: &Params) -> Result<(), ApiError> {
    let specifications = params.structures("TagSpecification");
    let mut kinds = specifications.iter().filter_map(|one| one.get("ResourceType"));
    match kinds.find(|kind| *kind != "image") {
        None => Ok(()),
        Some(kind) => {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            Err(ApiError::new("InvalidParameterValue", message))
        }
    }
}

/// Returns the mapped devices, each at least as large as its snapshot.
fn devices(call: &Call<'_>, world: &World) -> Result<Vec<BlockDevice>, ApiError> {
    let mut devices = Vec::new();
    for asked in call.params.structures("BlockDeviceMapping") {
        let mut device = BlockDevice { delete_on_termination: true, ..empty(asked.require("DeviceName")?) };
        if let Some(id) = asked.get("Ebs.SnapshotId") {
            let snapshot = own_snapshot(call, world, id)?;
            // "If you specify an Amazon EBS volume using the ID of an Amazon EBS snapshot, you can't specify the encryption
            // state of the volume" (EC2 API reference, RegisterImage, `BlockDeviceMappings`).
            if asked.get("Ebs.Encrypted").is_some() || asked.get("Ebs.KmsKeyId").is_some() {
                let message = "The encryption of a volume cannot be specified together with a snapshot.";
                return Err(ApiError::new("InvalidParameterCombination", message));
            }
            if !snapshot.completed {
                let message = format!("Snapshot '{id}' is not 'completed'.");
                return Err(ApiError::new("IncorrectState", message));
            }
            device.size = snapshot.size;
            device.encrypted = snapshot.encrypted;
            device.kms_key.clone_from(&snapshot.kms_key);
            device.snapshot_id = Some(id.to_owned());
        }
        devices.push(device);
    }
    block_devices::change(&mut devices, call.params)?;
    Ok(devices)
}

fn root_snapshot<'w>(
    call: &Call<'_>,
    world: &'w World,
    devices: &[BlockDevice],
    root: &str,
) -> Result<&'w Snapshot, ApiError> {
    let device = devices.iter().find(|device| device.name == root);
    match device.and_then(|device| device.snapshot_id.as_deref()) {
        Some(id) => own_snapshot(call, world, id),
        None => {
            let message = format!("Invalid root device: no snapshot is mapped at '{root}'");
            Err(ApiError::new("InvalidBlockDeviceMapping", message))
        }
    }
}
