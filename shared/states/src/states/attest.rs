//! Attest: digests the volumes of the new AMI, and has KMS sign where the image comes from.
//!
//! Input: the AMI of Snapshot. Output: the provenance in the bucket and in the state's record; nothing in EC2. Error:
//! `ImageFailed`, `Timeout`.
//!
//! One check reads blocks for at most [`SLICE`]. It stores how far it has come, and the next one continues from there: a
//! function lives for two minutes, and a large volume takes longer.

mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use goldsmith_cloud::Image;
use goldsmith_provenance::{ImageContent, PublicKey, Unsigned};
use goldsmith_store::{EffectKind, FailureCause, ProvenanceRecord, Scope, StateStatus};
use jiff::SignedDuration;

use crate::engine::drive::{Pending, Progress, Scene, Waiting};
use crate::error_names::ErrorName;
use crate::parts::volume::{Reading, SnapshotBlocks};
use crate::{Error, Result, State};

/// How long one check reads: with the patience of an invocation, less than its function's time limit.
const SLICE: SignedDuration = SignedDuration::from_secs(40);
/// The largest stored reading, in bytes: that of a volume with 1.5 TiB of data.
const LARGEST_READING: u64 = 300 << 20;
/// Folder of the bundles and of the lists of blocks in the stack's bucket.
const FOLDER: &str = "provenance";
/// Folder of readings that are not finished. A rule of the bucket removes them after a day.
const UNFINISHED: &str = "readings";

/// The state that this function runs.
pub(crate) struct Attest;

#[async_trait]
impl Waiting for Attest {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let Some(key) = &scene.record.plan.signing_key else {
            return Ok(Progress::Done("nothing is signed".to_owned()));
        };
        let image = scene.made_by(State::Snapshot, None, EffectKind::is_image).await?;
        // A signature vouches for the image. Anyone who may call the function could call it before the tests have ended.
        if !is_judged(scene).await? {
            return Ok(pending(scene, &image, "the tests have not been judged yet".to_owned()));
        }
        let own = scene.context.store.state(&scene.record.build, &scene.scope).await?;
        if let Some(signed) = own.and_then(|state| state.provenance) {
            return Ok(Progress::Done(done(&signed)));
        }
        let Some(found) = scene.context.cloud.images.image(scene.home(), &image).await? else {
            return Ok(pending(scene, &image, format!("{image} is not visible yet")));
        };
        match read_volumes(scene, &found).await? {
            Volumes::Reading(detail) => Ok(pending(scene, &image, detail)),
            Volumes::Read(volumes) => sign(scene, key, &found, &volumes).await,
        }
    }
}

async fn is_judged(scene: &Scene<'_>) -> Result<bool> {
    if scene.record.plan.tests.is_empty() {
        return Ok(true);
    }
    let judged = scene.context.store.state(&scene.record.build, &Scope::from(State::JudgeTests)).await?;
    Ok(judged.is_some_and(|state| state.status == StateStatus::Succeeded))
}

fn pending(scene: &Scene<'_>, image: &str, detail: String) -> Progress {
    Progress::Waiting(Pending { resource: image.to_owned(), region: scene.home().to_owned(), detail })
}

fn done(signed: &ProvenanceRecord) -> String {
    format!("signed the content sha256:{} with {}", signed.digest, signed.signing_key)
}

/// The volumes of the AMI, by device name.
enum Volumes {
    /// They are being read. The text says how far.
    Reading(String),
    /// They were read.
    Read(BTreeMap<String, Reading>),
}

/// Reads the volumes for one slice.
async fn read_volumes(scene: &Scene<'_>, image: &Image) -> Result<Volumes> {
    let (context, until) = (scene.context, scene.context.clock.now() + SLICE);
    let is_late = || context.clock.now() >= until;
    let mut volumes = BTreeMap::new();
    for (device, snapshot) in &image.volumes {
        let key = format!("{UNFINISHED}/{}/{snapshot}.json", scene.record.build);
        let stored = context.cloud.objects.get(&key, LARGEST_READING).await?;
        let earlier = stored.and_then(|bytes| Reading::from_bytes(&bytes));
        let was_read = earlier.as_ref().is_some_and(|earlier| earlier.next.is_none());
        let blocks = SnapshotBlocks { blocks: &*context.cloud.blocks, region: scene.home(), snapshot };
        let reading = if is_late() { earlier } else { Some(blocks.read(earlier, &is_late).await?) };
        if let Some(reading) = reading.as_ref().filter(|_| is_late() && !was_read) {
            let bytes = reading.to_bytes().map_err(|error| Error::internal(format!("{device}: {error}")))?;
            if bytes.len() as u64 > LARGEST_READING {
                return Err(too_large(scene, snapshot, reading.content.present()));
            }
            context.cloud.objects.put(&key, bytes).await?;
        }
        let Some(reading) = reading.filter(|reading| reading.next.is_none()) else {
            return Ok(Volumes::Reading(format!("reading {snapshot} of {device}")));
        };
        volumes.insert(device.clone(), reading);
    }
    Ok(Volumes::Read(volumes))
}

fn too_large(scene: &Scene<'_>, snapshot: &str, blocks: u64) -> Error {
    let message = format!("{snapshot} has more than {blocks} blocks of 512 KiB, which are too many for a signed list");
    let (region, resource) = (Some(scene.home().to_owned()), Some(snapshot.to_owned()));
    Error::because(ErrorName::ImageFailed, FailureCause { message, region, resource, ..FailureCause::default() })
}

/// Stores the lists of blocks, has the statement signed, and stores it and what was signed.
async fn sign(scene: &Scene<'_>, key: &str, image: &Image, volumes: &BTreeMap<String, Reading>) -> Result<Progress> {
    let (cloud, build) = (&scene.context.cloud, &scene.record.build);
    let digests = volumes.iter().map(|(device, reading)| (device.clone(), reading.content.digest())).collect();
    let content = ImageContent::new(digests).map_err(unsignable)?;
    let mut lists = BTreeMap::new();
    for (n, (device, reading)) in volumes.iter().enumerate() {
        let key = format!("{FOLDER}/{build}/volume-{n}.txt");
        cloud.objects.put(&key, reading.content.to_text().into_bytes()).await?;
        lists.insert(device.clone(), key);
    }
    let public = cloud.keys.public_key(scene.home(), key).await?;
    let public = PublicKey::from_der(&public).map_err(unsignable)?;
    let statement = statement::of(scene, image, &content, volumes).await?;
    let unsigned = Unsigned::new(&statement, &public).map_err(unsignable)?;
    let signature = cloud.keys.sign(scene.home(), key, unsigned.digest_to_sign()).await?;
    let bundle = unsigned.signed(signature).map_err(unsignable)?;
    let bundle = bundle.to_json().map_err(|error| Error::internal(error.to_string()))?;
    let place = format!("{FOLDER}/{build}/bundle.json");
    cloud.objects.put(&place, bundle).await?;
    let signed = ProvenanceRecord {
        digest: hex::encode(content.digest()),
        signing_key: key.to_owned(),
        fingerprint: public.fingerprint(),
        bundle: place,
        volumes: lists,
    };
    scene.context.store.note_provenance(&scene.record, &scene.scope, &signed).await?;
    Ok(Progress::Done(done(&signed)))
}

fn unsignable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let message = format!("the provenance of the image cannot be signed: {}", goldsmith_executor::explain(&error));
    Error::failed(ErrorName::ImageFailed, message)
}
