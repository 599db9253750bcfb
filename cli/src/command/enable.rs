//! `goldsmith enable PIPELINE|IMAGE`

use anyhow::Result;
use goldsmith_model::Status;

use crate::args::Globals;
use crate::exit::Exit;
use crate::switch::switch;

/// Undo `disable`.
///
/// The schedule and the sources of the pipeline start it again, even if failures had stopped it, and its failures are
/// counted from zero. The image can be launched again. Everyone to whom its build gave a launch permission can launch
/// it too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pipeline, as NAME or pipeline/NAME, or an image as NAME/VERSION/BUILD.
    #[arg(value_name = "PIPELINE|IMAGE")]
    what: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    switch(globals, &args.what, Status::Enabled).await
}
