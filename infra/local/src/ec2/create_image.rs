//! CreateImage.

use jiff::Timestamp;

use super::block_devices;
use super::call::{Call, Row};
use super::params::Params;
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::events::Event;
use crate::ids;
use crate::world::{
    BlockDevice, Grants, Image, ImageState, Instance, InstanceState, Launches, Protection, Snapshot, Timeline, World,
};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("CreateImage", create)];

/// Makes an image of a stopped or running instance. A running one is rebooted unless `NoReboot` is set.
fn create(call: &Call<'_>) -> Result<Xml, ApiError> {
    let name = call.params.require("Name")?;
    check_tagged(call.params)?;
    let mut world = call.endpoint.world();
    let instance = imageable(&world, call.scope, call.params.require("InstanceId")?)?.clone();
    check_name(&world, call.scope, name)?;
    call.check_dry_run()?;
    // CreateImage has no client token. A client that repeats a call after a lost answer gets InvalidAMIName.Duplicate,
    // and must find the image by its name.
    let image = image_of(call, &instance, name)?;
    let id = image.id.clone();
    let text = format!("Created by CreateImage({}) for {id}", instance.id);
    let behind = image.devices.iter().filter_map(|device| snapshot_behind(call, device, &text).transpose());
    for snapshot in behind.collect::<Result<Vec<_>, _>>()? {
        world.snapshots.insert(snapshot.id.clone(), snapshot);
    }
    call.endpoint.emit(Event::of_image(&image));
    world.images.insert(id.clone(), image);
    drop(world);
    // The call answers before the instance goes down. Its disk is copied while it is down.
    let reboot = instance.state() == InstanceState::Running && !call.params.flag("NoReboot");
    call.endpoint.fill_image(&id, &instance.id, reboot);
    Ok(Xml::of("imageId", id))
}

/// Checks that only the new image and its snapshots are tagged: "If you specify other values for ResourceType, the
/// request fails" (CreateImage in the API reference).
fn check_tagged(params: &Params) -> Result<(), ApiError> {
    let specifications = params.structures("TagSpecification");
    let kinds = specifications.iter().filter_map(|one| one.get("ResourceType"));
    match kinds.into_iter().find(|kind| !["image", "snapshot"].contains(kind)) {
        None => Ok(()),
        Some(kind) => {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            Err(ApiError::new("InvalidParameterValue", message))
        }
    }
}

fn imageable<'w>(world: &'w World, scope: &Scope, id: &str) -> Result<&'w Instance, ApiError> {
    let instance = world.instance(scope, id)?;
    if matches!(instance.state(), InstanceState::Running | InstanceState::Stopped) {
        return Ok(instance);
    }
    let state = instance.state().name();
    let message = format!("The instance '{id}' is not in the 'running' or 'stopped' state: {state}");
    Err(ApiError::new("IncorrectInstanceState", message))
}

/// Checks EC2's rules for names: 3 to 128 letters, digits and `()[] ./-'@_`, and only one image of a name per account
/// and Region.
pub(super) fn check_name(world: &World, scope: &Scope, name: &str) -> Result<(), ApiError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "()[] ./-'@_".contains(letter);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(allowed) {
        let rule = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '.', '-', '/', '_', and spaces.";
        return Err(ApiError::new("InvalidAMIName.Malformed", rule));
    }
    match world.image_named(scope, name) {
        None => Ok(()),
        Some(image) => {
            let message = format!("AMI name {name} is already in use by AMI {}", image.id);
            Err(ApiError::new("InvalidAMIName.Duplicate", message))
        }
    }
}

fn image_of(call: &Call<'_>, instance: &Instance, name: &str) -> Result<Image, ApiError> {
    let with_snapshot = |device: &BlockDevice| BlockDevice {
        snapshot_id: Some(ids::resource("snap")),
        volume_id: device.volume_id.clone(),
        ..device.clone()
    };
    let mut devices = instance.devices.clone();
    block_devices::change(&mut devices, call.params)?;
    Ok(Image {
        id: ids::resource("ami"),
        scope: call.scope.clone(),
        name: name.to_owned(),
        description: call.params.get("Description").unwrap_or_default().to_owned(),
        states: Timeline::new(ImageState::Pending),
        created_at: Timestamp::now(),
        tags: call.params.tags_for("image")?,
        layers: Vec::new(),
        devices: devices.iter().map(with_snapshot).collect(),
        grants: Grants::default(),
        source: false,
        has_agent: instance.has_agent,
        content: 0,
        imds_v2: instance.metadata.http_tokens == "required",
        boot_mode: boot_mode(call.params, instance.boot_mode.as_deref(), instance.current_boot_mode())?,
        tpm_support: instance.tpm_support.clone(),
        uefi_data: instance.uefi_data.clone(),
        deprecated_at: None,
        protection: Protection::Off,
        architecture: instance.architecture.clone(),
        root_device: instance.root_device.clone(),
        from_instance: Some(instance.id.clone()),
        launched_from: Some(instance.image_id.clone()),
        launches: Launches::default(),
        copied_from: None,
        failure: call.image_failure(),
        made_by: "CreateImage".to_owned(),
    })
}

