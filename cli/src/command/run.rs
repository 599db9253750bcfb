//! `goldsmith run -d DOCUMENT`

mod config;
mod documents;
mod ending;
mod place;
mod progress;

use std::path::PathBuf;

use anyhow::Result;
use goldsmith_document::Module;
use goldsmith_executor::{EXIT_REBOOT, EXIT_SUCCESS, WorkOrder, execute};

use crate::exit::{Exit, invalid};
use crate::parameters;
use config::Config;
use documents::Documents;
use place::Place;
use progress::Progress;

/// Run documents on this machine, as an image build runs them on its instance.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Documents to run, one after another.
    #[arg(short, long, value_name = "FILE,...", value_delimiter = ',', required_unless_present = "config")]
    documents: Vec<PathBuf>,
    /// Phases to run, in the order that each document gives them; all of them by default.
    #[arg(short, long, value_name = "PHASE,...", value_delimiter = ',')]
    phases: Vec<String>,
    /// Values for the documents' parameters.
    #[arg(long, value_name = "NAME=VALUE,...")]
    parameters: Vec<String>,
    /// JSON file that says what to run and how, instead of --documents and --parameters.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["documents", "parameters"])]
    config: Option<PathBuf>,
    /// Folder in which the run's log folder is made [default: the current folder].
    #[arg(short, long, value_name = "FOLDER")]
    log_directory: Option<PathBuf>,
    /// Folder for the run's state; a run that was interrupted or asked for a reboot resumes from there.
    #[arg(short, long, value_name = "FOLDER")]
    state_directory: Option<PathBuf>,
    /// Id of the run; a finished run with this id is not run again [default: a new id].
    #[arg(short = 'i', long, value_name = "ID")]
    execution_id: Option<String>,
    /// Actions that no document may use.
    #[arg(long, value_name = "ACTION,...", value_delimiter = ',')]
    blocked_action_modules: Vec<String>,
    /// Print the output of the steps as it arrives.
    #[arg(short, long)]
    trace: bool,
}

pub(crate) fn run(args: &Args) -> Result<Exit> {
    let config = config(args)?;
    let blocked = args.blocked_action_modules.iter().map(|name| module(name)).collect::<Result<_>>()?;
    let documents = Documents::read(&config, blocked)?;
    let place = Place::find(&config, &documents)?;
    let order = WorkOrder {
        state_directory: place.state.clone(),
        log_directory: config.log_directory.clone(),
        working_directory: Some(PathBuf::from(".")),
        blocked_action_modules: args.blocked_action_modules.clone(),
        ..WorkOrder::documents(&place.execution, config.phases, documents.ordered)
    };
    let mut progress = Progress::start(config.trace);
    let mut result = None;
    let status = execute(&order, &mut progress, &mut |reported| result = Some(reported.clone()));
    progress.end();
    if status == EXIT_REBOOT {
        ending::reboot(&place);
        return Ok(Exit::Reboot);
    }
    // After a reboot, the same run resumes from the state that this removes; that case has returned above.
    place.forget();
    if let Some(result) = &result {
        ending::tell(result);
    }
    Ok(if status == EXIT_SUCCESS { Exit::Success } else { Exit::Failed })
}

/// Returns what to run and how. Arguments of the command line take precedence over the file.
fn config(args: &Args) -> Result<Config> {
    let mut config = args.config.as_deref().map_or_else(|| Ok(Config::default()), config::read)?;
    config.documents.extend(args.documents.iter().map(|path| (path.clone(), parameters::Values::new())));
    config.parameters.extend(parameters::parse(&args.parameters)?);
    if !args.phases.is_empty() {
        config.phases = args.phases.iter().map(|phase| phase.trim().to_owned()).collect();
        config.phases_from = "--phases".to_owned();
    }
    if let Some(folder) = &args.log_directory {
        config.log_directory.clone_from(folder);
    }
    config.state_directory = args.state_directory.clone().or(config.state_directory);
    config.execution_id = args.execution_id.clone().or(config.execution_id);
    config.trace |= args.trace;
    Ok(config)
}

fn module(name: &str) -> Result<Module> {
    let help =
        || goldsmith_document::suggestion(name, &Module::names()).map(|near| format!("; {near}")).unwrap_or_default();
    Module::named(name).ok_or_else(|| invalid(format!("`{name}` cannot be blocked: there is no such action{}", help())))
}
