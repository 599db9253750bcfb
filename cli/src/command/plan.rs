//! `goldsmith plan PIPELINE|PATH`

mod text;

pub(crate) use text::finding;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{ExecutionInput, Name};
use goldsmith_states::{Config, Context, Error, Nonce, Preview, SsmAgent, SystemClock, Verdict, preview};
use goldsmith_store::{Change, Store};
use serde::Serialize;

use crate::args::Globals;
use crate::command::apply::{self, Checked, Purpose};
use crate::command::build::{self, Overrides};
use crate::connection::Connection;
use crate::exit::{self, Exit, invalid, plain};
use crate::{folder, output};

/// The flag that changes the exit codes.
const DETAILED: &str = "detailed-exitcode";

/// Show what a build of a pipeline would do, and everything that would stop it. This changes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A pipeline, or a folder or file of definitions, which are planned as if they were applied. A folder takes
    /// precedence over a pipeline with the same name.
    #[arg(value_name = "PIPELINE|PATH")]
    what: String,
    /// The pipeline to plan if the definitions have several.
    #[arg(long, value_name = "NAME")]
    pipeline: Option<Name>,
    /// Plan the build even if nothing has changed since the newest image, and begin with the source image and not with the
    /// checkpoint.
    #[arg(long)]
    force: bool,
    /// Exit with 0 if there is nothing to do, with 2 if there is something to build or to apply, and with 1 for every
    /// error and every problem that stops the build.
    #[arg(long = DETAILED)]
    detailed: bool,
    #[command(flatten)]
    overrides: Overrides,
}

/// A plan, and what `apply` would do with the folder.
#[derive(Debug, Serialize)]
struct Planned {
    #[serde(flatten)]
    preview: Preview,
    /// The build of the pipeline that is running. A start would end at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    definitions: Vec<Change>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let planned = match plan(globals, args).await {
        Ok(planned) => planned,
        Err(error) if args.detailed => {
            exit::report(&error, globals.output);
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error),
    };
    output::show(globals, &planned)?;
    Ok(planned.exit(args.detailed))
}

impl Planned {
    fn exit(&self, detailed: bool) -> Exit {
        let changes = self.preview.verdict == Verdict::Build || apply::written(&self.definitions) > 0;
        match self.preview.verdict {
            Verdict::Refused => Exit::Failed,
            _ if detailed && changes => Exit::Changes,
            _ => Exit::Success,
        }
    }
}

/// Returns the exit code for a mistake in the command line: with the flag, it is 1, as for every other error.
pub(crate) fn code_of_mistake(code: i32, mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let is_detailed = arguments.any(|argument| argument.to_str().is_some_and(|text| text == format!("--{DETAILED}")));
    if code != 0 && is_detailed { 1 } else { code }
}

async fn plan(globals: &Globals, args: &Args) -> Result<Planned> {
    // A mistake in the call is reported before anything is looked up.
    let parameters = build::parameters(&args.overrides)?;
    let (connection, store, pipeline, definitions) = target(globals, args).await?;
    let input = ExecutionInput {
        force: args.force,
        source_image: args.overrides.source_image.clone(),
        parameters,
        ..ExecutionInput::new(pipeline, build::cause())
    };
    let context = context(&connection, store, &globals.again())?;
    let preview = preview(&context, &input).await.map_err(explained)?;
    let running = connection.store.running_build(&preview.pipeline).await?;
    Ok(Planned { preview, running, definitions })
}

/// Returns the stack, its store as the plan reads it, the pipeline, and what `apply` would do.
async fn target(globals: &Globals, args: &Args) -> Result<(Connection, Store, Name, Vec<Change>)> {
    let Some(path) = build::definitions(&args.what) else {
        let (connection, name) = build::named(globals, &args.what, args.pipeline.as_ref()).await?;
        let store = connection.store.as_if_applied(&Definitions::default())?;
        return Ok((connection, store, name, Vec::new()));
    };
    let mut files = folder::read(path, Purpose::Plan.nothing())?;
    let checked = apply::check(globals, path, &mut files, args.overrides.secrets, Purpose::Plan).await?;
    let Checked { connection, definitions, changes, .. } = checked;
    let name = build::chosen(&definitions, &args.what, args.pipeline.as_ref())?;
    let store = connection.store.as_if_applied(&definitions)?;
    Ok((connection, store, name, changes))
}

/// Returns what Plan would work with, as far as a plan needs it.
pub(crate) fn context(connection: &Connection, store: Store, again: &str) -> Result<Context> {
    let Some(settings) = &connection.settings else {
        let stack = &connection.stack;
        return Err(invalid(format!(
            "the stack `{stack}` is from a version without plans: update it with `{again} deploy`"
        )));
    };
    Ok(Context {
        store,
        cloud: connection.cloud.clone(),
        clock: Arc::new(SystemClock),
        nonces: Arc::new(Nonce::random),
        config: Config {
            stack: connection.stack.clone(),
            region: connection.region.clone(),
            security_group: settings.security_group.clone(),
            state_machine: connection.state_machine.clone(),
            image_parameter_path: settings.image_parameter_path.clone(),
            subnets: settings.subnets.clone(),
            // A plan launches nothing.
            log_group: String::new(),
            instance_profile: String::new(),
            test_instance_profile: String::new(),
            agents: PathBuf::new(),
            ssm_agent: SsmAgent { base_url: String::new(), key: String::new() },
        },
    })
}

/// Returns the error with the exit code that it has in other commands.
pub(crate) fn explained(error: Error) -> anyhow::Error {
    match error {
        Error::Failed { cause, .. } => invalid(cause.message),
        other => plain(other),
    }
}

#[cfg(test)]
mod tests;
