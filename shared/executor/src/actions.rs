//! What the actions do. Each gets its inputs with all references replaced.

mod bash;
mod download;
mod file;
mod http;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goldsmith_document::Action;

use crate::explain::explain;
use crate::output::Output;
use crate::resolve::{ResolveError, Resolver};
use crate::state::{Input, Inputs};

/// An action whose inputs are plain values.
pub(crate) enum Task {
    Bash(bash::Script),
    Files(Vec<file::NewFile>),
    Downloads(Vec<download::Download>),
    Reboot { delay: Duration },
}

/// Where and how long an attempt may work.
pub(crate) struct Place<'p> {
    pub(crate) working_directory: &'p Path,
    /// Private and empty; exists while the attempt runs.
    pub(crate) scratch: &'p Path,
    pub(crate) deadline: Option<Instant>,
}

/// How an attempt ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) exit_code: Option<i32>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) last_lines: Vec<String>,
}

/// What an attempt came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Success,
    Failed(String),
    /// The agent was stopped meanwhile, so nobody knows.
    Unknown,
    /// Reboot, then run the same step again.
    RebootAndRepeat,
    /// Reboot after the delay, then go on with the next step.
    RebootAndGoOn(Duration),
}

impl Outcome {
    pub(crate) fn failed(error: &dyn Error) -> Self {
        Self { end: End::Failed(explain(error)), ..Self::default() }
    }
}

impl Task {
    /// The action's inputs with their references replaced.
    pub(crate) fn new(action: &Action, resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(match action {
            Action::ExecuteBash(inputs) => Task::Bash(bash::Script::new(inputs, resolver)?),
            Action::CreateFile(inputs) => {
                Task::Files(inputs.iter().map(|input| file::NewFile::new(input, resolver)).collect::<Result<_, _>>()?)
            }
            Action::WebDownload(inputs) => {
                let downloads = inputs.iter().map(|input| download::Download::new(input, resolver));
                Task::Downloads(downloads.collect::<Result<_, _>>()?)
            }
            Action::Reboot(inputs) => {
                Task::Reboot { delay: Duration::from_secs(resolver.value(&inputs.delay_seconds)?) }
            }
            other => return Err(ResolveError::Unsupported { what: format!("the action {}", other.name()) }),
        })
    }

    /// The inputs as they are recorded and as later steps see them.
    pub(crate) fn inputs(&self) -> Vec<Inputs> {
        match self {
            Task::Bash(script) => vec![Inputs::from([("commands".into(), Input::Texts(script.commands.clone()))])],
            Task::Files(files) => files.iter().map(file::NewFile::inputs).collect(),
            Task::Downloads(downloads) => downloads.iter().map(download::Download::inputs).collect(),
            Task::Reboot { delay } => {
                vec![Inputs::from([("delaySeconds".into(), Input::Text(delay.as_secs().to_string()))])]
            }
        }
    }

    /// Does it, once.
    pub(crate) fn perform(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome {
        match self {
            Task::Bash(script) => script.run(place, output),
            Task::Files(files) => match files.iter().try_for_each(|file| file.write(place)) {
                Ok(()) => Outcome::default(),
                Err(error) => Outcome::failed(&error),
            },
            Task::Downloads(downloads) => {
                let done: Result<Vec<String>, _> = downloads.iter().map(|item| item.fetch(place, output)).collect();
                match done {
                    Ok(paths) => {
                        let outputs = BTreeMap::from([("destination".to_owned(), paths.join("\n"))]);
                        Outcome { outputs, ..Outcome::default() }
                    }
                    Err(error) => Outcome::failed(&error),
                }
            }
            Task::Reboot { delay } => Outcome { end: End::RebootAndGoOn(*delay), ..Outcome::default() },
        }
    }
}

impl Place<'_> {
    /// A path of a document; a relative one starts at the working directory.
    fn path(&self, path: &str) -> PathBuf {
        self.working_directory.join(path)
    }
}

/// Inputs of which some are absent.
fn record(inputs: &[(&str, Option<&str>)]) -> Inputs {
    let given = inputs.iter().filter_map(|(key, value)| Some(((*key).to_owned(), Input::Text((*value)?.to_owned()))));
    given.collect()
}
