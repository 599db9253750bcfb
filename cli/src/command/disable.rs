//! `goldsmith disable PIPELINE|IMAGE`

use anyhow::Result;
use goldsmith_model::Status;

use crate::args::Globals;
use crate::exit::Exit;
use crate::switch::switch;

/// Keep a pipeline from starting automatically, or keep an image from being launched.
///
/// The schedule and the sources of a disabled pipeline no longer start it. A person can still start it, and a running
/// build continues.
///
/// Nobody can launch an instance from a disabled image in any Region, and its launch permissions are gone until it is
/// enabled again. Its instances keep running. Builds do not start from it: a recipe with `pipeline:NAME` uses the
/// newest image that is not disabled. The command says what refers to the image.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pipeline, as NAME or pipeline/NAME, or an image as NAME/VERSION/BUILD.
    #[arg(value_name = "PIPELINE|IMAGE")]
    what: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    switch(globals, &args.what, Status::Disabled).await
}
