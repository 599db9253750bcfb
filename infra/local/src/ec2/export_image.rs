//! ExportImage, DescribeExportImageTasks and CancelExportTask.

use std::sync::Arc;

use jiff::Timestamp;

use super::call::{Call, Row};
use super::copy_image::inherited;
use super::filters::{self, Filters};
use super::known_filters::EXPORTS;
use super::params::Params;
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::endpoint::Endpoint;
use crate::ids;
use crate::sessions::{self, Refusal, VM_EXPORT};
use crate::world::{DiskFormat, ExportState, ExportTask, Image, ImageState, Timeline, World, check_id};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("ExportImage", export), ("DescribeExportImageTasks", describe), ("CancelExportTask", cancel)];

/// The role of a call that names none.
const DEFAULT_ROLE: &str = "vmimport";
/// Largest volume, in GiB (VM Import/Export user guide, "Considerations for image export").
const LARGEST: u32 = 1024;
/// Most characters of a description.
const LONGEST: usize = 255;

/// Returns why VM Import/Export may not use the role that an export names; `None` if it may, or if there is no IAM here.
pub(crate) async fn role_refusal(endpoint: &Arc<Endpoint>, scope: &Scope, params: &Params) -> Option<ApiError> {
    if params.get("Action") != Some("ExportImage") || endpoint.emulator.is_none() {
        return None;
    }
    let role = params.get("RoleName").unwrap_or(DEFAULT_ROLE);
    let arn = format!("arn:aws:iam::{}:role/{role}", scope.account);
    match sessions::assume(endpoint.emulator.as_ref(), scope, VM_EXPORT, &arn, "export").await {
        Ok(_) => None,
        Err(Refusal::Role(_)) => {
            let message =
                format!("The service role {role} provided does not exist or does not have sufficient permissions");
            Some(ApiError::new("InvalidParameter", message))
        }
        Err(Refusal::Emulator(said)) => Some(ApiError::new("InternalError", said)),
    }
}

/// Begins an export.
fn export(call: &Call<'_>) -> Result<Xml, ApiError> {
    let params = call.params;
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some(made) = world.made_before(token.as_ref())? {
        let made = made.first().and_then(|id| world.exports.get(id));
        return Ok(made.map(begun).unwrap_or_default());
    }
    let format = params.require("DiskImageFormat")?;
    let format = DiskFormat::read(format).ok_or_else(|| {
        ApiError::new("InvalidParameterValue", format!("Value ({format}) for parameter DiskImageFormat is invalid."))
    })?;
    let bucket = params.require("S3ExportLocation.S3Bucket")?.to_owned();
    let description = params.get("Description");
    if description.is_some_and(|text| text.chars().count() > LONGEST) {
        let message = format!("The description has more than {LONGEST} characters.");
        return Err(ApiError::new("InvalidParameterValue", message));
    }
    let tags = params.tags_for("export-image-task")?;
    let image = exportable(call, &world)?;
    check_limits(call, &world, &image)?;
    if let Some(refusal) = call.role_refusal {
        return Err(refusal.clone());
    }
    call.check_dry_run()?;
    let task = ExportTask {
        id: ids::resource("export-ami"),
        scope: call.scope.clone(),
        image: image.id,
        description: description.map(str::to_owned),
        format,
        bucket,
        prefix: params.get("S3ExportLocation.S3Prefix").map(str::to_owned),
        role: params.get("RoleName").unwrap_or(DEFAULT_ROLE).to_owned(),
        tags,
        states: Timeline::new(ExportState::Active),
        message: Some("validating".to_owned()),
        progress: Some(0),
        fault: call.image_failure(),
        made_at: Timestamp::now(),
    };
    if let Some((key, request)) = token {
        world.remember(key, request, vec![task.id.clone()]);
    }
    let (xml, id) = (begun(&task), task.id.clone());
    world.exports.insert(id.clone(), task);
    drop(world);
    call.endpoint.run_export(&id);
    Ok(xml)
}

