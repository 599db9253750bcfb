//! `goldsmith disable PIPELINE|IMAGE`

use anyhow::Result;
use goldsmith_model::Status;

use crate::args::Globals;
use crate::exit::Exit;
use crate::switch::switch;

/// Keep a pipeline from starting by itself, or an image from being launched.
///
/// The schedule and the sources of a disabled pipeline no longer start it. A start by hand is still possible, and a
/// running build continues.
///
/// Nobody can launch an instance from a disabled image, in any Region, and its launch permissions are gone until it is
/// enabled again. Instances of it keep running. Builds do not start from it: a recipe with `pipeline:NAME` takes the
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
