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
use goldsmith_cloud::{Image, ImageState};
use goldsmith_provenance::{ImageContent, PublicKey, Unsigned};
use goldsmith_store::{EffectKind, ProvenanceRecord, Scope, StateStatus};
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use crate::engine::drive::{Progress, Scene, Waiting};
use crate::engine::pending::{Ends, Pending};
use crate::error_names::ErrorName;
use crate::parts::volume::{LARGEST_READING, Reading, SnapshotBlocks};
use crate::states::snapshot::failed;
use crate::{Error, Result, State, TAG_BUILD};

/// How long one check reads. The last check of an invocation may begin at the end of its patience. Both together, with a
/// block that comes late and the time to store the reading, stay below the function's time limit.
const SLICE: SignedDuration = SignedDuration::from_secs(30);
/// Folder of the bundles and of the lists of blocks in the stack's bucket.
const FOLDER: &str = "provenance";
/// Folder of readings that are not finished. A rule of the bucket removes them after a day.
const UNFINISHED: &str = "readings";

/// The state that this function runs.
pub(crate) struct Attest;

#[async_trait]
impl Waiting for Attest {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let plan = &scene.record.plan;
        let Some(key) = plan.signing_key.as_ref().filter(|_| plan.is_build() && !plan.overridden) else {
            return Ok(Progress::Done("nothing is signed".to_owned()));
        };
        // A signature vouches for the image. Anyone who may call the function could call it before the image is complete and
        // its tests have ended.
        if let Some(waits) = comes_too_early(scene).await? {
            let pending = Pending::at_home(scene, &scene.record.build, waits.to_owned(), Ends::Later);
            return Ok(Progress::Waiting(pending));
        }
        let image = scene.made_by(State::Snapshot, None, EffectKind::is_image).await?;
        let own = scene.context.store.state(&scene.record.build, &scene.scope).await?;
        if let Some(signed) = own.as_ref().and_then(|state| state.provenance.as_ref()) {
            return Ok(Progress::Done(done(signed)));
        }
        let Some(found) = scene.context.cloud.images.image(scene.home(), &image).await? else {
            let detail = format!("{image} is not visible yet");
            return Ok(Progress::Waiting(Pending::at_home(scene, image, detail, Ends::Later)));
        };
        check(scene, &found)?;
        let readings = own.map(|state| state.readings).unwrap_or_default();
        match read_volumes(scene, &found, readings).await? {
            // There is more to read at once.
            Volumes::Reading(detail) => Ok(Progress::Waiting(Pending::at_home(scene, image, detail, Ends::Soon))),
            Volumes::Read(volumes) => sign(scene, key, &found, &volumes).await,
        }
    }
}

/// Returns for what Attest must wait, or `None` if the image is complete and its tests were judged.
async fn comes_too_early(scene: &Scene<'_>) -> Result<Option<&'static str>> {
    let mut needed = vec![(State::Snapshot, "the image is not complete yet")];
    if !scene.record.plan.tests.is_empty() {
        needed.push((State::JudgeTests, "the tests have not been judged yet"));
    }
    for (state, waits) in needed {
        let found = scene.context.store.state(&scene.record.build, &Scope::from(state)).await?;
        if found.is_none_or(|state| state.status != StateStatus::Succeeded) {
            return Ok(Some(waits));
        }
    }
    Ok(None)
}

/// Checks that the AMI is the one that this build has made, and that EC2 names all of its volumes.
fn check(scene: &Scene<'_>, image: &Image) -> Result<()> {
    let config = &scene.context.config;
    let why_not = if image.state != ImageState::Available {
        "is not available"
    } else if !config.owns(&image.tags) || image.tags.get(TAG_BUILD) != Some(&scene.record.build) {
        "does not have the tags of this build"
    } else if image.volumes.is_empty() || image.volumes.len() != image.block_devices.len() {
        "has a volume without a snapshot"
    } else {
        return Ok(());
    };
    Err(failed(scene, &image.id, format!("{} cannot be signed: it {why_not}", image.id)))
}

fn done(signed: &ProvenanceRecord) -> String {
    format!("signed {} with the content sha256:{} by {}", signed.ami, signed.digest, signed.signing_key)
}

/// The volumes of the AMI, by device name.
enum Volumes {
    /// They are being read. The text says how far.
    Reading(String),
    /// They were read.
    Read(BTreeMap<String, Reading>),
}

/// Reads the volumes for one slice. `readings` has the digest of each stored reading, by snapshot: whoever may write to the
/// bucket does not decide what is signed.
async fn read_volumes(scene: &Scene<'_>, image: &Image, mut readings: BTreeMap<String, String>) -> Result<Volumes> {
    let (context, until) = (scene.context, scene.context.clock.now() + SLICE);
    let is_late = || context.clock.now() >= until;
    let mut volumes = BTreeMap::new();
    for (device, snapshot) in &image.volumes {
        let key = format!("{UNFINISHED}/{}/{snapshot}.json", scene.record.build);
        let earlier = match readings.get(snapshot) {
            Some(digest) => stored(scene, &key, digest).await?,
            None => None,
        };
        let before = earlier.as_ref().map(|earlier| earlier.next);
        let blocks = SnapshotBlocks { blocks: &*context.cloud.blocks, region: scene.home(), snapshot };
        let reading = match earlier {
            Some(earlier) if is_late() => earlier,
            earlier => blocks.read(earlier, &is_late).await?,
        };
        // With other volumes to come, a volume that was read to its end must not be read again at the next check.
        let must_stay = reading.next.is_some() || image.volumes.len() > 1;
        if must_stay && before != Some(reading.next) {
            let bytes = reading.to_bytes().map_err(|error| Error::internal(format!("{device}: {error}")))?;
            if bytes.len() as u64 > LARGEST_READING {
                let message =
                    format!("{snapshot} has too many blocks for a signed list: {}", reading.content.present());
                return Err(failed(scene, snapshot, message));
            }
            readings.insert(snapshot.clone(), hex::encode(Sha256::digest(&bytes)));
            context.cloud.objects.put(&key, bytes).await?;
            context.store.note_readings(&scene.record, &scene.scope, &readings).await?;
        }
        if reading.next.is_some() {
            return Ok(Volumes::Reading(format!("reading {snapshot} of {device}")));
        }
        volumes.insert(device.clone(), reading);
    }
    Ok(Volumes::Read(volumes))
}

/// Returns the reading that an earlier check has stored, or `None` if the object is another one or has expired.
async fn stored(scene: &Scene<'_>, key: &str, digest: &str) -> Result<Option<Reading>> {
    let bytes = scene.context.cloud.objects.get(key, LARGEST_READING).await?;
    let own = bytes.filter(|bytes| hex::encode(Sha256::digest(bytes)) == digest);
    Ok(own.and_then(|bytes| Reading::from_bytes(&bytes)))
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
        ami: image.id.clone(),
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
