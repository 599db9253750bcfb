//! Exports of images: makes the disk of an image, converts it, and writes it to S3 with the given role, as VM
//! Import/Export does.

pub(crate) mod disk;
mod vhd;
mod vmdk;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use goldsmith_sigv4::encode;
use jiff::Timestamp;

use crate::chain::chain;
use crate::emulator::Emulator;
use crate::endpoint::Endpoint;
use crate::sessions::{self, Credentials, Refusal, VM_EXPORT};
use crate::world::{DiskFormat, ExportState, ExportTask, Image, World};
use disk::Disk;

/// Most bytes of an object. The emulator keeps an object in memory while it receives it.
const LARGEST: u64 = 2 << 30;

/// What VM Import/Export reads of the bucket with the role (user guide, "Required service role").
const LOOKS: [&str; 2] = ["location=", "acl="];

impl Endpoint {
    /// Carries an export out in the background.
    pub(crate) fn run_export(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            let outcome = endpoint.export(&id).await;
            endpoint.host.remove_work(&id);
            endpoint.end_export(&id, outcome);
        });
    }

    /// Resumes the exports that had not ended when an earlier endpoint ended. An active one starts again from the
    /// beginning.
    pub(crate) fn resume_exports(self: &Arc<Self>) {
        let open = |task: &&ExportTask| task.state().is_open();
        let tasks: Vec<ExportTask> = self.world().exports.values().filter(open).cloned().collect();
        for task in tasks {
            match task.state() {
                ExportState::Active => self.run_export(&task.id),
                _ => self.finish_cancel(&task.id),
            }
        }
    }

    /// Ends an export that is being canceled.
    pub(crate) fn finish_cancel(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            tokio::time::sleep(endpoint.settings().delays.stop).await;
            if let Some(task) = endpoint.world().exports.get_mut(&id).filter(|task| task.state().is_open()) {
                task.states.push(ExportState::Deleted);
            }
        });
    }

    /// Returns an export that is still active.
    fn active_export(&self, id: &str) -> Option<ExportTask> {
        self.world().exports.get(id).filter(|task| task.state() == ExportState::Active).cloned()
    }

    /// Records how far an active export is. Returns whether it is still active.
    fn note_export(&self, id: &str, message: &str, progress: u8) -> bool {
        let mut world = self.world();
        let Some(task) = world.exports.get_mut(id).filter(|task| task.state() == ExportState::Active) else {
            return false;
        };
        task.message = Some(message.to_owned());
        task.progress = Some(progress);
        true
    }

    fn end_export(&self, id: &str, outcome: Result<(), String>) {
        let mut world = self.world();
        let Some(task) = world.exports.get_mut(id).filter(|task| task.state() == ExportState::Active) else { return };
        task.progress = None;
        task.message = outcome.as_ref().err().cloned();
        // What has failed is cleaned up as what was canceled.
        task.states.push(if outcome.is_ok() { ExportState::Completed } else { ExportState::Deleted });
    }

    /// Exports an image, unless the export is canceled in the meantime. The error is the message of a failed task.
    async fn export(self: &Arc<Self>, id: &str) -> Result<(), String> {
        let start = tokio::time::Instant::now();
        let Some(task) = self.active_export(id) else { return Ok(()) };
        let image = self.world().images.get(&task.image).filter(|image| image.exists()).cloned();
        let image = image.ok_or_else(|| format!("ClientError: The image {} does not exist.", task.image))?;
        let settings = self.settings();
        let delay = settings.delays.copy(image.content).max(settings.export_after);
        if let Some(reason) = task.fault {
            tokio::time::sleep(delay).await;
            return Err(reason);
        }
        let emulator = self.emulator.as_ref().ok_or("ClientError: This endpoint has no S3.")?;
        check_bucket(emulator, &self.keys_for(&task).await?, &task).await?;
        if !self.note_export(id, "converting", 20) {
            return Ok(());
        }
        let object = self.make_object(&task, &image).await?;
        tokio::time::sleep_until(start + delay).await;
        // From here on, the export is not canceled any more.
        if !self.note_export(id, "uploading", 85) {
            return Ok(());
        }
        let path = format!("/{}/{}", task.bucket, encode(&task.key(), true));
        // A conversion takes time, and the keys of the session may have expired.
        let keys = self.keys_for(&task).await?;
        let put = emulator.s3(&keys, &task.scope.region, ("PUT", &path, ""), object).await;
        match put.map_err(|error| failed(&error))? {
            answer if answer.status == 200 => Ok(()),
            answer => Err(format!("ClientError: S3 does not take the object: {}", said(&answer.body))),
        }
    }

    async fn keys_for(&self, task: &ExportTask) -> Result<Credentials, String> {
        let role = role_arn(task);
        match sessions::assume(self.emulator.as_ref(), &task.scope, VM_EXPORT, &role, &task.id).await {
            Ok(keys) => Ok(keys),
            Err(Refusal::Role(said)) => Err(format!("ClientError: The role {role} cannot be assumed: {said}")),
            Err(Refusal::Emulator(said)) => Err(format!("ServerError: {said}")),
        }
    }

    /// Makes the disk of an image and converts it.
    async fn make_object(&self, task: &ExportTask, image: &Image) -> Result<Bytes, String> {
        let folder = self.host.make_work(&task.id).map_err(|error| failed(&error))?;
        let (raw, size) = (folder.join("disk"), World::root_size(image));
        let of_blocks = self.world().is_of_blocks(image).then(|| image.root_snapshot().map(str::to_owned)).flatten();
        match of_blocks {
            Some(snapshot) => {
                let (blocks, raw) = (self.host.blocks(), raw.clone());
                aside(move || disk::of_blocks(&blocks, &snapshot, size, &raw)).await?;
            }
            None => {
                let made = self.host.make_file_system(&image.layers, size, &folder, &raw).await;
                made.map_err(|error| failed(&error))?;
            }
        }
        let (format, name) = (task.format, format!("{}.vmdk", task.id));
        aside(move || convert(&raw, format, &name, &folder.join("object"))).await
    }
}

