//! `goldsmith promote IMAGE --to CHANNEL`

use anyhow::Result;
use goldsmith_model::Name;

use crate::approval::{approve, is_needed};
use crate::args::Globals;
use crate::channel_move::{carry_out, plan};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output;
use crate::target;

/// Make a channel of a pipeline point to an image.
///
/// A channel is a name, such as `stable`, under which a pipeline offers one of its images. The first promotion to a
/// channel makes it. The parameters that follow the channel change in all Regions or in none. `goldsmith channels` lists
/// the channels, and `goldsmith rollback PIPELINE --channel CHANNEL` undoes a promotion.
///
/// If the distribution of an image requires an approval, the promotion to the channel of the approval approves and
/// publishes the image. `goldsmith revoke` rejects the image.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image, as NAME/VERSION/BUILD or NAME/latest, or the id of its build. NAME/latest is the newest image that can be
    /// used, which leaves out failed ones.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The channel.
    #[arg(long, value_name = "CHANNEL")]
    to: Name,
    /// The reason, which the history of the channel shows.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Move the channel without asking.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (connection, by) = Connection::open_as(globals).await?;
    let image = target::image_or_latest(&connection.store, &args.image).await?;
    let moving = plan(&connection, &image, &args.to).await?;
    let approves = is_needed(&connection, &image, &args.to).await?;
    let remark = format!("This approves {}: whom its distribution names can launch it then.", image.image);
    let remarks: Vec<String> = approves.then_some(remark).into_iter().collect();
    // A mistyped name would make a channel that nobody follows.
    let question = match moving.is_new() {
        true => format!("Make the new channel {} of {}?", args.to, image.pipeline),
        false => format!("Move {} of {}?", args.to, image.pipeline),
    };
    if !moving.ask(&remarks, &question, args.yes)? {
        return Ok(Exit::Success);
    }
    let image = target::image(&connection.store, &image.image.to_string()).await?;
    moving.require_still(&plan(&connection, &image, &args.to).await?)?;
    // This comes first: whoever follows the channel must be able to launch the image.
    approve(&connection, &image, &args.to, &by, args.reason.as_deref()).await?;
    carry_out(&connection, &moving, &by, args.reason.as_deref()).await?;
    output::show(globals, &moving)?;
    Ok(Exit::Success)
}
