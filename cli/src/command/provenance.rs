//! `goldsmith provenance IMAGE`

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::{output, provenance, target};

/// Write the signed provenance of an image, or parts of it.
///
/// The build of an image has signed where the image comes from and what its volumes contain, if its pipeline names a
/// `signingKey`. The bundle can be verified without Goldsmith, for example with cosign. This command checks nothing:
/// `goldsmith verify` does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  goldsmith provenance web-server/1.2.0/7 --to web-server.sigstore.json
  goldsmith provenance web-server/1.2.0/7 --format key --to signing-key.pem
  goldsmith provenance web-server/latest --format statement")]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Form::Bundle)]
    format: Form,
    /// File to write, instead of standard output.
    #[arg(short = 'o', long = "to", alias = "file", value_name = "FILE")]
    to: Option<PathBuf>,
}

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The statement with its signature, as a Sigstore bundle in JSON.
    Bundle,
    /// The statement that was signed: in-toto with the provenance of SLSA, in JSON.
    Statement,
    /// The list of the volumes with their digests. Its SHA-256 is the digest in the statement.
    Content,
    /// The public part of the key that has signed, in PEM.
    Key,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let text = text(&connection, args).await?;
    match &args.to {
        Some(file) => std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?,
        None => output::json_text(text.trim_end())?,
    }
    Ok(Exit::Success)
}

async fn text(connection: &Connection, args: &Args) -> Result<String> {
    let image = target::image_or_latest(&connection.store, &args.image).await?;
    let signed = provenance::record(&image)?;
    if args.format == Form::Key {
        return Ok(provenance::public_key(connection, signed).await?.to_pem());
    }
    let (bundle, bytes) = provenance::bundle(connection, &image).await?;
    let bytes = match args.format {
        Form::Statement => bundle.envelope().payload.clone(),
        Form::Content => {
            let statement = goldsmith_provenance::Statement::from_json(&bundle.envelope().payload)?;
            provenance::content(&statement)?.to_text().into_bytes()
        }
        Form::Bundle | Form::Key => bytes,
    };
    String::from_utf8(bytes).context("the provenance is not a text")
}
