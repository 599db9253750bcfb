//! `goldsmith schema component|pipeline`: JSON Schema for editors. It describes keys and shapes. `goldsmith validate`
//! checks names, references and everything else that needs the whole file.

mod component;
mod condition;
mod inputs;
mod pipeline;
mod shape;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::Value;

use crate::exit::Exit;
use crate::output;

/// Print the JSON Schema of documents or definitions, for editors.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kind of file that the schema describes.
    #[arg(value_enum)]
    of: Of,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// A component's document.
    Component,
    /// Definitions of pipelines and of everything that pipelines refer to.
    Pipeline,
}

impl Of {
    fn schema(self) -> Value {
        match self {
            Of::Component => component::schema(),
            Of::Pipeline => pipeline::schema(),
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    output::json(&args.of.schema())?;
    Ok(Exit::Success)
}
