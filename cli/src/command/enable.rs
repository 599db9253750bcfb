//! `goldsmith enable PIPELINE|IMAGE`

use anyhow::Result;
use goldsmith_model::Status;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::switch::switch;
use crate::{image_switch, output, target};

/// Undo `disable`.
///
/// The schedule and the sources of the pipeline start it again. The image can be launched again, by everyone whom its
/// build has given a launch permission.
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
        output::show(globals, &image_switch::enable(&connection, &image).await?)?;
    } else {
        output::show(globals, &switch(&connection, &args.what, Status::Enabled).await?)?;
    }
    Ok(Exit::Success)
}
