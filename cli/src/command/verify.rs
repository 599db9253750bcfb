//! `goldsmith verify IMAGE`

mod content;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_model::ImageRef;
use goldsmith_provenance::{PublicKey, Statement, VerifyError};
use goldsmith_store::{ImageRecord, ProvenanceRecord};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::{provenance, target};
use content::Checked;

/// Check the signature of an image, and whether its AMIs still contain what was signed.
///
/// The command reads the blocks of all volumes of the AMIs in the account's own Regions with the EBS direct APIs. It names
/// the first block that differs. The exit code is 1 if the signature is wrong, or if an AMI has another content or could not
/// be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  goldsmith verify web-server/1.2.0/7
  goldsmith verify web-server/latest --public-key signing-key.pem
  goldsmith verify web-server/latest --signature-only")]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The public key that must have signed, in PEM. Without it, KMS returns that of the key in the image's record, so the
    /// command trusts the stack's table.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Check only the signature, and read no AMI.
    #[arg(long)]
    signature_only: bool,
}

/// What was checked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    image: ImageRef,
    /// Whether everything that was checked is as it was signed.
    verified: bool,
    signature: Signature,
    /// The content of each AMI that was read.
    amis: Vec<Checked>,
    /// AMIs that other accounts own, which only those accounts can read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_read: Vec<String>,
}

/// The signature.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Signature {
    /// Why the signature is not accepted, or `None` if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// SHA-256 of the public key, in hex.
    key: String,
    /// The key of KMS, as the image's record names it.
    signing_key: String,
    /// The content digest that was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let image = target::image_or_latest(&connection.store, &args.image).await?;
    let verified = verify(&connection, &image, args).await?;
    output::show(globals, &verified)?;
    Ok(if verified.verified { Exit::Success } else { Exit::Failed })
}

async fn verify(connection: &Connection, image: &ImageRecord, args: &Args) -> Result<Verified> {
    let signed = provenance::record(image)?;
    let key = match &args.public_key {
        Some(file) => key_of(file)?,
        None => provenance::public_key(connection, signed).await?,
    };
    let (bundle, _) = provenance::bundle(connection, image).await?;
    let checked = bundle.verify(&key);
    let problem = match &checked {
        Ok(statement) => mismatch(connection, image, signed, statement),
        Err(error) => Some(told(error)),
    };
    let mut verified = Verified {
        image: image.image.clone(),
        verified: problem.is_none(),
        signature: Signature {
            problem,
            key: key.fingerprint(),
            signing_key: signed.signing_key.clone(),
            content: checked.as_ref().ok().map(|statement| hex::encode(statement.subject.digest)),
        },
        amis: Vec::new(),
        not_read: Vec::new(),
    };
    // Without a signature, nothing says what the AMIs should contain.
    if let (Ok(statement), true, false) = (&checked, verified.verified, args.signature_only) {
        for (region, ami) in &image.amis {
            output::say(&format!("Reading {ami} in {region} ..."));
            verified.amis.push(content::check(connection, (region, ami), signed, statement).await?);
        }
        verified.verified = verified.amis.iter().all(Checked::is_right);
        let copies = image.copies.iter();
        verified.not_read = copies.map(|copy| format!("{} in {} of {}", copy.ami, copy.region, copy.account)).collect();
    }
    Ok(verified)
}

fn key_of(file: &Path) -> Result<PublicKey> {
    let pem = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    PublicKey::from_pem(&pem).map_err(|error| invalid(format!("{}: {error}", file.display())))
}

fn told(error: &VerifyError) -> String {
    goldsmith_executor::explain(error)
}

/// Returns in what a statement that was signed differs from the image's record, or `None` if it is about this image.
fn mismatch(
    connection: &Connection,
    image: &ImageRecord,
    signed: &ProvenanceRecord,
    statement: &Statement,
) -> Option<String> {
    let digest = hex::encode(statement.subject.digest);
    let builder = &statement.predicate.run_details.builder.id;
    let of = statement.predicate.build_definition.external_parameters.get("image").and_then(|image| image.as_str());
    if of != Some(image.image.to_string().as_str()) {
        return Some(format!("the statement is about {}, not about {}", of.unwrap_or("no image"), image.image));
    }
    if !image.amis.values().any(|ami| *ami == statement.subject.name) {
        return Some(format!(
            "the statement is about {}, which is not an AMI of {}",
            statement.subject.name, image.image
        ));
    }
    if *builder != connection.state_machine {
        return Some(format!("{builder} has built the image, not this stack"));
    }
    (digest != signed.digest)
        .then(|| format!("the record of the image has the content {}, and {digest} was signed", signed.digest))
}

impl Show for Verified {
    fn lines(&self, _globals: &Globals) -> Vec<String> {
        let signature = match &self.signature.problem {
            None => format!("signature  right: {} (sha256:{})", self.signature.signing_key, self.signature.key),
            Some(problem) => format!("signature  WRONG: {problem}"),
        };
        let content = self.signature.content.iter().map(|digest| format!("content    sha256:{digest}"));
        let not_read = self.not_read.iter().map(|copy| format!("not read   {copy}: the account that owns it can"));
        [signature]
            .into_iter()
            .chain(content)
            .chain(self.amis.iter().flat_map(Checked::lines))
            .chain(not_read)
            .collect()
    }

    fn remarks(&self, _globals: &Globals) -> Vec<String> {
        let said = match (self.verified, self.amis.is_empty()) {
            (true, true) => "The signature is right. No AMI was read.",
            (true, false) => "The signature is right, and each AMI contains what was signed.",
            (false, _) => "The image is NOT what was signed.",
        };
        vec![said.to_owned()]
    }
}
