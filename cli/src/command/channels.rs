//! `goldsmith channels [PIPELINE]`

use anyhow::Result;
use goldsmith_model::{ImageRef, Name};
use goldsmith_store::ChannelMove;
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::{columns, status, table, who};
use crate::switch::find;

/// List channels and the images that they point to, or those of a pipeline with their history.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline. If it is absent, the channels of all pipelines are listed.
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
}

/// A channel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Channel {
    pipeline: Name,
    channel: Name,
    image: ImageRef,
    /// The status of the image.
    status: String,
    /// Time at which the channel was moved to the image.
    since: String,
    /// The person or build that moved the channel.
    by: String,
}

/// Channels and, if a pipeline is given, the history of its channels.
#[derive(Debug, Serialize)]
struct Channels {
    channels: Vec<Channel>,
    /// The moves of the pipeline's channels, the latest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<ChannelMove>>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let shown = match &args.pipeline {
        Some(pipeline) => {
            let pipeline = find(&connection, pipeline).await?.name;
            let channels = channels(&connection, &pipeline).await?;
            let history = history(&connection, &pipeline).await?;
            Channels { channels, history: Some(history) }
        }
        None => {
            let mut all = Vec::new();
            for pipeline in connection.store.pipeline_names().await? {
                all.extend(channels(&connection, &pipeline).await?);
            }
            Channels { channels: all, history: None }
        }
    };
    output::show(globals, &shown)?;
    Ok(Exit::Success)
}

async fn channels(connection: &Connection, pipeline: &Name) -> Result<Vec<Channel>> {
    let mut found = Vec::new();
    for ChannelMove { channel, to, at, by, .. } in connection.store.channels(pipeline).await? {
        let Some(image) = to else { continue };
        let record = connection.store.image(&image).await?;
        let status = record.as_ref().map_or_else(|| "has no record".to_owned(), status);
        found.push(Channel { pipeline: pipeline.clone(), channel, image, status, since: at, by });
    }
    Ok(found)
}

async fn history(connection: &Connection, pipeline: &Name) -> Result<Vec<ChannelMove>> {
    let mut moves = connection.store.all_channel_moves(pipeline).await?;
    moves.sort_by(|a, b| (&b.at, b.number).cmp(&(&a.at, a.number)));
    Ok(moves)
}

impl Show for Channels {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let row = |one: &Channel| {
            let Channel { pipeline, channel, image, status, since, by } = one;
            let names = [pipeline.to_string(), channel.to_string(), image.to_string()];
            let rest = [status.clone(), since.clone(), who(by).to_owned()];
            names.into_iter().chain(rest).collect()
        };
        let mut lines = table(["PIPELINE", "CHANNEL", "IMAGE", "STATUS", "SINCE", "BY"], self.channels.iter().map(row));
        let history = self.history.as_deref().unwrap_or_default();
        if !history.is_empty() {
            lines.push(String::new());
            lines.extend(columns(&history.iter().map(moved).collect::<Vec<_>>()));
        }
        lines
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        if !self.channels.is_empty() {
            return Vec::new();
        }
        vec![format!("There are no channels: `{} promote IMAGE --to CHANNEL` makes one.", globals.again())]
    }
}

/// Returns the row of a move.
fn moved(one: &ChannelMove) -> Vec<String> {
    let name = |image: &Option<ImageRef>| image.as_ref().map_or_else(|| "none".to_owned(), ImageRef::to_string);
    let verb = if one.is_rollback { "back to" } else { "to" };
    let reason = one.reason.as_deref().unwrap_or_default();
    let (channel, from, to) = (one.channel.as_str(), name(&one.from), name(&one.to));
    [one.at.as_str(), channel, from.as_str(), verb, to.as_str(), who(&one.by), reason].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use goldsmith_model::{ImageRef, Name};
    use goldsmith_store::ChannelMove;
    use serde_json::json;

    use super::{Channels, channels, history};
    use crate::output::Show;
    use crate::testing::{Stack, globals};

    #[tokio::test]
    async fn channels_are_listed_with_their_history() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        let connection = &stack.connection;
        let (web, image): (Name, ImageRef) = ("web".parse().unwrap(), "web/1.0.0/1".parse().unwrap());
        let anna = "arn:aws:sts::111122223333:assumed-role/platform/anna";
        for (day, channel, by, reason) in
            [(1, "candidate", "build b", None), (2, "stable", anna, Some("a week as candidate"))]
        {
            let at = format!("2026-01-0{day}T00:00:00.000Z");
            let step = ChannelMove::after(None, &channel.parse().unwrap(), Some(image.clone()), at, by.to_owned());
            let step = ChannelMove { reason: reason.map(str::to_owned), ..step };
            connection.store.move_channel(&web, &step).await.unwrap();
        }
        let history = Some(history(connection, &web).await.unwrap());
        let shown = Channels { channels: channels(connection, &web).await.unwrap(), history };
        let expected = "\
PIPELINE  CHANNEL    IMAGE        STATUS     SINCE                     BY
web       candidate  web/1.0.0/1  AVAILABLE  2026-01-01T00:00:00.000Z  build b
web       stable     web/1.0.0/1  AVAILABLE  2026-01-02T00:00:00.000Z  assumed-role/platform/anna

2026-01-02T00:00:00.000Z  stable     none  to  web/1.0.0/1  assumed-role/platform/anna  a week as candidate
2026-01-01T00:00:00.000Z  candidate  none  to  web/1.0.0/1  build b";
        assert_eq!(shown.lines(&globals("")).join("\n"), expected);
        assert_eq!(shown.remarks(&globals("")), [""; 0]);
        let none = Channels { channels: Vec::new(), history: None };
        let hint = "There are no channels: `goldsmith promote IMAGE --to CHANNEL` makes one.";
        assert_eq!(none.remarks(&globals("")), [hint]);
    }
}
