//! `goldsmith schema component|pipeline|events|error`: JSON Schema of files, for editors, of Goldsmith's own events, and of
//! the document about a failed command. The schema of a file describes keys and shapes. `goldsmith validate` checks names, references and everything else that
//! needs the whole file.

mod component;
mod condition;
mod inputs;
mod pipeline;
mod shape;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::Value;

use crate::exit::{Exit, failure_schema};
use crate::output;

/// Print the JSON Schema of documents, definitions, events or errors.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the schema describes.
    #[arg(value_enum)]
    of: Of,
}

/// A schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// A component's document.
    Component,
    /// What `--output json` prints if a command fails without a result.
    Error,
    /// The events that a stack puts on the default event bus.
    Events,
    /// Definitions of pipelines and of everything that pipelines refer to.
    Pipeline,
}

impl Of {
    fn schema(self) -> Value {
        match self {
            Of::Component => component::schema(),
            Of::Error => failure_schema(),
            Of::Events => goldsmith_states::own_events::schema(),
            Of::Pipeline => pipeline::schema(),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    output::json(&args.of.schema())?;
    Ok(Exit::Success)
}
