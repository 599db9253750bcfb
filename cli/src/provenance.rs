//! The signed provenance of an image, from the stack's bucket.

use anyhow::{Context, Result};
use goldsmith_provenance::bundle::LARGEST_BUNDLE;
use goldsmith_provenance::{Bundle, ImageContent, PublicKey, Statement, digest_from_hex};
use goldsmith_store::{ImageRecord, ImageStatus, ProvenanceRecord};

use crate::connection::Connection;
use crate::exit::invalid;

/// Returns what was signed about an image.
///
/// # Errors
/// Nothing was signed.
pub(crate) fn record(image: &ImageRecord) -> Result<&ProvenanceRecord> {
    image.provenance.as_ref().ok_or_else(|| invalid(format!("{} is not signed: {}", image.image, why_unsigned(image))))
}

/// Returns why an image was not signed.
fn why_unsigned(image: &ImageRecord) -> &'static str {
    match image.status {
        ImageStatus::Building => "its build has not ended",
        ImageStatus::Failed | ImageStatus::Cancelled => "its build has not made an image",
        ImageStatus::Verified | ImageStatus::Distributed => "it is no image, but a run that has made none",
        ImageStatus::Available if image.overridden => "its start has overridden something",
        ImageStatus::Available => "its pipeline had no `signingKey` when it was built",
    }
}

/// Reads the bundle of an image, with the statement and its signature.
///
/// # Errors
/// The bundle is not in the bucket, cannot be read, or is not one.
pub(crate) async fn bundle(connection: &Connection, image: &ImageRecord) -> Result<(Bundle, Vec<u8>)> {
    let bytes = object(connection, &record(image)?.bundle, LARGEST_BUNDLE as u64).await?;
    let bundle = Bundle::from_json(&bytes).with_context(|| format!("the bundle of {} cannot be read", image.image))?;
    Ok((bundle, bytes))
}

/// Reads an object of the bucket that belongs to the provenance of an image.
///
/// # Errors
/// The object is not in the bucket, or cannot be read.
pub(crate) async fn object(connection: &Connection, key: &str, largest: u64) -> Result<Vec<u8>> {
    let found = connection.cloud.objects.get(key, largest).await?;
    found.ok_or_else(|| invalid(format!("{key} is no longer in the stack's bucket")))
}

/// Returns the public part of the key that has signed an image, from KMS.
///
/// # Errors
/// KMS does not return it.
pub(crate) async fn public_key(connection: &Connection, signed: &ProvenanceRecord) -> Result<PublicKey> {
    let der = connection.cloud.keys.public_key(&connection.region, &signed.signing_key).await?;
    PublicKey::from_der(&der).with_context(|| format!("the key {} cannot be used", signed.signing_key))
}

/// Returns the volumes of a statement with their digests.
///
/// # Errors
/// The statement does not list them as Goldsmith does.
pub(crate) fn content(statement: &Statement) -> Result<ImageContent> {
    let byproducts = statement.predicate.run_details.byproducts.iter();
    let volumes = byproducts
        .filter(|one| one.annotations.contains_key("presentBlocks"))
        .map(|one| Some((one.name.clone(), digest_from_hex(one.digest.get("sha256")?)?)));
    let volumes = volumes.collect::<Option<_>>().context("the statement names a volume without a SHA-256")?;
    ImageContent::new(volumes).context("the statement names a volume that cannot be one")
}
