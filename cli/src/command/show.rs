//! `goldsmith show IMAGE`

use anyhow::Result;
use goldsmith_store::{ImageRecord, StateRecord};
use serde_json::json;

use crate::args::{Format, Globals};
use crate::command::target;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::render::{columns, duration, seconds_between, word};
use crate::{failure, output};

/// Show an image: where it is, what it was built from, or why its build failed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, or the id of a build.
    #[arg(value_name = "IMAGE")]
    image: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let image = target::image(&connection.store, &args.image).await?;
    let mut states = connection.store.states(&image.build).await?;
    states.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    match globals.output {
        Format::Json => output::json(&json!({"image": image, "states": states}))?,
        Format::Text => text(&image, &states).iter().try_for_each(|line| output::line(line))?,
    }
    Ok(Exit::Success)
}

fn text(image: &ImageRecord, states: &[StateRecord]) -> Vec<String> {
    let mut rows = vec![
        ("image", image.image.to_string()),
        ("status", word(image.status)),
        ("pipeline", image.pipeline.to_string()),
        ("cause", image.cause.to_string()),
        ("source", image.source_image.clone()),
        ("build", image.build.clone()),
        ("began", image.created_at.clone()),
    ];
    rows.extend(image.ended_at.iter().map(|ended| ("ended", ended.clone())));
    rows.extend(image.overridden.then(|| ("overridden", "yes: it is never published".to_owned())));
    rows.extend(image.amis.iter().map(|(region, id)| ("ami", format!("{region}  {id}"))));
    rows.extend(image.failure.iter().map(|cause| ("failed", cause.to_string())));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(label, value)| vec![label.to_owned(), value]).collect();
    let mut lines = columns(&rows);
    lines.extend(image.failure.iter().flat_map(failure::facts));
    if !states.is_empty() {
        lines.push(String::new());
        lines.extend(columns(&states.iter().map(state).collect::<Vec<_>>()));
    }
    lines
}

fn state(state: &StateRecord) -> Vec<String> {
    let took = state.ended_at.as_ref().and_then(|ended| seconds_between(&state.started_at, ended));
    let name = match &state.item {
        Some(item) => format!("{} {item}", state.state),
        None => state.state.clone(),
    };
    vec![name, word(state.status), took.map(duration).unwrap_or_default(), state.detail.clone()]
}
