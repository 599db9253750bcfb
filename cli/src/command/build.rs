//! `goldsmith build PIPELINE|PATH`

mod ending;
mod start;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use goldsmith_cloud::Execution;
use goldsmith_document::{INSTEAD_OF_SECRET, did_you_mean, looks_like_secret};
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{ExecutionInput, Name, SourceImage, StartFrom};
use goldsmith_store::{Outcome, Store};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::command::apply::{self, NO_SECRET};
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::watch::{self, Display};
use ending::Ending;
use start::Build;
pub(crate) use start::cause;

/// Advice for a local build whose source image exists only on AWS.
const LOCAL_SOURCES: &str = "help: the local AWS does not have the images of AWS and of Linux distributors; its public \
                             parameters are those below /aws/service/goldsmith-local/, such as \
                             ssm:/aws/service/goldsmith-local/debian-12";

/// Build a pipeline's image and watch the build.
///
/// Ctrl-C ends the watching, and the build continues.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pipeline, or a folder or file of definitions, which are applied first. A folder takes precedence over a pipeline
    /// with the same name.
    #[arg(value_name = "PIPELINE|PATH")]
    what: String,
    /// The pipeline to build if the definitions have several.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<Name>,
    /// Wait only until the build has begun, print its id and how to watch it, and exit. A start that begins no build ends as
    /// without this option.
    #[arg(long)]
    detach: bool,
    /// Run all components from the source image, and make the recipe's checkpoint again.
    #[arg(long)]
    force: bool,
    /// A text to store with the image.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    consent: apply::Consent,
}

/// What a start overrides.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Start from this image instead of the recipe's: ami-…, ssm:NAME or pipeline:NAME. The pipeline must have
    /// `allowOverrides: true`, and the image is never published.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) source_image: Option<SourceImage>,
    /// A different value for a component's parameter; can be repeated. As with --source-image, the pipeline must allow it.
    #[arg(long = "parameter", value_name = "COMPONENT.NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(Name, String, String)>,
    #[command(flatten)]
    pub(crate) secrets: apply::Secrets,
}

fn parse_parameter(text: &str) -> Result<(Name, String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected COMPONENT.NAME=VALUE")?;
    let (component, name) = name.split_once('.').ok_or("expected COMPONENT.NAME=VALUE")?;
    let component = component.parse().map_err(|error: goldsmith_model::NameError| error.to_string())?;
    Ok((component, name.to_owned(), value.to_owned()))
}

/// Returns the given values by component. Rejects values that look like secrets: the execution's input and history and
/// the build's record contain the values in plain text.
pub(crate) fn parameters(args: &Overrides) -> Result<BTreeMap<Name, BTreeMap<String, String>>> {
    let mut parameters: BTreeMap<Name, BTreeMap<String, String>> = BTreeMap::new();
    for (component, name, value) in &args.parameters {
        if !args.secrets.allow_plain_secrets && looks_like_secret(name, value) {
            return Err(invalid(format!(
                "the value of `--parameter {component}.{name}` looks like a secret, which a build's record should not \
                 contain\n\
                 help: {INSTEAD_OF_SECRET}; {NO_SECRET}"
            )));
        }
        if parameters.entry(component.clone()).or_default().insert(name.clone(), value.clone()).is_some() {
            return Err(invalid(format!("--parameter has `{component}.{name}` twice")));
        }
    }
    Ok(parameters)
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    // A wrong call must not apply the folder first.
    let parameters = parameters(&args.overrides)?;
    let (connection, pipeline) = pipeline(globals, args).await?;
    let mut input = ExecutionInput::new(pipeline, start::cause());
    input.force = args.force;
    input.reason.clone_from(&args.reason);
    input.source_image.clone_from(&args.overrides.source_image);
    input.parameters = parameters;
    if let Some(warning) = frozen(&connection.store, &input.pipeline, Timestamp::now()).await? {
        output::say(&warning);
    }
    start_and_watch(globals, &connection, &input, args.detach).await
}