/// Returns the image of a call if EC2 exports such images (VM Import/Export user guide, "Considerations for image
/// export"). The codes and messages are those of public reports, except those for images of others and for sizes.
fn exportable(call: &Call<'_>, world: &World) -> Result<Image, ApiError> {
    let image = world.image(call.scope, call.params.require("ImageId")?)?.clone();
    let id = &image.id;
    let state = call.known_state(&image)?;
    let not_exportable = |why: &str| {
        Err(ApiError::new("NotExportable", format!("The image ID provided ({id}) {why} and is not exportable.")))
    };
    if state != ImageState::Available {
        let message = format!("The image {id} is not available: {}", state.name());
        return Err(ApiError::new("InvalidAMIID.Unavailable", message));
    }
    if image.scope.account != call.scope.account {
        return not_exportable("is owned by another account");
    }
    let settings = call.endpoint.settings();
    if inherited(world, &image, &settings.product_codes).is_some() {
        return not_exportable("is a marketplace AMI");
    }
    if inherited(world, &image, &settings.usage_operations).is_some() {
        return not_exportable("contains software that is provided by AWS");
    }
    if image.devices.iter().any(|device| device.encrypted) {
        let message = format!("The image ID ({id}) provided has encrypted EBS block devices and is not exportable.");
        return Err(ApiError::new("InvalidParameter", message));
    }
    if image.devices.iter().any(|device| device.size > LARGEST) {
        return not_exportable("has a volume larger than 1 TiB");
    }
    Ok(image)
}

/// Checks that no other export of the image is in progress, and that there are not too many exports at the same time (VM
/// Import/Export user guide, "Considerations for image export").
fn check_limits(call: &Call<'_>, world: &World, image: &Image) -> Result<(), ApiError> {
    let most = call.endpoint.settings().export_slots;
    let message = if world.open_exports(call.scope).any(|task| task.image == image.id) {
        format!("The image {} already has an export image task in progress.", image.id)
    } else if world.open_exports(call.scope).count() >= most {
        format!("There are already {most} conversion tasks in progress in this region.")
    } else {
        return Ok(());
    };
    Err(ApiError::new("ResourceLimitExceeded", message))
}

/// Returns the answer to the call that begins an export.
fn begun(task: &ExportTask) -> Xml {
    let mut xml = Xml::new();
    xml.text("diskImageFormat", task.format.name()).text("roleName", &task.role);
    item(&mut xml, task, task.state());
    xml
}

/// Describes exports of the account. The answer is as old as the endpoint's lag.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &EXPORTS)?;
    let seen_at = call.endpoint.seen_at();
    let world = call.endpoint.world();
    let ids = call.params.list("ExportImageTaskId");
    let seen = |task: &ExportTask| task.states.at(seen_at).filter(|_| task.scope == *call.scope);
    let mut found = Vec::new();
    for id in &ids {
        let task = own(&world, call.scope, id)?;
        found.extend(seen(task).map(|state| (task, state)));
    }
    if ids.is_empty() {
        found = world.exports.values().filter_map(|task| Some((task, seen(task)?))).collect();
    }
    let items = filters.keep(found, |xml, (task, state)| item(xml, task, state));
    filters::answer(call, "exportImageTaskSet", items)
}

fn item(xml: &mut Xml, task: &ExportTask, state: ExportState) {
    xml.maybe("description", task.description.as_ref());
    xml.text("exportImageTaskId", &task.id).text("imageId", &task.image);
    xml.maybe("progress", task.progress);
    xml.node("s3ExportLocation", |xml| {
        xml.text("s3Bucket", &task.bucket).maybe("s3Prefix", task.prefix.as_ref());
    });
    xml.text("status", state.name()).maybe("statusMessage", task.message.as_ref());
    xml.tags(&task.tags);
}

fn own<'w>(world: &'w World, scope: &Scope, id: &str) -> Result<&'w ExportTask, ApiError> {
    check_id("export-ami", id, "InvalidExportTaskID.Malformed")?;
    let missing = || ApiError::new("InvalidExportTaskID.NotFound", format!("The export task ID '{id}' does not exist"));
    world.exports.get(id).filter(|task| task.scope == *scope).ok_or_else(missing)
}

/// Cancels an export. An export that transfers its image to S3, or has ended, is not canceled (EC2 API reference,
/// CancelExportTask).
fn cancel(call: &Call<'_>) -> Result<Xml, ApiError> {
    let id = call.params.require("ExportTaskId")?;
    let mut world = call.endpoint.world();
    let task = own(&world, call.scope, id)?;
    if task.state() != ExportState::Active || task.message.as_deref() == Some("uploading") {
        let message = format!("The export task {id} cannot be canceled: it is {}.", task.state().name());
        return Err(ApiError::new("IncorrectState", message));
    }
    call.check_dry_run()?;
    if let Some(task) = world.exports.get_mut(id) {
        task.states.push(ExportState::Deleting);
        task.progress = None;
        task.message = Some("Pending deletion".to_owned());
    }
    drop(world);
    call.endpoint.finish_cancel(id);
    Ok(Xml::done())
}

#[cfg(test)]
mod tests {
    use crate::ec2::testing::Scene;
    use crate::world::ExportState;