/// Returns the boot mode of a new image: that of the image of its instance, unless the call overrides it. Only `uefi` is
/// possible, for an instance that runs by UEFI (EC2 API reference, CreateImage). AWS's error for another instance is not
/// known.
fn boot_mode(params: &Params, of_image: Option<&str>, current: &str) -> Result<Option<String>, ApiError> {
    match params.get("BootModeOverride") {
        None => Ok(of_image.map(str::to_owned)),
        Some("uefi") if current == "uefi" => Ok(Some("uefi".to_owned())),
        Some("uefi") => {
            let message =
                format!("BootModeOverride 'uefi' needs an instance whose current boot mode is 'uefi', not '{current}'");
            Err(ApiError::new("InvalidParameterCombination", message))
        }
        Some(other) => {
            let message = format!("Value ({other}) for parameter BootModeOverride is invalid.");
            Err(ApiError::new("InvalidParameterValue", message))
        }
    }
}

/// Returns the snapshot behind one device of a new image; `None` if the device has none.
pub(super) fn snapshot_behind(
    call: &Call<'_>,
    device: &BlockDevice,
    description: &str,
) -> Result<Option<Snapshot>, ApiError> {
    let Some(id) = &device.snapshot_id else { return Ok(None) };
    let action = call.params.get("Action").unwrap_or_default();
    let mut snapshot = Snapshot {
        description: description.to_owned(),
        size: device.size,
        encrypted: device.encrypted,
        kms_key: device.kms_key.clone(),
        tags: call.params.tags_for("snapshot")?,
        ..Snapshot::begun(id, call.scope, action)
    };
    if let Some(volume) = &device.volume_id {
        snapshot.volume_id.clone_from(volume);
    }
    Ok(Some(snapshot))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;
    use super::*;

    #[test]
    fn keeps_the_rules_for_names() {
        let scope = Scope { account: "000000000000".into(), region: "eu-west-1".into() };
        let code = |name: &str| check_name(&World::default(), &scope, name).map_err(|error| error.code);
        assert_eq!(code("web-server 1.0.0 (7)"), Ok(()));
        assert_eq!(code("ab"), Err("InvalidAMIName.Malformed".into()));
        assert_eq!(code(&"a".repeat(129)), Err("InvalidAMIName.Malformed".into()));
        assert_eq!(code("web:server"), Err("InvalidAMIName.Malformed".into()));
    }

    #[test]
    fn an_image_boots_as_its_instance_does_unless_it_may_only_boot_by_uefi() {
        let mode = |call: &str, of_image: Option<&str>, current: &str| {
            boot_mode(&Params::parse(None, call.as_bytes()), of_image, current).map_err(|error| error.code)
        };
        let some = |mode: &str| Ok(Some(mode.to_owned()));
        assert_eq!(mode("", Some("uefi-preferred"), "uefi"), some("uefi-preferred"));
        assert_eq!(mode("", None, "legacy-bios"), Ok(None));
        assert_eq!(mode("BootModeOverride=uefi", Some("uefi-preferred"), "uefi"), some("uefi"));
        let not_by_uefi = mode("BootModeOverride=uefi", Some("legacy-bios"), "legacy-bios");
        assert_eq!(not_by_uefi, Err("InvalidParameterCombination".to_owned()));
        let unknown = mode("BootModeOverride=uefi-preferred", None, "uefi");
        assert_eq!(unknown, Err("InvalidParameterValue".to_owned()));
    }

    #[tokio::test]
    async fn a_registered_image_has_the_boot_mode_of_the_call() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        let register = |mode| {
            let root = ("BlockDeviceMapping.1.DeviceName", "/dev/xvda");
            let snapshot = ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot.as_str());
            let image = [("Name", mode), ("RootDeviceName", "/dev/xvda"), root, snapshot, ("BootMode", mode)];
            scene.call("RegisterImage", &image).map_err(|error| error.code)
        };
        register("legacy-bios").unwrap();
        let shown = scene.call("DescribeImages", &[("Owner.1", "self")]).unwrap();
        assert!(shown.contains("<bootMode>legacy-bios</bootMode>"), "{shown}");
        assert_eq!(register("bios"), Err("InvalidParameterValue".to_owned()));
    }
}
