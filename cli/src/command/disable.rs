//! `goldsmith disable PIPELINE|IMAGE`

use anyhow::Result;
use goldsmith_model::Status;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::switch::switch;
use crate::{image_switch, output, target};

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
    /// A pipeline, or an image as NAME/VERSION/BUILD.
    #[arg(value_name = "PIPELINE|IMAGE")]
    what: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    if args.what.contains('/') {
        let image = target::image(&connection.store, &args.what).await?;
        output::show(globals, &image_switch::disable(&connection, &image).await?)?;
    } else {
        output::show(globals, &switch(&connection, &args.what, Status::Disabled).await?)?;
    }
    Ok(Exit::Success)
}
