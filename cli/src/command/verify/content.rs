//! Compares the volumes of an AMI with those that were signed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use goldsmith_provenance::content::first_difference;
use goldsmith_provenance::{Statement, VolumeContent};
use goldsmith_states::{LARGEST_READING, Reading, SnapshotBlocks};
use goldsmith_store::ProvenanceRecord;
use serde::Serialize;

use crate::connection::Connection;
use crate::provenance;

/// An AMI that was compared with what was signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checked {
    region: String,
    ami: String,
    volumes: Vec<Volume>,
    /// Why the AMI could not be compared as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// A volume of an AMI.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    device: String,
    snapshot: String,
    /// Digest of its content, or `None` if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// How many blocks the snapshot has, or `None` if it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    present_blocks: Option<u64>,
    /// In what the volume differs from the one that was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Why the volume could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<String>,
    /// What differs without a difference in what an instance reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
}

impl Checked {
    pub(super) fn is_right(&self) -> bool {
        self.problem.is_none() && self.volumes.iter().all(|one| one.problem.is_none() && one.unread.is_none())
    }

    pub(super) fn differs(&self) -> bool {
        self.volumes.iter().any(|volume| volume.problem.is_some())
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let Self { region, ami, volumes, problem } = self;
        let of_image = problem.iter().map(|problem| format!("{region}  {ami}  NOT VERIFIED: {problem}"));
        let of_volume = |volume: &Volume| {
            let Volume { device, snapshot, problem, unread, remark, .. } = volume;
            let blocks = volume.present_blocks.unwrap_or_default();
            let said = match (problem, unread, remark) {
                (Some(problem), ..) => format!("DIFFERS: {problem}"),
                (None, Some(unread), _) => format!("NOT READ: {unread}"),
                (None, None, Some(remark)) => format!("as signed, {blocks} blocks ({remark})"),
                (None, None, None) => format!("as signed, {blocks} blocks"),
            };
            format!("{region}  {ami}  {device} {snapshot}  {said}")
        };
        of_image.chain(volumes.iter().map(of_volume)).collect()
    }
}

/// What was signed of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    digest: String,
    present_blocks: Option<u64>,
}

/// Compares an AMI with a statement whose signature is right.
///
/// # Errors
/// The statement does not list its volumes. Everything that is wrong with the AMI is in the result.
pub(super) async fn check(
    connection: &Connection,
    (region, ami): (&str, &str),
    signed: &ProvenanceRecord,
    statement: &Statement,
) -> Result<Checked> {
    let wanted = wanted(statement)?;
    let mut checked = Checked { region: region.to_owned(), ami: ami.to_owned(), volumes: Vec::new(), problem: None };
    let image = match connection.cloud.images.image(region, ami).await {
        Ok(Some(image)) => image,
        Ok(None) => {
            checked.problem = Some("there is no such AMI".to_owned());
            return Ok(checked);
        }
        Err(error) => {
            checked.problem = Some(error.to_string());
            return Ok(checked);
        }
    };
    let (has, should): (BTreeSet<_>, BTreeSet<_>) = (image.volumes.keys().collect(), wanted.keys().collect());
    if has != should {
        let listed =
            |devices: &BTreeSet<&String>| devices.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
        checked.problem = Some(format!("it has the volumes {}, and {} were signed", listed(&has), listed(&should)));
        return Ok(checked);
    }
    for (device, snapshot) in &image.volumes {
        checked.volumes.push(volume(connection, region, (device, snapshot), signed, &wanted[device]).await);
    }
    Ok(checked)
}

/// Returns what was signed of each volume. The digest of the whole image must follow from it.
fn wanted(statement: &Statement) -> Result<BTreeMap<String, Wanted>> {
    let content = provenance::content(statement)?;
    if content.digest() != statement.subject.digest {
        bail!("the signed statement contradicts itself: its volumes do not have the digest of its image");
    }
    let annotations = |device: &str| {
        let all = &statement.predicate.run_details.byproducts;
        all.iter().find(|one| one.name == device)?.annotations.get("presentBlocks")?.as_u64()
    };
    let volumes = content.volumes().iter();
    Ok(volumes
        .map(|(device, digest)| {
            let wanted = Wanted { digest: hex::encode(digest), present_blocks: annotations(device) };
            (device.clone(), wanted)
        })
        .collect())
}

async fn volume(
    connection: &Connection,
    region: &str,
    (device, snapshot): (&String, &String),
    signed: &ProvenanceRecord,
    wanted: &Wanted,
) -> Volume {
    let mut volume = Volume {
        device: device.clone(),
        snapshot: snapshot.clone(),
        digest: None,
        present_blocks: None,
        problem: None,
        unread: None,
        remark: None,
    };
    let blocks = SnapshotBlocks { blocks: &*connection.cloud.blocks, region, snapshot };
    let content = match blocks.read(None, &|| false).await {
        Ok(Reading { content, .. }) => content,
        Err(error) => {
            volume.unread = Some(error.to_string());
            return volume;
        }
    };
    let digest = hex::encode(content.digest());
    volume.present_blocks = Some(content.present());
    if digest != wanted.digest {
        let named = difference(connection, signed, device, wanted, &content).await;
        volume.problem = Some(named.unwrap_or_else(|error| {
            format!("its content is sha256:{digest} instead of sha256:{} ({error:#})", wanted.digest)
        }));
    } else if let Some(present) = wanted.present_blocks.filter(|present| *present != content.present()) {
        volume.remark = Some(format!("{present} when it was signed; absent blocks read like blocks of zeros"));
    }
    volume.digest = Some(digest);
    volume
}

/// Returns the first block in which a volume differs from the list that was signed.
async fn difference(
    connection: &Connection,
    signed: &ProvenanceRecord,
    device: &str,
    wanted: &Wanted,
    content: &VolumeContent,
) -> Result<String> {
    let key = signed.volumes.get(device).context("the record of the image names no list of its blocks")?;
    let listed = VolumeContent::parse(&provenance::object(connection, key, LARGEST_READING).await?)?;
    if hex::encode(listed.digest()) != wanted.digest {
        bail!("{key} in the bucket is not the list that was signed");
    }
    let difference = first_difference(&listed, content).context("no block differs")?;
    Ok(difference.to_string())
}
