//! The commands, one file each.

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod build;
pub(crate) mod cancel;
pub(crate) mod clean;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod images;
mod kept;
pub(crate) mod logs;
pub(crate) mod ours;
mod pipeline;
pub(crate) mod pipelines;
pub(crate) mod retire;
pub(crate) mod run;
mod schedules;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod stack_name;
mod target;
pub(crate) mod validate;

use anyhow::Result;

use crate::args::{Cli, Command};
use crate::exit::{Exit, invalid};

/// Runs the command.
pub(crate) async fn run(cli: &Cli) -> Result<Exit> {
    let globals = &cli.globals;
    if globals.regions.len() > 1 && !matches!(cli.command, Command::Clean(_)) {
        return Err(invalid("only `clean` takes more than one --region"));
    }
    match &cli.command {
        Command::Apply(args) => apply::run(globals, args).await,
        Command::Audit(args) => audit::run(globals, args).await,
        Command::Cancel(args) => cancel::run(globals, args).await,
        Command::Clean(args) => clean::run(globals, args).await,
        Command::Doctor(args) => doctor::run(globals, args).await,
        Command::Build(args) => build::run(globals, args).await,
        Command::Images(args) => images::run(globals, args).await,
        Command::Pipelines(args) => pipelines::run(globals, args).await,
        Command::Show(args) => show::run(globals, args).await,
        Command::Logs(args) => logs::run(globals, args).await,
        Command::Run(args) => run::run(args),
        Command::Schema(args) => schema::run(args),
        Command::Validate(args) => validate::run(globals, args),
        Command::Deploy(args) => deploy::run(globals, args).await,
        Command::Retire(args) => retire::run(globals, args).await,
        Command::Local(args) => crate::local::run(globals, args).await,
    }
}