    fn form<'a>(image: &'a str, format: &'a str) -> [(&'a str, &'a str); 3] {
        [("ImageId", image), ("DiskImageFormat", format), ("S3ExportLocation.S3Bucket", "images")]
    }

    #[tokio::test]
    async fn an_export_is_described_by_its_place_until_it_is_canceled() {
        let scene = Scene::new();
        let image = scene.image();
        let more = [("S3ExportLocation.S3Prefix", "golden/"), ("ClientToken", "one"), ("Description", "web")];
        let form = [&form(&image, "VMDK")[..], &more].concat();
        let made = scene.call("ExportImage", &form).unwrap();
        let id = scene.endpoint.world().exports.keys().next().unwrap().clone();
        assert!(made.contains(&format!("<exportImageTaskId>{id}</exportImageTaskId>")), "{made}");
        assert_eq!(scene.call("ExportImage", &form).unwrap(), made, "the token counts");
        assert_eq!(scene.endpoint.world().exports[&id].key(), format!("golden/{id}.vmdk"));
        let other = [("S3ExportLocation.S3Bucket", "images"), ("ImageId", &image), ("DiskImageFormat", "RAW")];
        assert_eq!(scene.refused("ExportImage", &other), "ResourceLimitExceeded", "one at a time");
        scene.call("CancelExportTask", &[("ExportTaskId", &id)]).unwrap();
        assert_eq!(scene.endpoint.world().exports[&id].state(), ExportState::Deleting);
        assert_eq!(scene.refused("CancelExportTask", &[("ExportTaskId", &id)]), "IncorrectState");
        let deleting = [("Filter.1.Name", "task-state"), ("Filter.1.Value.1", "deleting")];
        assert!(scene.call("DescribeExportImageTasks", &deleting).unwrap().contains(&id));
    }

    #[tokio::test]
    async fn a_region_has_so_many_exports_at_once() {
        let scene = Scene::new();
        scene.endpoint.change_settings().export_slots = 1;
        let snapshot = scene.snapshot();
        let register = |name: &str| {
            let root =
                [("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.SnapshotId", &*snapshot)];
            let form = [("Name", name), ("RootDeviceName", "/dev/xvda"), root[0], root[1]];
            let made = scene.call("RegisterImage", &form).unwrap();
            made.replace("<imageId>", "").replace("</imageId>", "")
        };
        let (one, two) = (register("one"), register("two"));
        scene.call("ExportImage", &form(&one, "RAW")).unwrap();
        assert_eq!(scene.refused("ExportImage", &form(&two, "RAW")), "ResourceLimitExceeded");
    }

    #[tokio::test]
    async fn what_ec2_does_not_export_is_refused() {
        let scene = Scene::new();
        let image = scene.image();
        assert_eq!(scene.refused("ExportImage", &form(&image, "OVA")), "InvalidParameterValue");
        assert_eq!(scene.refused("ExportImage", &form(&image, "RAW")[..2]), "MissingParameter");
        let source = scene.endpoint.world().newest_source("eu-west-1");
        assert_eq!(scene.refused("ExportImage", &form(&source, "RAW")), "NotExportable", "another account's");
        scene.endpoint.change_settings().usage_operations = [(image.clone(), "RunInstances:0010".to_owned())].into();
        assert_eq!(scene.refused("ExportImage", &form(&image, "RAW")), "NotExportable");
        scene.endpoint.change_settings().usage_operations.clear();
        let change = |size: u32, encrypted: bool| {
            let mut world = scene.endpoint.world();
            let device = &mut world.images.get_mut(&image).unwrap().devices[0];
            (device.size, device.encrypted) = (size, encrypted);
        };
        change(1025, false);
        assert_eq!(scene.refused("ExportImage", &form(&image, "RAW")), "NotExportable");
        change(8, true);
        assert_eq!(scene.refused("ExportImage", &form(&image, "RAW")), "InvalidParameter");
        change(8, false);
        let dry = [("DryRun", "true")];
        assert_eq!(scene.refused("ExportImage", &[&form(&image, "RAW")[..], &dry].concat()), "DryRunOperation");
        for (id, code) in [("export-i-1", "Malformed"), ("export-ami-0123456789abcdef0", "NotFound")] {
            let expected = format!("InvalidExportTaskID.{code}");
            assert_eq!(scene.refused("CancelExportTask", &[("ExportTaskId", id)]), expected);
            assert_eq!(scene.refused("DescribeExportImageTasks", &[("ExportImageTaskId.1", id)]), expected);
        }
    }
}