/// Returns the ARN of an export's role.
fn role_arn(task: &ExportTask) -> String {
    format!("arn:aws:iam::{}:role/{}", task.scope.account, task.role)
}

/// Checks that the bucket is in the Region of the export, and that the role may look at it.
async fn check_bucket(emulator: &Emulator, keys: &Credentials, task: &ExportTask) -> Result<(), String> {
    let (region, bucket) = (&task.scope.region, &task.bucket);
    let path = format!("/{bucket}");
    let head = emulator.s3(keys, region, ("HEAD", &path, ""), Bytes::new()).await.map_err(|error| failed(&error))?;
    match head.region {
        Some(there) if there != *region => {
            return Err(format!(
                "ClientError: The given S3 bucket is not local to the region: {bucket} is in {there}."
            ));
        }
        _ if head.status != 200 => {
            return Err(format!("ClientError: The bucket {bucket} cannot be used: HTTP status {}", head.status));
        }
        _ => {}
    }
    for query in LOOKS {
        let answer = emulator.s3(keys, region, ("GET", &path, query), Bytes::new()).await;
        let answer = answer.map_err(|error| failed(&error))?;
        if answer.status != 200 {
            return Err(format!("ClientError: The bucket {bucket} cannot be used: {}", said(&answer.body)));
        }
    }
    Ok(())
}

/// Runs work that waits for disks.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| failed(&error))
}

/// Converts a disk, and returns the content of the object.
fn convert(raw: &Path, format: DiskFormat, name: &str, object: &Path) -> io::Result<Bytes> {
    let disk = Disk::open(raw)?;
    let path = match format {
        DiskFormat::Raw => raw,
        DiskFormat::Vhd => {
            vhd::write(&disk, Timestamp::now().as_second(), &File::create_new(object)?)?;
            object
        }
        DiskFormat::Vmdk => {
            vmdk::write(&disk, name, &File::create_new(object)?)?;
            object
        }
    };
    let size = std::fs::metadata(path)?.len();
    if size > LARGEST {
        let message = format!(
            "the object would have {size} bytes, and the local S3 takes {LARGEST}: export a smaller volume, or use a format \
             that leaves out what is empty (VHD or VMDK)"
        );
        return Err(io::Error::other(message));
    }
    std::fs::read(path).map(Bytes::from)
}

fn failed(error: &dyn std::error::Error) -> String {
    format!("ServerError: {}", chain(error))
}

/// Returns what an answer of S3 says: its message, or all of it.
fn said(body: &str) -> String {
    let message = body.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
    message.map_or(body, |(message, _)| message).to_owned()
}
