//! `goldsmith rollback PIPELINE --channel CHANNEL`

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_model::Name;

use super::Args;
use crate::args::Globals;
use crate::channel_move::{Moving, carry_out, plan_back, plan_back_to};
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output;
use crate::target;

pub(super) async fn run(globals: &Globals, args: &Args, channel: &Name) -> Result<Exit> {
    let (connection, by) = Connection::open_as(globals).await?;
    let moving = plan(&connection, args, channel).await?;
    if !moving.ask(&[], &format!("Move {channel} back to {}?", moving.to), args.yes)? {
        return Ok(Exit::Success);
    }
    moving.require_still(&plan(&connection, args, channel).await?)?;
    carry_out(&connection, &moving, &by, args.reason.as_deref()).await?;
    output::show(globals, &moving)?;
    Ok(Exit::Success)
}

async fn plan(connection: &Connection, args: &Args, channel: &Name) -> Result<Moving> {
    let pipeline: Name =
        args.pipeline.parse().map_err(|error: goldsmith_model::NameError| invalid(error.to_string()))?;
    let Some(to) = &args.to else {
        return plan_back(connection, &pipeline, channel, &BTreeSet::new()).await;
    };
    let image = target::image(&connection.store, &to.to_string()).await?;
    if image.pipeline != pipeline {
        return Err(invalid(format!("the pipeline `{pipeline}` has not published {to}")));
    }
    plan_back_to(connection, &image, channel).await
}
