//! `goldsmith verify IMAGE`

mod content;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_model::ImageRef;
use goldsmith_provenance::statement::BUILD_TYPE;
use goldsmith_provenance::{PublicKey, Statement};
use goldsmith_store::{ImageRecord, ProvenanceRecord};
use serde::Serialize;
use serde_json::Value;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::{provenance, target};
use content::Checked;

/// Check the signature of an image, and whether its AMIs still contain what was signed.
///
/// The command reads the blocks of all volumes of the AMIs in the account's own Regions with the EBS direct APIs, which costs
/// money. For a volume that differs, it names the first block. The exit code is 1 if the signature is not accepted, or if an
/// AMI has another content or could not be read. The list of AMIs comes from the stack's table.
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
    /// What the statement says about the build: who started what, from what, and with which tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<Says>,
}

/// What a statement says that the command cannot check, so that people can.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Says {
    pipeline: String,
    source: String,
    /// Instance types on which the image was tested.
    tests: Vec<String>,
    /// ARN of the execution.
    execution: String,
}

impl Says {
    fn of(statement: &Statement) -> Self {
        let definition = &statement.predicate.build_definition;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("unknown").to_owned();
        let tests = definition.internal_parameters.get("testInstanceTypes").and_then(Value::as_array);
        let source = definition.resolved_dependencies.iter().find(|one| one.name == "source");
        Self {
            pipeline: text(definition.external_parameters.get("pipeline")),
            source: source.map_or_else(|| "unknown".to_owned(), |source| source.uri.clone()),
            tests: tests.into_iter().flatten().map(|one| text(Some(one))).collect(),
            execution: statement.predicate.run_details.metadata.invocation_id.clone().unwrap_or_default(),
        }
    }
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
        Err(error) => Some(goldsmith_executor::explain(error)),
    };
    let mut verified = Verified {
        image: image.image.clone(),
        verified: problem.is_none(),
        signature: Signature {
            problem,
            key: key.fingerprint(),
            signing_key: signed.signing_key.clone(),
            content: checked.as_ref().ok().map(|statement| hex::encode(statement.subject.digest)),
            says: checked.as_ref().ok().map(Says::of),
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
    if signed.ami != statement.subject.name {
        let subject = &statement.subject.name;
        return Some(format!("the statement is about {subject}, but {} was signed for {}", signed.ami, image.image));
    }
    let definition = &statement.predicate.build_definition;
    if definition.build_type != BUILD_TYPE {
        return Some(format!("the statement describes another kind of build: {}", definition.build_type));
    }
    let pipeline = definition.external_parameters.get("pipeline").and_then(Value::as_str).unwrap_or_default();
    if pipeline != image.pipeline.as_str() {
        return Some(format!(
            "a build of the pipeline `{pipeline}` was signed, and {} is of `{}`",
            image.image, image.pipeline
        ));
    }
    let execution = statement.predicate.run_details.metadata.invocation_id.as_deref().unwrap_or_default();
    if !execution.ends_with(&format!(":{}", image.build)) {
        return Some(format!(
            "the execution {execution} was signed, and {} is of the build {}",
            image.image, image.build
        ));
    }
    // A key of another account could be anybody's.
    let place = |arn: &str| arn.split(':').skip(3).take(2).map(str::to_owned).collect::<Vec<_>>();
    if place(&signed.signing_key) != place(&connection.state_machine) {
        return Some(format!("{} is not a key of the stack's account and Region", signed.signing_key));
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
            Some(problem) => format!("signature  NOT ACCEPTED: {problem}"),
        };
        let says = self.signature.says.iter().flat_map(|says| {
            let tests = if says.tests.is_empty() { "none".to_owned() } else { says.tests.join(", ") };
            [format!("built      by {} from {}", says.pipeline, says.source), format!("tested     on {tests}")]
        });
        let content = self.signature.content.iter().map(|digest| format!("content    sha256:{digest}"));
        let not_read = self.not_read.iter().map(|copy| format!("not read   {copy}: another account owns it"));
        [signature]
            .into_iter()
            .chain(content)
            .chain(says)
            .chain(self.amis.iter().flat_map(Checked::lines))
            .chain(not_read)
            .collect()
    }

    fn remarks(&self, _globals: &Globals) -> Vec<String> {
        let said = match (self.verified, self.amis.is_empty()) {
            (true, true) => "The signature is right. No AMI was read.",
            (true, false) if self.not_read.is_empty() => {
                "The signature is right, and each AMI contains what was signed."
            }
            (true, false) => "The signature is right, and each AMI of this account contains what was signed.",
            (false, _) if self.signature.problem.is_some() => "The signature is not accepted, so no AMI was read.",
            (false, _) if self.amis.iter().any(Checked::differs) => {
                "At least one AMI does NOT contain what was signed."
            }
            (false, _) => "The signature is right, but not every AMI could be read, so the image is not verified.",
        };
        vec![said.to_owned()]
    }
}