/// Starts an execution, and watches it until its end unless it is detached.
pub(crate) async fn start_and_watch(
    globals: &Globals,
    connection: &Connection,
    input: &ExecutionInput,
    detach: bool,
) -> Result<Exit> {
    let build = start::start(connection, input).await?;
    if !detach {
        output::say(&format!("{}, build {}", doing(input), build.name));
        return watch(globals, connection, &build.name, &build.arn).await;
    }
    match start::ended_early(connection, &build).await? {
        Some(execution) => ended(globals, connection, &execution).await,
        None => detached(globals, input, &build),
    }
}

/// Watches a build until its end, and tells how it has ended.
pub(crate) async fn watch(globals: &Globals, connection: &Connection, build: &str, arn: &str) -> Result<Exit> {
    let mut display = Display::new();
    let execution = tokio::select! {
        execution = watch::follow(connection, arn, build, &mut display) => execution?,
        _ = tokio::signal::ctrl_c() => {
            display.end();
            output::say(&stopped_watching(&connection.store, globals, build).await);
            return Ok(Exit::Interrupted);
        }
    };
    ended(globals, connection, &execution).await
}

/// Tells how a build has ended.
async fn ended(globals: &Globals, connection: &Connection, execution: &Execution) -> Result<Exit> {
    let ending = Ending::of(&connection.store, execution).await?;
    output::show(globals, &ending)?;
    Ok(ending.exit())
}

/// Returns a warning about a manual start during a freeze. The freeze does not prevent the build.
async fn frozen(store: &Store, pipeline: &Name, now: Timestamp) -> Result<Option<String>> {
    let until = store.pipeline(pipeline).await?.and_then(|pipeline| pipeline.frozen_until(now));
    Ok(until
        .map(|until| format!("warning: pipeline `{pipeline}` is frozen until {until}; a manual start builds anyway")))
}

/// Returns in words for people what a start does.
fn doing(input: &ExecutionInput) -> String {
    match &input.from {
        None => format!("Building pipeline {}", input.pipeline),
        Some(StartFrom::Test { image }) => format!("Testing {image} as pipeline {} tests its images", input.pipeline),
        Some(StartFrom::Distribute { image }) => format!("Distributing {image}"),
    }
}

impl Show for Ending {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        if self.exit() == Exit::Success { Ending::lines(self, &globals.again()) } else { Vec::new() }
    }

    /// The reason for a missing image is an error, not a result.
    fn remarks(&self, globals: &Globals) -> Vec<String> {
        if self.exit() == Exit::Success {
            return Vec::new();
        }
        let again = globals.again();
        let mut lines = Ending::lines(self, &again);
        lines.extend((globals.local && self.lacks_public_parameter()).then(|| LOCAL_SOURCES.to_owned()));
        let kept = self.kept().into_iter().flat_map(|kept| kept.facts(globals));
        lines.extend(kept.map(|(label, fact)| format!("  {label:9}  {fact}")));
        if let Some(image) = self.image() {
            lines.extend(self.has_failed().then(|| format!("What has changed and what helps: {again} show {image}")));
            lines.push(format!("The output of its steps: {again} logs {image}"));
        }
        lines
    }
}

/// A build that was started and that nobody watches.
#[derive(Serialize)]
struct Detached<'a> {
    build: &'a str,
    execution: &'a str,
    pipeline: &'a Name,
}

impl Show for Detached<'_> {
    /// Returns only the id, so that a script can use it.
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![self.build.to_owned()]
    }
}

/// Prints the id of a detached build on standard output, and how to watch it on standard error.
fn detached(globals: &Globals, input: &ExecutionInput, build: &Build) -> Result<Exit> {
    output::show(globals, &Detached { build: &build.name, execution: &build.arn, pipeline: &input.pipeline })?;
    let again = globals.again();
    output::say(&format!("{}. {}", doing(input), look_again(&again, &build.name)));
    output::say(&format!("Stop it with:\n  {again} cancel {}", build.name));
    Ok(Exit::Success)
}

/// Returns the command that watches a build.
fn look_again(again: &str, name: &str) -> String {
    format!("Watch it with:\n  {again} watch {name}\n  {again} show {name}")
}

/// Returns the folder or file of definitions that a text names, or `None` if it may name a pipeline.
pub(crate) fn definitions(what: &str) -> Option<&Path> {
    let path = Path::new(what);
    // A file that happens to lie there must not hide a pipeline. No name of a pipeline has a dot.
    let is_file = path.is_file() && what.parse::<Name>().is_err();
    (is_file || path.is_dir()).then_some(path)
}

/// Applies the definitions if there are some, and returns the stack and the pipeline to build.
async fn pipeline(globals: &Globals, args: &Args) -> Result<(Connection, Name)> {
    if let Some(path) = definitions(&args.what) {
        let consent = args.consent;
        // A build that cannot begin stores nothing: the folder may have a schedule.
        let choose = |definitions: &Definitions| chosen(definitions, &args.what, args.pipeline.as_ref());
        let (connection, definitions, changes) =
            apply::apply(globals, path, args.overrides.secrets, consent, |these| choose(these).map(drop)).await?;
        let written = apply::written(&changes);
        let noun = if changes.len() == 1 { "definition" } else { "definitions" };
        let count = changes.len();
        output::say(&format!("{}: {count} {noun}, {written} of them new or changed", args.what));
        for change in changes.iter().filter(|change| change.outcome == Outcome::Replaced) {
            output::say(&format!("replaced {} {}", change.kind, change.name));
            apply::differences(change).iter().for_each(|line| output::say(line));
        }
        return Ok((connection, choose(&definitions)?));
    }
    named(globals, &args.what, args.pipeline.as_ref()).await
}

/// Returns the stack and its stored pipeline with this name.
pub(crate) async fn named(globals: &Globals, what: &str, chosen: Option<&Name>) -> Result<(Connection, Name)> {
    if chosen.is_some() {
        let why = "--pipeline chooses a pipeline of a folder or file";
        return Err(invalid(format!("{why}, but {what} is neither")));
    }
    let neither = |_| invalid(format!("`{what}` is neither a folder or file nor the name of a pipeline"));
    let name: Name = what.parse().map_err(neither)?;
    let connection = Connection::open(globals).await?;
    // Plan would reject the start as well, but only after a person has seen a build begin.
    if connection.store.pipeline(&name).await?.is_none() {
        let known = connection.store.pipeline_names().await?;
        let near = did_you_mean(name.as_str(), known.iter().map(Name::as_str));
        let help = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(invalid(format!("there is no pipeline `{name}`{help}")));
    }
    Ok((connection, name))
}

/// Returns the pipeline to build, from the definitions of a folder or file.
pub(crate) fn chosen(definitions: &Definitions, path: &str, wanted: Option<&Name>) -> Result<Name> {
    let names: Vec<&Name> = definitions.pipelines.iter().map(|pipeline| &pipeline.name).collect();
    let list = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, &names[..]) {
        (Some(wanted), names) if names.contains(&wanted) => Ok(wanted.clone()),
        (Some(wanted), _) => Err(invalid(format!("{} has no pipeline `{wanted}`: it has {}", path, list()))),
        (None, [only]) => Ok((*only).clone()),
        (None, []) => Err(invalid(format!("{} has no pipeline to build", path))),
        (None, _) => Err(invalid(format!("{} has several pipelines: choose one with --pipeline: {}", path, list()))),
    }
}

async fn stopped_watching(store: &Store, globals: &Globals, build: &str) -> String {
    let image = store.build(build).await.ok().flatten().map(|record| record.image.to_string());
    let name = image.unwrap_or_else(|| build.to_owned());
    format!("The build continues. {}", look_again(&globals.again(), &name))
}

#[cfg(test)]
mod tests;
